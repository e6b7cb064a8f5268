// A frontend that can't be bound is a state of that frontend. Everything else is served, and it is, too, as soon
// as its port is free.

import dgram from 'node:dgram'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import net from 'node:net'
import t from 'tap'
import { parseAddress } from '../../lib/model/address.ts'
import { freeAddress } from './addresses.ts'
import { engines } from './engines.ts'
import { ManualClock } from '../manual-clock.ts'
import { TestPlane } from './plane.ts'
import { frontendAt, tcpService, udpService } from './table.ts'
import { ask, startNamed } from './tcp.ts'
import { until } from './until.ts'

for (const engine of engines) {
  void t.test(`a port that is taken (${engine.name})`, async t => {
    void t.test('TCP: named in the status, others served, bound when it is free', async t => {
      const [taken, free] = [freeAddress(), freeAddress()]
      const { ip, port } = parseAddress(taken)
      const squatter = net.createServer(socket => socket.end('squatter')).listen(port, ip)
      await once(squatter, 'listening')
      const clock = new ManualClock()
      const plane = new TestPlane(t, { engine, clock })
      const frontends = [frontendAt(taken), frontendAt(free)]
      await plane.serve(tcpService(free, [await startNamed(t, 'web')], { frontends }))

      t.strictSame((await plane.service()).frontends, [
        { address: taken, state: 'bind-failed', reason: 'EADDRINUSE' },
        { address: free, state: 'listening' },
      ])
      t.equal((await ask(t, free)).text, 'web')
      t.equal((await ask(t, taken)).text, 'squatter')

      clock.advance(1000)
      await until(async () => (await firstState(plane)) === 'bind-failed', 'the retry to fail')
      squatter.close()
      await once(squatter, 'close')
      clock.advance(2000)
      await until(async () => (await firstState(plane)) === 'listening', 'the frontend to be bound')
      t.equal((await ask(t, taken)).text, 'web')
    })

    void t.test('UDP: the same', async t => {
      const taken = freeAddress()
      const { ip, port } = parseAddress(taken)
      const squatter = dgram.createSocket('udp4').bind(port, ip)
      await once(squatter, 'listening')
      const clock = new ManualClock()
      const plane = new TestPlane(t, { engine, clock })
      await plane.serve(udpService(taken, ['127.0.0.1:9']))
      t.strictSame((await plane.service()).frontends, [
        { address: taken, state: 'bind-failed', reason: 'EADDRINUSE' },
      ])
      squatter.close()
      clock.advance(1000)
      await until(async () => (await firstState(plane)) === 'listening', 'the frontend to be bound')
    })

    void t.test('an address of another machine', async t => {
      const plane = new TestPlane(t, { engine, clock: new ManualClock() })
      await plane.serve(
        tcpService('192.0.2.1:80', ['127.0.0.1:9']),
        udpService('192.0.2.1:80', ['127.0.0.1:9']),
      )
      for (const name of ['web', 'dns']) {
        t.strictSame((await plane.service(name)).frontends, [
          { address: '192.0.2.1:80', state: 'bind-failed', reason: 'EADDRNOTAVAIL' },
        ])
      }
    })

    void t.test('without endpoints nobody asks for the port any more', async t => {
      const clock = new ManualClock()
      const plane = new TestPlane(t, { engine, clock })
      const timers = clock.pending
      await plane.serve(tcpService('192.0.2.1:80', ['127.0.0.1:9']))
      t.equal(clock.pending, timers + 1)
      await plane.serve(tcpService('192.0.2.1:80', []))
      t.strictSame(await firstState(plane), 'refusing')
      t.equal(clock.pending, timers)
    })
  })
}

void t.test('a port that needs a privilege', async t => {
  const lowest = Number(readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8'))
  if (process.getuid?.() === 0 || lowest <= 80) {
    t.comment('this user may bind every port')
    return
  }
  for (const engine of engines) {
    const plane = new TestPlane(t, { engine, clock: new ManualClock() })
    await plane.serve(tcpService('127.0.0.1:80', ['127.0.0.1:9']))
    t.match((await plane.service()).frontends, [{ state: 'bind-failed', reason: 'EACCES' }])
  }
})

async function firstState(plane: TestPlane): Promise<string | undefined> {
  return (await plane.service()).frontends[0]?.state
}
