// The corners of draining: endpoints that come and go while their connections drain, dials to an endpoint that goes, and
// what is left of it all when the data plane is closed.

import { once } from 'node:events'
import type { Socket } from 'node:net'
import t, { type Test } from 'tap'
import { ServiceState, type Endable } from '../../lib/dataplane/service-state.ts'
import { defaultProxySettings, type ProxySettings } from '../../lib/model/proxy-settings.ts'
import type { ServicePort } from '../../lib/model/proxy-table.ts'
import { freeAddress } from './addresses.ts'
import { startBlackHole } from './black-hole.ts'
import { engines } from './engines.ts'
import { ManualClock } from '../manual-clock.ts'
import { TestPlane } from './plane.ts'
import { defaultOptions } from './plane-options.ts'
import { tcpService } from './table.ts'
import { open, outcome, startEcho, startManual, startNamed } from './tcp.ts'
import { until } from './until.ts'

const drainTimeoutMs = 30_000
const [a, b] = ['10.1.0.1:8080', '10.1.0.2:8080'] as const

function draining(endpoints: readonly string[], settings: Partial<ProxySettings> = {}): ServicePort {
  return tcpService('10.0.0.1:80', endpoints, {
    settings: { ...defaultProxySettings, drainTimeoutMs, ...settings },
  })
}

/** A service port with one connection to its endpoint `a`. */
function create(settings: Partial<ProxySettings> = {}) {
  const clock = new ManualClock()
  const service = new ServiceState(draining([a], settings), { ...defaultOptions, clock })
  const endpoint = service.pick('cluster', '10.2.0.1')
  if (endpoint === null) throw new Error('no endpoint')
  let ended = 0
  const connection: Endable = { end: () => void ended++, bytesIn: 0, bytesOut: 0 }
  const place = service.enter(endpoint, connection)
  service.dialed(endpoint)
  return { clock, service, endpoint, place, ended: () => ended }
}

void t.test('an endpoint that comes back is the same one, with its connections', async t => {
  const { clock, service, endpoint, ended } = create()
  service.update(draining([b]))
  service.update(draining([a]))
  t.equal(service.pick('cluster', '10.2.0.1'), endpoint)
  t.equal(endpoint.active, 1)
  t.equal(clock.pending, 0)
  service.update(draining([b]))
  clock.advance(drainTimeoutMs)
  t.equal(ended(), 1, 'gone for a second time: the connection from before drains, too')
})

void t.test('its health does not come back with it', async t => {
  const { service, endpoint } = create({ drainTimeoutMs: null })
  endpoint.health.consecutiveFailures = 2
  service.update(draining([b], { drainTimeoutMs: null }))
  service.update(draining([a], { drainTimeoutMs: null }))
  t.equal(service.pick('cluster', '10.2.0.1'), endpoint)
  t.equal(endpoint.health.consecutiveFailures, 0)
})

void t.test('the timer goes with the last connection', async t => {
  const { clock, service, endpoint, place, ended } = create()
  service.update(draining([b]))
  t.equal(clock.pending, 1)
  service.leave(endpoint, place)
  t.equal(clock.pending, 0)
  clock.advance(drainTimeoutMs)
  t.equal(ended(), 0)
  t.equal(endpoint.active, 0)
})

void t.test('an endpoint without connections leaves no timer', async t => {
  const { clock, service, endpoint, place } = create()
  service.leave(endpoint, place)
  service.update(draining([b]))
  t.equal(clock.pending, 0)
})

for (const engine of engines) {
  void t.test(`connections of an endpoint that goes (${engine.name})`, async t => {
    const serve = async (t: Test, endpoints: readonly string[], settings: Partial<ProxySettings>) => {
      const clock = new ManualClock()
      const frontend = freeAddress()
      const plane = new TestPlane(t, { engine, clock, random: () => 0.5 })
      const update = (list: readonly string[]): Promise<void> =>
        plane.serve(tcpService(frontend, list, { settings: { ...defaultProxySettings, ...settings } }))
      await update(endpoints)
      return { clock, frontend, plane, update }
    }
    const established = async (t: Test, frontend: string): Promise<Socket> => {
      const client = open(t, frontend)
      client.write('hello')
      await once(client, 'data')
      return client
    }

    void t.test('a dial to it goes on with another one', async t => {
      const hole = await startBlackHole(t)
      const alive = await startNamed(t, 'alive')
      const { clock, frontend, plane, update } = await serve(t, [hole], { drainTimeoutMs: 1 })
      const answer = outcome(open(t, frontend))
      await until(async () => (await plane.plane.status()).activeConnections === 1, 'the dial')
      await update([alive])
      clock.advance(1)
      t.strictSame(await answer, { text: 'alive', end: 'end' })
      t.match(await plane.counters(), { dialRetries: 1, dialFailures: 0 })
    })

    void t.test('with no other one, a dial to it ends in a reset', async t => {
      const { clock, frontend, plane, update } = await serve(t, [await startBlackHole(t)], {
        drainTimeoutMs: 1,
      })
      const answer = outcome(open(t, frontend))
      await until(async () => (await plane.plane.status()).activeConnections === 1, 'the dial')
      await update([])
      clock.advance(1)
      t.equal((await answer).end, 'ECONNRESET')
      t.match(await plane.counters(), { active: 0, failures: { 'no-endpoints': 1 } })
    })

    void t.test(
      'an answer that was on its way when the end came is lost, and its endpoint is told by a reset',
      async t => {
        const server = await startManual(t)
        const { clock, frontend, plane, update } = await serve(t, [server.address], { drainTimeoutMs })
        const client = open(t, frontend)
        client.write('question')
        const upstream = await server.accept()
        await once(upstream.resume(), 'data')
        await update([])
        clock.advance(drainTimeoutMs)
        t.equal((await outcome(upstream)).end, 'end', 'FIN first')
        upstream.write('answer')
        // A socket that has read the end learns of a reset only when it writes.
        await plane.idle()
        const reset = once(upstream, 'error')
        upstream.write('more')
        t.match(await reset, [{ code: /ECONNRESET|EPIPE/ }])
        t.equal((await outcome(client)).text, '')
      },
    )

    void t.test('drained and too old at once: one end, and its grace is not lengthened', async t => {
      const { clock, frontend, plane, update } = await serve(t, [await startEcho(t)], {
        drainTimeoutMs: 1000,
        maxConnectionAgeMs: 3000,
      })
      const client = await established(t, frontend)
      await update([])
      clock.advance(1000)
      t.equal((await outcome(client)).end, 'end')
      clock.advance(4999)
      t.equal((await plane.plane.status()).activeConnections, 1)
      clock.advance(1)
      await plane.idle()
    })

    void t.test('closing the data plane leaves no timer, whatever its connections wait for', async t => {
      const echo = await startEcho(t)
      const { clock, frontend, plane, update } = await serve(t, [echo], {
        drainTimeoutMs,
        maxConnectionAgeMs: 600_000,
      })
      const first = await established(t, frontend)
      const clients = [first, await established(t, frontend)]
      await update([await startEcho(t)])
      clients.push(await established(t, frontend))
      clock.advance(drainTimeoutMs)
      t.equal((await outcome(first)).end, 'end', 'in its polite end')
      await update([])
      await plane.plane.close()
      await plane.idle()
      t.equal(clock.pending, 0)
      await plane.plane.close()
      for (const client of clients) client.destroy()
    })
  })
}
