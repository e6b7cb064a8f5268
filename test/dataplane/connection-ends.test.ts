// Connections that the proxy ends by itself: to an endpoint that is gone, and at their greatest age. A FIN first, for
// peers that are between two requests; a RST for those that don't heed it.

import { once } from 'node:events'
import type { Socket } from 'node:net'
import t, { type Test } from 'tap'
import { defaultProxySettings, type ProxySettings } from '../../lib/model/proxy-settings.ts'
import type { Engine } from '../../lib/dataplane/engine.ts'
import type { ServicePort } from '../../lib/model/proxy-table.ts'
import { freeAddress } from './addresses.ts'
import { engines } from './engines.ts'
import { ManualClock } from '../manual-clock.ts'
import { TestPlane } from './plane.ts'
import { delta, tcpService } from './table.ts'
import { open, outcome, startEcho } from './tcp.ts'

const drainTimeoutMs = 30_000
const politeEndMs = 5000

/** A plane with one service of two echoing endpoints, and a client that has been answered by the first. */
async function connected(t: Test, engine: Engine, settings: Partial<ProxySettings>, random = 0.5) {
  const clock = new ManualClock()
  const endpoints = [await startEcho(t), await startEcho(t)] as const
  const frontend = freeAddress()
  const plane = new TestPlane(t, { engine, clock, random: () => random })
  const service = (overrides: Partial<ServicePort>): ServicePort =>
    tcpService(frontend, endpoints, { settings: { ...defaultProxySettings, ...settings }, ...overrides })
  await plane.serve(service({ cluster: [endpoints[0]], serving: [endpoints[0]] }))
  const client = open(t, frontend)
  t.equal(await echo(client, 'hello'), 'hello')
  let generation = 1
  return {
    clock,
    plane,
    client,
    endpoints,
    update: (overrides: Partial<ServicePort>) => plane.apply(delta(++generation, [service(overrides)])),
    remove: () => plane.apply(delta(++generation, [], [service({}).key])),
  }
}

async function echo(socket: Socket, text: string): Promise<string> {
  const answer = once(socket, 'data')
  socket.write(text)
  const [chunk] = (await answer) as [Buffer]
  return chunk.toString()
}

for (const engine of engines) {
  void t.test(`draining (${engine.name})`, async t => {
    void t.test('a connection to a removed endpoint is ended after the timeout', async t => {
      const { clock, plane, client, endpoints, update } = await connected(t, engine, { drainTimeoutMs })
      await update({ cluster: [endpoints[1]], serving: [endpoints[1]] })
      clock.advance(drainTimeoutMs - 1)
      t.equal(await echo(client, 'still'), 'still')
      clock.advance(1)
      t.same(await outcome(client), { text: '', end: 'end' })
      client.end()
      await plane.idle()
    })

    void t.test('a client that stays in spite of the FIN is reset', async t => {
      const { clock, plane, client, remove } = await connected(t, engine, { drainTimeoutMs })
      await remove()
      clock.advance(drainTimeoutMs)
      t.equal((await outcome(client)).end, 'end')
      const reset = once(client, 'error')
      clock.advance(politeEndMs)
      client.write('anyone there?')
      t.match(await reset, [{ code: /ECONNRESET|EPIPE/ }])
      await plane.idle()
    })

    void t.test('a client that talks on after the FIN is reset at once', async t => {
      const { clock, plane, client, remove } = await connected(t, engine, { drainTimeoutMs })
      await remove()
      clock.advance(drainTimeoutMs)
      t.equal((await outcome(client)).end, 'end')
      client.write('one more thing')
      await plane.idle()
      // A socket that has read the end learns of a reset only when it writes.
      const reset = once(client, 'error')
      client.write('and another')
      t.match(await reset, [{ code: /ECONNRESET|EPIPE/ }])
    })

    void t.test('an endpoint that is merely unready keeps its connections', async t => {
      const { clock, client, endpoints, update } = await connected(t, engine, { drainTimeoutMs })
      await update({ cluster: [endpoints[1]], serving: [endpoints[1]], unserving: [endpoints[0]] })
      clock.advance(drainTimeoutMs * 2)
      t.equal(await echo(client, 'still'), 'still')
    })

    void t.test('an endpoint that terminates and still serves keeps its connections', async t => {
      const { clock, client, endpoints, update } = await connected(t, engine, { drainTimeoutMs })
      await update({ cluster: [endpoints[1]], serving: endpoints })
      clock.advance(drainTimeoutMs * 2)
      t.equal(await echo(client, 'still'), 'still')
    })

    void t.test('an endpoint that comes back in time keeps its connections', async t => {
      const { clock, client, endpoints, update } = await connected(t, engine, { drainTimeoutMs })
      await update({ cluster: [endpoints[1]], serving: [endpoints[1]] })
      clock.advance(drainTimeoutMs / 2)
      await update({})
      clock.advance(drainTimeoutMs)
      t.equal(await echo(client, 'still'), 'still')
    })

    void t.test('without a timeout connections end by themselves', async t => {
      const { clock, client, remove } = await connected(t, engine, {})
      await remove()
      clock.advance(24 * 3_600_000)
      t.equal(await echo(client, 'still'), 'still')
    })
  })

  void t.test(`greatest age (${engine.name})`, async t => {
    const maxConnectionAgeMs = 10_000
    for (const [random, ageMs] of [
      [0, 9000],
      [0.5, 10_000],
      [0.999_999, 11_000],
    ] as const) {
      void t.test(`with a random number of ${random} it is ${ageMs} ms`, async t => {
        const { clock, plane, client } = await connected(t, engine, { maxConnectionAgeMs }, random)
        clock.advance(ageMs - 1)
        t.equal(await echo(client, 'still'), 'still')
        clock.advance(1)
        t.same(await outcome(client), { text: '', end: 'end' })
        client.end()
        await plane.idle()
      })
    }

    void t.test('a connection that ends before leaves no timer behind', async t => {
      const { clock, plane, client } = await connected(t, engine, { maxConnectionAgeMs })
      const before = clock.pending
      client.end()
      t.equal((await outcome(client)).end, 'end')
      await plane.idle()
      t.equal(clock.pending, before - 1)
    })
  })
}
