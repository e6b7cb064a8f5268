// An endpoint whose dials keep failing is set aside, probed by live traffic later, and forgiven when it answers.

import t from 'tap'
import { defaultPassiveHealth } from '../../lib/policy/passive-health.ts'
import { freeAddress, ownIp, refusingAddress } from './addresses.ts'
import { startBlackHole } from './black-hole.ts'
import { engines } from './engines.ts'
import { ManualClock } from '../manual-clock.ts'
import { TestPlane } from './plane.ts'
import { tcpService, udpService } from './table.ts'
import { ask, startNamed, startServer } from './tcp.ts'
import { askUdp, sendUdp, startUdpServer, udpClient } from './udp.ts'
import { until } from './until.ts'
import { formatAddress } from '../../lib/model/address.ts'

const { failures, firstMs } = defaultPassiveHealth

for (const engine of engines) {
  void t.test(`passive health (${engine.name})`, async t => {
    const serve = async (dead: string) => {
      const clock = new ManualClock()
      const alive = await startNamed(t, 'alive')
      const frontend = freeAddress()
      const plane = new TestPlane(t, { engine, clock, passiveHealth: defaultPassiveHealth })
      await plane.serve(tcpService(frontend, [dead, alive].sort()))
      const askMany = async (count: number): Promise<number> => {
        const before = (await plane.counters()).dialRetries
        for (let i = 0; i < count; i++) t.equal((await ask(t, frontend)).text, 'alive')
        return (await plane.counters()).dialRetries - before
      }
      const setAside = async () => (await plane.service()).setAside
      return { clock, askMany, setAside }
    }

    void t.test('a dead endpoint is dialed three times, and then left alone for a while', async t => {
      const dead = refusingAddress(t)
      const { clock, askMany, setAside } = await serve(dead)
      t.equal(await askMany(20), failures)
      t.same(await setAside(), [dead])
      clock.advance(firstMs)
      t.same(await setAside(), [])
      t.equal(await askMany(20), 1, 'one probe')
      t.same(await setAside(), [dead])
      clock.advance(firstMs)
      t.equal(await askMany(20), 0, 'twice as long this time')
      clock.advance(firstMs)
      t.equal(await askMany(20), 1)
    })

    void t.test('nobody waits for a black hole any more', async t => {
      const { askMany, setAside } = await serve(await startBlackHole(t))
      t.equal(await askMany(2 * failures), failures)
      t.equal((await setAside()).length, 1)
      t.equal(await askMany(20), 0)
    })

    void t.test('an endpoint that answers again is forgiven', async t => {
      const ip = ownIp()
      const dead = formatAddress(ip, 9000)
      const { clock, askMany, setAside } = await serve(dead)
      await askMany(20)
      t.same(await setAside(), [dead])
      await startServer(t, socket => void socket.resume().end('alive'), { host: ip, port: 9000 })
      clock.advance(firstMs)
      t.equal(await askMany(20), 0)
      t.same(await setAside(), [])
    })
  })

  void t.test(`passive health never sets more than half aside (${engine.name})`, async t => {
    const dead = [refusingAddress(t), refusingAddress(t), refusingAddress(t)]
    const alive = await startServer(t, socket => void socket.resume().end('alive'))
    const frontend = freeAddress()
    const plane = new TestPlane(t, { engine, clock: new ManualClock(), passiveHealth: defaultPassiveHealth })
    await plane.serve(tcpService(frontend, [...dead, alive].sort()))
    for (let i = 0; i < 30; i++) t.equal((await ask(t, frontend)).text, 'alive')
    t.equal((await plane.service()).setAside.length, 2)
  })
  void t.test(`passive health for UDP: refusals by ICMP count (${engine.name})`, async t => {
    const dead = refusingAddress(t)
    const alive = await startUdpServer(t, () => 'alive')
    const frontend = freeAddress()
    const clock = new ManualClock()
    const plane = new TestPlane(t, { engine, clock, passiveHealth: defaultPassiveHealth })
    await plane.serve(udpService(frontend, [dead, alive]))
    for (let round = 1; round <= failures; round++) {
      sendUdp(await udpClient(t), frontend, 'lost')
      await until(async () => (await plane.counters()).failures.refused === round, 'the refusal')
      t.equal((await askUdp(await udpClient(t), frontend, '?')).text, 'alive')
    }
    t.same((await plane.service()).setAside, [dead])
    for (let count = 0; count < 10; count++) {
      t.equal((await askUdp(await udpClient(t), frontend, '?')).text, 'alive')
    }
    t.match(await plane.counters(), { failures: { refused: failures }, dialFailures: failures })
    clock.advance(firstMs)
    t.same((await plane.service()).setAside, [])
    sendUdp(await udpClient(t), frontend, 'lost')
    await until(async () => (await plane.counters()).failures.refused === failures + 1, 'the refusal')
    t.same((await plane.service()).setAside, [dead], 'one more was enough')
  })
}
