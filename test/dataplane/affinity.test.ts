// Session affinity by traffic: whom a client meets, over all frontends of a service port and through every change of
// its endpoints. Clients are told apart by their addresses.

import t, { type Test } from 'tap'
import type { ServicePort } from '../../lib/model/proxy-table.ts'
import { freeAddress, refusingAddress } from './addresses.ts'
import { engines } from './engines.ts'
import { ManualClock, settled } from '../manual-clock.ts'
import { TestPlane } from './plane.ts'
import { frontendAt, tcpService, udpService } from './table.ts'
import { askFrom, startNamed, startServer } from './tcp.ts'
import { askUdp, nextDatagram, sendUdp, startUdpServer, udpClient } from './udp.ts'
import { until } from './until.ts'

const timeoutMs = 60_000
const [alice, bob] = ['127.0.0.2', '127.0.0.3'] as const

for (const engine of engines) {
  void t.test(`session affinity (${engine.name})`, async t => {
    const create = async (t: Test) => {
      const [clusterIp, nodePort] = [freeAddress(), freeAddress()]
      const frontends = [frontendAt(clusterIp), frontendAt(nodePort, { kind: 'NodePort' })]
      const clock = new ManualClock()
      const plane = new TestPlane(t, { engine, clock })
      const serve = (endpoints: readonly string[], overrides: Partial<ServicePort> = {}) =>
        plane.serve(
          tcpService(clusterIp, endpoints, {
            frontends,
            affinityTimeoutSeconds: timeoutMs / 1000,
            ...overrides,
          }),
        )
      const meet = async (client: string, at = clusterIp): Promise<string> =>
        (await askFrom(t, client, at)).text
      const [a, b, c] = await Promise.all(['a', 'b', 'c'].map(name => startNamed(t, name)))
      if (a === undefined || b === undefined || c === undefined) throw new Error('three servers')
      return { clock, plane, serve, meet, clusterIp, nodePort, a, b, c }
    }

    void t.test('one client meets one endpoint on every frontend, others are spread', async t => {
      const { serve, meet, nodePort, a, b, c } = await create(t)
      await serve([a, b, c])
      for (const client of [alice, bob, '127.0.0.4']) {
        const met = await meet(client)
        for (let round = 0; round < 3; round++) {
          t.equal(await meet(client, nodePort), met)
          t.equal(await meet(client), met)
        }
      }
      const many = Array.from({ length: 60 }, (_, index) => `127.0.1.${index + 1}`)
      const met = await Promise.all(many.map(client => meet(client)))
      for (const name of ['a', 'b', 'c']) {
        // By hash: about a third each. Fewer than five would happen once in a million runs.
        const count = met.filter(each => each === name).length
        t.ok(count >= 5, `${name}: ${count}`)
      }
      t.strictSame(await Promise.all(many.map(client => meet(client, nodePort))), met)
    })

    void t.test('another data plane with the same endpoints sends a new client to the same one', async t => {
      const { serve, meet, a, b, c } = await create(t)
      await serve([a, b, c])
      const other = freeAddress()
      const plane = new TestPlane(t, { engine })
      await plane.serve(tcpService(other, [a, b, c], { affinityTimeoutSeconds: 60 }))
      for (let client = 1; client <= 20; client++) {
        t.equal(await meet(`127.0.2.${client}`), await meet(`127.0.2.${client}`, other))
      }
    })

    void t.test('first connections at the same time meet the same endpoint', async t => {
      const { serve, meet, a, b, c } = await create(t)
      await serve([a, b, c])
      const met = await Promise.all(Array.from({ length: 12 }, () => meet(alice)))
      t.equal(new Set(met).size, 1)
    })

    void t.test('other endpoints come and go without a change for the client', async t => {
      const { serve, meet, a, b, c } = await create(t)
      await serve([a])
      t.equal(await meet(alice), 'a')
      for (const endpoints of [[c, b, a], [a, c], [a], [a, b, c]]) {
        await serve(endpoints)
        t.equal(await meet(alice), 'a')
      }
    })

    void t.test('it slides: each new connection renews it, and it is released after the timeout', async t => {
      const { clock, serve, meet, a, b } = await create(t)
      await serve([a, b])
      const hashed = await meet(alice)
      const other = hashed === 'a' ? 'b' : 'a'
      await serve([hashed === 'a' ? b : a])
      t.equal(await meet(alice), other)
      await serve([a, b])
      for (let round = 0; round < 4; round++) {
        clock.advance(timeoutMs - 1)
        t.equal(await meet(alice), other)
      }
      clock.advance(timeoutMs)
      t.equal(await meet(alice), hashed)
      t.equal(await meet(alice), hashed)
    })

    void t.test('it moves when its endpoint goes, and stays where it went', async t => {
      const { serve, meet, a, b, c } = await create(t)
      await serve([a])
      t.equal(await meet(alice), 'a')
      await serve([b, c], { serving: [a, b, c] })
      const second = await meet(alice)
      t.ok(['b', 'c'].includes(second), 'one that still serves but is not eligible does not count')
      await serve([a, b, c])
      t.equal(await meet(alice), second)
    })

    void t.test('it moves when its endpoint refuses (kubernetes#24648)', async t => {
      const { plane, serve, meet, b } = await create(t)
      await serve([refusingAddress(t), b])
      // As many as surely hash to the dead one: each meets it once at most.
      const clients = Array.from({ length: 30 }, (_, index) => `127.0.3.${index + 1}`)
      for (const client of clients) for (let round = 0; round < 3; round++) t.equal(await meet(client), 'b')
      const { dialRetries } = await plane.counters()
      t.ok(dialRetries > 0 && dialRetries < clients.length, `${dialRetries} dials of the dead endpoint`)
    })

    void t.test('it is switched off and on again', async t => {
      const { serve, meet, a, b } = await create(t)
      await serve([a, b])
      t.equal(await meet(alice), await meet(alice))
      await serve([a, b], { affinityTimeoutSeconds: null })
      t.strictSame([await meet(alice), await meet(alice)].sort(), ['a', 'b'])
      await serve([a, b])
      const met = await meet(alice)
      t.equal(await meet(alice), met)
    })

    void t.test('an endpoint that dies before it answers does not keep its client', async t => {
      const { serve, meet, b } = await create(t)
      await serve([await startServer(t, socket => void socket.resetAndDestroy()), b])
      t.equal(await meet(alice), 'b')
      t.equal(await meet(alice), 'b')
    })

    void t.test('UDP: by client address, whatever its port', async t => {
      const [one, two] = [freeAddress(), freeAddress()]
      const clock = new ManualClock()
      const plane = new TestPlane(t, { engine, clock })
      const servers = ['a', 'b', 'c'].map(name => startUdpServer(t, () => name))
      const frontends = [frontendAt(one), frontendAt(two, { kind: 'NodePort' })]
      const overrides = { frontends, affinityTimeoutSeconds: timeoutMs / 1000 }
      await plane.serve(udpService(one, await Promise.all(servers), overrides))
      const meet = async (client: string, at = one): Promise<string> =>
        (await askUdp(await udpClient(t, undefined, client), at, '?')).text
      const clients = Array.from({ length: 20 }, (_, index) => `127.0.4.${index + 1}`)
      const met = await Promise.all(clients.map(client => meet(client)))
      t.ok(new Set(met).size > 1, 'not all the same')
      t.strictSame(await Promise.all(clients.map(client => meet(client, two))), met)
      clock.advance(timeoutMs)
      t.strictSame(await Promise.all(clients.map(client => meet(client))), met)
    })

    void t.test('UDP: it moves when its endpoint refuses (kubernetes#24648)', async t => {
      const frontend = freeAddress()
      const plane = new TestPlane(t, { engine })
      const endpoints = [refusingAddress(t), await startUdpServer(t, () => 'alive')]
      await plane.serve(udpService(frontend, endpoints, { affinityTimeoutSeconds: 60 }))
      // The first client that hashes to the dead one; each has an even chance.
      const refused = async (): Promise<boolean> => (await plane.counters()).failures.refused > 0
      let ip = ''
      for (let index = 1; !(await refused()) && index < 100; index++) {
        ip = `127.0.5.${index}`
        const client = await udpClient(t, undefined, ip)
        const answered = nextDatagram(client).then(() => true)
        sendUdp(client, frontend, '?')
        await until(async () => (await refused()) || (await Promise.race([answered, settled()])) === true, ip)
      }
      t.equal((await askUdp(await udpClient(t, undefined, ip), frontend, '?')).text, 'alive')
      t.equal((await plane.counters()).failures.refused, 1)
    })
  })
}
