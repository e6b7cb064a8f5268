// Draining: nobody new is taken, what is established goes on, and at the end nothing is left.

import { once } from 'node:events'
import t, { type Test } from 'tap'
import type { Engine } from '../../lib/dataplane/engine.ts'
import { defaultProxySettings } from '../../lib/model/proxy-settings.ts'
import { freeAddress } from './addresses.ts'
import { startBlackHole } from './black-hole.ts'
import { engines } from './engines.ts'
import { ManualClock } from '../manual-clock.ts'
import { TestPlane } from './plane.ts'
import { snapshot, tcpService, udpService } from './table.ts'
import { connectOutcome, open, outcome, startEcho, startManual } from './tcp.ts'
import { askUdp, sendUdp, startUdpServer, udpClient } from './udp.ts'
import { until } from './until.ts'

/** How long the peers of a connection that is ended have to close. */
const politeEndMs = 5000

for (const engine of engines) {
  void t.test(`draining (${engine.name})`, async t => {
    void t.test('established connections go on to their end, new ones are refused', async t => {
      const { plane, frontend } = await serveEcho(t, engine)
      const client = open(t, frontend)
      client.write('before')
      await once(client, 'data')
      const drained = plane.plane.drain(null)
      t.equal(await connectOutcome(t, frontend), 'ECONNREFUSED')
      for (let round = 0; round < 3; round++) {
        client.write('meanwhile')
        t.equal(String((await once(client, 'data'))[0]), 'meanwhile')
      }
      t.match(await plane.plane.status(), { activeConnections: 1, descriptors: { used: 2 } })
      const answer = outcome(client)
      client.end('and out')
      t.strictSame(await answer, { text: 'and out', end: 'end' })
      await drained
      t.match(await plane.plane.status(), { activeConnections: 0, descriptors: { used: 0 } })
      t.match(await plane.counters(), { active: 0, total: 1, dialFailures: 0 }, 'counters are kept')
      await plane.plane.drain(null)
    })

    void t.test('after the timeout they are ended: FIN first, RST for one that does not heed it', async t => {
      const clock = new ManualClock()
      const { plane, frontend } = await serveEcho(t, engine, clock)
      const [polite, stubborn] = [open(t, frontend), open(t, frontend)]
      for (const client of [polite, stubborn]) {
        client.write('?')
        await once(client, 'data')
      }
      const drained = plane.plane.drain(60_000)
      clock.advance(59_999)
      polite.write('still')
      t.equal(String((await once(polite, 'data'))[0]), 'still')
      clock.advance(1)
      await Promise.all([once(polite, 'end'), once(stubborn, 'end')])
      polite.end()
      await until(async () => (await plane.plane.status()).activeConnections === 1, 'the polite one to end')
      const reset = outcome(stubborn.on('data', () => {}))
      clock.advance(politeEndMs)
      await drained
      stubborn.write('?')
      await Promise.race([reset, once(stubborn, 'close')])
      t.match(await plane.plane.status(), { activeConnections: 0, descriptors: { used: 0 } })
    })

    void t.test('a connection that is being dialed counts as established', async t => {
      const frontend = freeAddress()
      const clock = new ManualClock()
      const plane = new TestPlane(t, { engine, clock })
      const slow = await startBlackHole(t)
      await plane.serve(tcpService(frontend, [slow, await startEcho(t)]))
      const client = open(t, frontend)
      await until(async () => (await plane.counters()).total === 1, 'the dial')
      const drained = plane.plane.drain(null)
      const answer = outcome(client)
      client.end('late')
      t.strictSame(await answer, { text: 'late', end: 'end' })
      await drained
    })

    void t.test('one that is still dialed at the timeout is reset', async t => {
      const frontend = freeAddress()
      const clock = new ManualClock()
      const plane = new TestPlane(t, { engine, clock })
      const slow = await startBlackHole(t)
      await plane.serve(tcpService(frontend, [slow]))
      const client = open(t, frontend)
      await until(async () => (await plane.counters()).total === 1, 'the dial')
      const drained = plane.plane.drain(1)
      const answer = outcome(client)
      clock.advance(1)
      t.equal((await answer).end, 'ECONNRESET')
      await drained
      t.equal((await plane.plane.status()).descriptors.used, 0)
    })

    void t.test('a paused listener is closed as well, and stays so', async t => {
      const frontend = freeAddress()
      const server = await startManual(t)
      const plane = new TestPlane(t, { engine })
      const settings = { ...defaultProxySettings, maxConnections: 1 }
      await plane.serve(tcpService(frontend, [server.address], { settings }))
      const first = open(t, frontend)
      const upstream = await server.accept()
      const waiting = open(t, frontend)
      await once(waiting, 'connect')
      const answer = outcome(waiting)
      const drained = plane.plane.drain(null)
      t.equal((await answer).end, 'ECONNRESET', 'nobody else listens here to take it over')
      first.end()
      upstream.resume().end()
      await drained
      t.equal(await connectOutcome(t, frontend), 'ECONNREFUSED')
    })

    void t.test('UDP flows go on until they are idle; others get no answer', async t => {
      const frontend = freeAddress()
      const clock = new ManualClock()
      const plane = new TestPlane(t, { engine, clock })
      await plane.serve(udpService(frontend, [await startUdpServer(t, data => data)]))
      const clients = await Promise.all(Array.from({ length: 20 }, () => udpClient(t)))
      for (const client of clients) await askUdp(client, frontend, 'before')
      const drained = plane.plane.drain(null)
      for (const client of clients) {
        const { text, from } = await askUdp(client, frontend, 'after')
        t.strictSame([text, from], ['after', frontend])
      }
      await until(
        async () => (await plane.plane.status()).descriptors.used === 40,
        'the listener to be closed',
      )
      const stranger = await udpClient(t, frontend)
      const refused = once(stranger, 'error')
      stranger.send('?')
      t.match(await refused, [{ code: 'ECONNREFUSED' }])
      t.match(await plane.counters(), { active: 20, total: 20 })
      clock.advance(100_000)
      await drained
      t.match(await plane.plane.status(), { udpFlows: 0, descriptors: { used: 0 } })
    })

    void t.test('UDP flows that are not idle end with the timeout', async t => {
      const frontend = freeAddress()
      const clock = new ManualClock()
      const plane = new TestPlane(t, { engine, clock })
      await plane.serve(udpService(frontend, [await startUdpServer(t, data => data)]))
      const client = await udpClient(t)
      await askUdp(client, frontend, '?')
      const drained = plane.plane.drain(5000)
      clock.advance(5000)
      await drained
      t.match(await plane.plane.status(), { udpFlows: 0, descriptors: { used: 0 } })
    })

    void t.test('updates are heeded: a flow whose endpoint goes is cut, nothing is opened', async t => {
      const [udp, tcp, later] = [freeAddress(), freeAddress(), freeAddress()]
      const plane = new TestPlane(t, { engine })
      const endpoints = [await startUdpServer(t, data => data)]
      const echo = await startEcho(t)
      const web = (frontend: string, name: string) => tcpService(frontend, [echo], { name })
      await plane.serve(udpService(udp, endpoints), web(tcp, 'web'), tcpService(later, [], { name: 'later' }))
      const connection = open(t, tcp)
      connection.write('?')
      await once(connection, 'data')
      const client = await udpClient(t)
      await askUdp(client, udp, '?')
      const drained = plane.plane.drain(null)
      await plane.serve(web(tcp, 'web'), web(later, 'later'), web(freeAddress(), 'new'))
      t.equal((await plane.plane.status()).udpFlows, 0)
      for (const address of [tcp, later]) t.equal(await connectOutcome(t, address), 'ECONNREFUSED')
      for (const { frontends } of (await plane.plane.status()).servicePorts) {
        t.match(frontends, [{ state: 'refusing' }])
      }
      await plane.plane.setMembers(0, [0])
      t.equal(await connectOutcome(t, later), 'ECONNREFUSED')
      connection.end()
      await drained
    })

    void t.test('without anything established it is over at once; closing ends it', async t => {
      const idle = await serveEcho(t, engine)
      await idle.plane.plane.drain(null)
      t.equal((await idle.plane.plane.status()).descriptors.used, 0)
      await idle.plane.apply(snapshot(9))

      const busy = await serveEcho(t, engine)
      const client = open(t, busy.frontend)
      client.write('?')
      await once(client, 'data')
      const drained = [busy.plane.plane.drain(null), busy.plane.plane.drain(600_000)]
      const answer = outcome(client)
      await busy.plane.plane.close()
      await Promise.all(drained)
      t.equal((await answer).end, 'ECONNRESET')
    })

    void t.test('flows that get no socket of their own are closed, the others go on', async t => {
      const frontend = freeAddress()
      // 4 of these 16 are reserved; a listener and six flows leave five.
      const plane = new TestPlane(t, { engine, descriptorLimit: 16 })
      await plane.serve(udpService(frontend, [await startUdpServer(t, data => data)]))
      const clients = await Promise.all(Array.from({ length: 6 }, () => udpClient(t)))
      for (const client of clients) await askUdp(client, frontend, '?')
      const before = await plane.plane.status()
      t.equal(before.udpFlows, 6)
      const drained = plane.plane.drain(null)
      await until(async () => (await plane.plane.status()).udpFlows < 6, 'some to be closed')
      const { udpFlows, descriptors } = await plane.plane.status()
      t.ok(udpFlows >= 2 && descriptors.used <= 12, `${udpFlows} flows, ${descriptors.used} descriptors`)
      let answered = 0
      for (const client of clients) {
        client.on('message', () => answered++)
        sendUdp(client, frontend, 'still there?')
      }
      await until(() => answered === udpFlows, 'answers')
      await plane.plane.close()
      await drained
      t.equal((await plane.plane.status()).descriptors.used, 0)
    })

    void t.test('a frontend that could not be bound is not tried again', async t => {
      const frontend = freeAddress()
      const clock = new ManualClock()
      let attempts = 0
      const failing: Engine = {
        ...engine,
        listenTcp: () => {
          attempts++
          return Promise.reject(Object.assign(new Error('not allowed'), { code: 'EACCES' }))
        },
      }
      const plane = new TestPlane(t, { engine: failing, clock })
      await plane.serve(tcpService(frontend, [await startEcho(t)]))
      await clock.advanceAndSettle(1000)
      t.equal(attempts, 2)
      await plane.plane.drain(null)
      await clock.advanceAndSettle(60_000)
      t.equal(attempts, 2)
    })
  })
}

async function serveEcho(
  t: Test,
  engine: Engine,
  clock?: ManualClock,
): Promise<{ plane: TestPlane; frontend: string }> {
  const frontend = freeAddress()
  const plane = new TestPlane(t, clock === undefined ? { engine } : { engine, clock })
  await plane.serve(tcpService(frontend, [await startEcho(t)]))
  return { plane, frontend }
}
