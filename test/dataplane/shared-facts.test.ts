// Two data planes that tell each other what they found out, as the workers of one node do.

import t, { type Test } from 'tap'
import type { Engine } from '../../lib/dataplane/engine.ts'
import type { DataPlaneOptions } from '../../lib/dataplane/local-data-plane.ts'
import type { SharedFact } from '../../lib/dataplane/shared-facts.ts'
import type { ServicePort } from '../../lib/model/proxy-table.ts'
import { defaultPassiveHealth } from '../../lib/policy/passive-health.ts'
import { freeAddress, refusingAddress } from './addresses.ts'
import { engines } from './engines.ts'
import { ManualClock } from '../manual-clock.ts'
import { TestPlane } from './plane.ts'
import { tcpService } from './table.ts'
import { ask, askFrom, open, startEcho, startManual, startNamed, startServer } from './tcp.ts'

const affinityTimeoutSeconds = 60
const alice = '127.0.0.2'

for (const engine of engines) {
  void t.test(`shared facts (${engine.name})`, async t => {
    void t.test('affinity: a client that comes to another one meets its endpoint there', async t => {
      const { told, one, two, serve, clock } = pair(t, engine)
      const [a, b] = [await startNamed(t, 'a'), await startNamed(t, 'b')]
      await serve([a, b], { affinityTimeoutSeconds })
      const hashed = (await askFrom(t, alice, one.frontend)).text
      const other = hashed === 'a' ? b : a
      // It moves to the other endpoint, which its address alone doesn't lead to.
      await one.serve([other], { affinityTimeoutSeconds })
      const moved = (await askFrom(t, alice, one.frontend)).text
      t.not(moved, hashed)
      t.equal((await askFrom(t, alice, two.frontend)).text, moved)
      const news = told.filter(({ kind }) => kind === 'affinity')
      t.match(news.slice(0, 2), [
        { client: alice, endpoint: hashed === 'a' ? a : b, ageMs: 0 },
        { client: alice, endpoint: other },
      ])
      const before = told.length
      for (let count = 0; count < 10; count++) await askFrom(t, alice, two.frontend)
      t.equal(told.length, before, 'a renewal is no news')
      // A little more: the second decision counts as later than the first one that it overrules.
      // The decision against a known endpoint counts from 400 ms later than it was made.
      clock.advance((affinityTimeoutSeconds * 1000) / 4 + 400)
      for (let count = 0; count < 10; count++) await askFrom(t, alice, two.frontend)
      t.equal(told.length, before + 1, 'but once in a while')
    })

    void t.test(
      'affinity that is older than the timeout, or of a Service without it, is passed by',
      async t => {
        const { one, serve } = pair(t, engine)
        const [a, b] = [await startNamed(t, 'a'), await startNamed(t, 'b')]
        await serve([a, b], { affinityTimeoutSeconds })
        const hashed = (await askFrom(t, alice, one.frontend)).text
        const other = hashed === 'a' ? b : a
        const fact = { kind: 'affinity', servicePort: one.key, client: '127.0.0.3', endpoint: other } as const
        const first = (await askFrom(t, '127.0.0.3', one.frontend)).text
        one.plane.plane.learn([{ ...fact, ageMs: 60_000 }])
        t.equal((await askFrom(t, '127.0.0.3', one.frontend)).text, first)
        await one.serve([a, b])
        one.plane.plane.learn([{ ...fact, ageMs: 0 }])
        t.not(
          (await askFrom(t, '127.0.0.3', one.frontend)).text,
          (await askFrom(t, '127.0.0.3', one.frontend)).text,
        )
      },
    )

    void t.test(
      'health: an endpoint that is dead to one is set aside by the other, and forgiven',
      async t => {
        const { told, one, two, serve, clock } = pair(t, engine)
        const dead = refusingAddress(t)
        await serve([dead, await startNamed(t, 'alive')])
        while ((await one.plane.service()).setAside.length === 0) await ask(t, one.frontend)
        t.strictSame((await two.plane.service()).setAside, [dead])
        t.match(told, [
          { kind: 'health', endpoint: dead, setAsideForMs: defaultPassiveHealth.firstMs, timesSetAside: 1 },
        ])
        for (let count = 0; count < 4; count++) await ask(t, two.frontend)
        t.equal((await two.plane.counters()).dialRetries, 0, 'it is not dialed there')
        clock.advance(defaultPassiveHealth.firstMs)
        t.strictSame((await two.plane.service()).setAside, [])
        while ((await two.plane.service()).setAside.length === 0) await ask(t, two.frontend)
        t.match(told.at(-1), { timesSetAside: 2, setAsideForMs: defaultPassiveHealth.firstMs * 2 })
        t.strictSame((await one.plane.service()).setAside, [dead], 'one failed probe counts for both')
      },
    )

    void t.test('health: an answer to one is news to the other', async t => {
      const { told, one, two, serve, clock } = pair(t, engine)
      const endpoints = [await startNamed(t, 'a'), await startNamed(t, 'b')]
      const [suspect = ''] = endpoints
      await serve(endpoints)
      const fact = { kind: 'health', servicePort: one.key, endpoint: suspect } as const
      const aside = { ...fact, setAsideForMs: 1000, timesSetAside: 4 }
      for (const { plane } of [one, two]) plane.plane.learn([aside])
      t.strictSame((await two.plane.service()).setAside, [suspect])
      clock.advance(1000)
      for (let count = 0; count < 2; count++) await ask(t, one.frontend)
      t.match(told, [{ endpoint: suspect, setAsideForMs: 0, timesSetAside: 0 }])
      for (const { plane } of [one, two]) {
        plane.plane.learn([{ ...fact, endpoint: endpoints[1] ?? '', setAsideForMs: 9999, timesSetAside: 1 }])
        plane.plane.learn([{ ...fact, setAsideForMs: 9999, timesSetAside: 1 }])
        t.strictSame((await plane.service()).setAside, [endpoints[1]], 'half of them at most')
        plane.plane.learn([{ ...fact, endpoint: '192.0.2.1:1', setAsideForMs: 9999, timesSetAside: 1 }])
      }
    })

    void t.test('a client at its limit is reset, and counted; others are served', async t => {
      const { one, serve } = pair(t, engine, { maxConnectionsPerClient: 3 })
      await serve([await startEcho(t)])
      const held = [1, 2, 3].map(() => open(t, one.frontend, alice))
      for (const client of held) {
        client.write('?')
        await new Promise(resolve => client.once('data', resolve))
      }
      t.equal((await askFrom(t, alice, one.frontend, 'x')).end, 'ECONNRESET')
      t.match(await one.plane.counters(), { active: 3, failures: { 'client-limit': 1 } })
      t.strictSame(await askFrom(t, '127.0.0.3', one.frontend, 'x'), { text: 'x', end: 'end' })
      held[0]?.end()
      await new Promise(resolve => held[0]?.once('close', resolve))
      while ((await one.plane.counters()).active > 2) await new Promise(setImmediate)
      t.strictSame(await askFrom(t, alice, one.frontend, 'x'), { text: 'x', end: 'end' })
    })

    void t.test('the limit of a client counts what it has open at the other one', async t => {
      const { one, two, serve, clock } = pair(t, engine, { maxConnectionsPerClient: 3 })
      const server = await startManual(t)
      await serve([server.address])
      for (let count = 0; count < 3; count++) {
        open(t, one.frontend, alice)
        await server.accept()
      }
      await clock.advanceAndSettle(100)
      t.equal((await askFrom(t, alice, two.frontend)).end, 'ECONNRESET')
      t.match(await two.plane.counters(), { total: 0, failures: { 'client-limit': 1 } })
    })

    void t.test('a fact about a service port that is gone is passed by', async t => {
      const { one, serve } = pair(t, engine)
      await serve([await startServer(t, socket => void socket.end())])
      await one.plane.serve()
      const { key: servicePort } = one
      one.plane.plane.learn([
        { kind: 'affinity', servicePort, client: alice, endpoint: '192.0.2.1:80', ageMs: 0 },
        { kind: 'health', servicePort, endpoint: '192.0.2.1:80', setAsideForMs: 1, timesSetAside: 1 },
        { kind: 'client', worker: 1, client: alice, connections: 5 },
      ])
      t.strictSame((await one.plane.plane.status()).servicePorts, [])
    })
  })
}

/** Each with a frontend of its own for the same service port, so that a test says which one a client comes to. */
function pair(t: Test, engine: Engine, options: Partial<DataPlaneOptions> = {}) {
  const clock = new ManualClock()
  const told: SharedFact[] = []
  const members = [0, 1].map(own => {
    const frontend = freeAddress()
    const plane = new TestPlane(t, {
      engine,
      clock,
      passiveHealth: defaultPassiveHealth,
      ...options,
      onFact: fact => {
        told.push(fact)
        for (const [index, other] of members.entries()) if (index !== own) other.plane.plane.learn([fact])
      },
    })
    const serve = (endpoints: readonly string[], overrides: Partial<ServicePort> = {}): Promise<void> =>
      plane.serve(tcpService(frontend, endpoints, overrides))
    const { key } = tcpService(frontend, [])
    return { frontend, plane, serve, key }
  })
  const [one, two] = members
  if (one === undefined || two === undefined) throw new Error('two of them')
  const serve = async (endpoints: readonly string[], overrides: Partial<ServicePort> = {}): Promise<void> => {
    for (const [own, { plane, serve }] of members.entries()) {
      await plane.plane.setMembers(own, [0, 1])
      await serve(endpoints, overrides)
    }
  }
  return { told, one, two, serve, clock }
}
