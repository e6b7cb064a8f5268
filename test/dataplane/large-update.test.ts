// An update of thousands of service ports goes in by pieces. Clients are served meanwhile, and nothing else about it is
// different: order, frontends that change hands, and what was known before.

import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import type { ServicePort } from '../../lib/model/proxy-table.ts'
import { freeAddress } from './addresses.ts'
import { engines } from './engines.ts'
import { TestPlane } from './plane.ts'
import { delta, frontendAt, snapshot, tcpService } from './table.ts'
import { ask, askFrom, connectOutcome, startNamed } from './tcp.ts'

/** Of service ports without endpoints: nothing is opened for them. Ten times what goes in at once. */
const many = 1000

function empty(from: number, count: number): readonly ServicePort[] {
  return Array.from({ length: count }, (_, index) => {
    const number = from + index
    return tcpService(`127.9.${number >> 8}.${number & 255}:80`, [], { name: `empty-${number}` })
  })
}

for (const engine of engines) {
  void t.test(`large updates (${engine.name})`, async t => {
    void t.test('what is in is served before all is in', async t => {
      const [early, late] = [freeAddress(), freeAddress()]
      const named = await startNamed(t, 'a')
      const plane = new TestPlane(t, { engine })
      const applied = plane.apply(
        snapshot(
          1,
          tcpService(early, [named], { name: 'early' }),
          ...empty(0, many),
          tcpService(late, [named], { name: 'late' }),
        ),
      )
      const turns = await until(applied, async () => (await plane.plane.status()).servicePorts.length)
      t.ok(turns.length >= 5, `clients had ${turns.length} turns`)
      t.ok(turns.every((count, index) => count >= (turns[index - 1] ?? 0) && count > 0))
      t.ok((turns[0] ?? 0) < many / 2, 'only some were in at the first of them')
      t.equal((await ask(t, early)).text, 'a')
      t.equal((await ask(t, late)).text, 'a')
      const { generation, servicePorts } = await plane.plane.status()
      t.strictSame([generation, servicePorts.length], [1, many + 2])
    })

    void t.test('an update that comes meanwhile is the later one', async t => {
      const [kept, gone, moved] = [freeAddress(), freeAddress(), freeAddress()]
      const endpoints = [await startNamed(t, 'a')]
      const plane = new TestPlane(t, { engine })
      const last = [
        tcpService(kept, [], { name: 'kept' }),
        tcpService(gone, endpoints, { name: 'gone' }),
        tcpService(moved, endpoints, { name: 'old' }),
      ] as const
      const order: number[] = []
      const apply = (update: Parameters<TestPlane['apply']>[0]): Promise<unknown> =>
        plane.apply(update).then(() => order.push(update.generation))
      await Promise.all([
        apply(snapshot(1, ...empty(0, many), ...last)),
        apply(delta(2, [tcpService(kept, endpoints, { name: 'kept' })], [last[1].key])),
        apply(delta(3, empty(0, many))),
        apply(delta(4, [tcpService(moved, endpoints, { name: 'new' })], [last[2].key])),
        plane.plane.setMembers(0, [0]),
      ])
      t.strictSame(order, [1, 2, 3, 4])
      t.equal((await ask(t, kept)).text, 'a')
      t.equal((await ask(t, moved)).text, 'a')
      t.equal(await connectOutcome(t, gone), 'ECONNREFUSED')
      t.equal((await plane.plane.status()).servicePorts.length, many + 2)
    })

    void t.test('a frontend that moves, far apart in the update, refuses nobody', async t => {
      const [first, second] = [freeAddress(), freeAddress()]
      const [blue, green] = [await startNamed(t, 'blue'), await startNamed(t, 'green')]
      const plane = new TestPlane(t, { engine })
      const at = (frontends: readonly string[], endpoint: string, name: string) =>
        tcpService(first, [endpoint], { name, frontends: frontends.map(each => frontendAt(each)) })
      await plane.serve(at([first], blue, 'blue'), ...empty(0, many), at([second], green, 'green'))
      const asking = new AbortController()
      const seen = new Set<string>()
      const client = (async () => {
        while (!asking.signal.aborted) {
          for (const frontend of [first, second]) {
            const { text, end } = await ask(t, frontend)
            seen.add(`${text} ${end}`)
          }
        }
      })()
      for (let round = 0; round < 4; round++) {
        const [one, other] = round % 2 === 0 ? [second, first] : [first, second]
        await plane.serve(at([one], blue, 'blue'), ...empty(0, many), at([other], green, 'green'))
        t.equal((await ask(t, one)).text, 'blue')
        t.equal((await ask(t, other)).text, 'green')
      }
      asking.abort()
      await client
      t.strictSame([...seen].sort(), ['blue end', 'green end'])
    })

    void t.test('thousands that are removed are gone, and their limits with them', async t => {
      const kept = freeAddress()
      const plane = new TestPlane(t, { engine })
      const web = tcpService(kept, [await startNamed(t, 'a')])
      await plane.serve(web, ...empty(0, many))
      await plane.serve(web, ...empty(many, 10))
      t.equal((await plane.plane.status()).servicePorts.length, 11)
      t.equal((await ask(t, kept)).text, 'a')
    })

    void t.test('what is known of a service port that is still to come is not lost', async t => {
      const frontend = freeAddress()
      const endpoints = [await startNamed(t, 'a'), await startNamed(t, 'b')]
      const plane = new TestPlane(t, { engine })
      const web = tcpService(frontend, endpoints, { affinityTimeoutSeconds: 60 })
      const client = '127.0.0.2'
      await plane.serve(web)
      const hashed = (await askFrom(t, client, frontend)).text
      const other = endpoints[hashed === 'a' ? 1 : 0] ?? ''
      const second = new TestPlane(t, { engine })
      const [own, unknown] = [freeAddress(), tcpService(freeAddress(), [], { name: 'unknown' })]
      const applied = second.apply(snapshot(1, ...empty(0, many), { ...web, frontends: [frontendAt(own)] }))
      const fact = { kind: 'affinity', client, endpoint: other, ageMs: 0 } as const
      second.plane.learn([web, unknown].map(({ key }) => ({ ...fact, servicePort: key })))
      await applied
      t.not((await askFrom(t, client, own)).text, hashed)
    })

    void t.test('close in the middle', async t => {
      const frontend = freeAddress()
      const plane = new TestPlane(t, { engine })
      const applied = plane.apply(
        snapshot(1, ...empty(0, many), tcpService(frontend, [await startNamed(t, 'a')])),
      )
      await plane.plane.close()
      await applied
      t.equal(await connectOutcome(t, frontend), 'ECONNREFUSED')
      t.strictSame((await plane.plane.status()).servicePorts, [])
    })
  })
}

/** Looks at each turn of the event loop until the work is done. */
async function until<T>(work: Promise<unknown>, look: () => Promise<T>): Promise<readonly T[]> {
  const seen: T[] = []
  const done = new AbortController()
  const ended = work.finally(() => done.abort())
  while (!done.signal.aborted) {
    seen.push(await look())
    await turn()
  }
  await ended
  return seen
}
