import * as fc from 'fast-check'
import t from 'tap'
import { ClientLimits } from '../../lib/dataplane/client-limits.ts'
import type { SharedFact } from '../../lib/dataplane/shared-facts.ts'
import { ManualClock } from '../manual-clock.ts'

const client = '10.2.0.1'

/** Workers that hear each other at once. */
function workers(limit: number, count: number) {
  const clock = new ManualClock()
  const told: SharedFact[] = []
  const all = Array.from({ length: count }, (_, index) => index)
  const limits: ClientLimits[] = all.map(
    own =>
      new ClientLimits(limit, clock, fact => {
        told.push(fact)
        if (fact.kind !== 'client') return
        for (const other of all)
          if (other !== own) limits[other]?.learn(fact.worker, fact.client, fact.connections)
      }),
  )
  for (const own of all) limits[own]?.setMembers({ own, all })
  return { clock, told, limits }
}

void t.test('alone it is exact, tells nothing and sets no timer', async t => {
  const clock = new ManualClock()
  const limits = new ClientLimits(3, clock, () => t.fail('nobody to tell'))
  for (let open = 0; open < 3; open++) {
    t.equal(limits.isFull(client), false)
    limits.take(client)
  }
  t.equal(limits.isFull(client), true)
  t.equal(limits.isFull('10.2.0.2'), false, 'another client')
  limits.giveBack(client)
  t.equal(limits.isFull(client), false)
  limits.giveBack(client)
  limits.giveBack(client)
  t.equal(limits.size, 0)
  t.equal(clock.pending, 0)
})

void t.test('the others are told of clients with many connections, and of their end', async t => {
  const { clock, told, limits } = workers(12, 2)
  const [one, two] = limits as [ClientLimits, ClientLimits]
  for (let open = 0; open < 3; open++) one.take(client)
  clock.advance(1000)
  t.strictSame(told, [], 'three of twelve: too few')
  for (let open = 0; open < 8; open++) one.take(client)
  clock.advance(1000)
  t.strictSame(told, [{ kind: 'client', worker: 0, client, connections: 11 }], 'once, not for each')
  t.equal(two.isFull(client), false)
  two.take(client)
  t.equal(two.isFull(client), true)
  for (let open = 0; open < 11; open++) one.giveBack(client)
  two.giveBack(client)
  clock.advance(1000)
  t.match(told.at(-1), { worker: 0, connections: 0 })
  t.strictSame([one.size, two.size], [0, 0])
})

void t.test('a worker that goes is forgotten, one that comes is told', async t => {
  const { clock, told, limits } = workers(4, 2)
  const [one, two] = limits as [ClientLimits, ClientLimits]
  for (let open = 0; open < 4; open++) one.take(client)
  clock.advance(1000)
  t.equal(two.isFull(client), true)
  two.setMembers({ own: 1, all: [1] })
  t.equal(two.isFull(client), false)
  t.equal(two.size, 0)
  told.length = 0
  one.setMembers({ own: 0, all: [0, 2] })
  clock.advance(1000)
  t.strictSame(told, [{ kind: 'client', worker: 0, client, connections: 4 }])
  one.close()
  t.equal(clock.pending, 0)
})

void t.test(
  'whatever happens: never above one and a half times the limit, nothing left at the end',
  async () => {
    const step = fc.record({ worker: fc.nat({ max: 3 }), open: fc.boolean() })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), fc.array(step, { maxLength: 200 }), (limit, steps) => {
        const { clock, limits } = workers(limit, 4)
        const open = [0, 0, 0, 0]
        for (const { worker, open: opens } of steps) {
          const each = limits[worker]
          if (each === undefined) continue
          if (opens && !each.isFull(client)) {
            each.take(client)
            open[worker] = (open[worker] ?? 0) + 1
          } else if (!opens && (open[worker] ?? 0) > 0) {
            each.giveBack(client)
            open[worker] = (open[worker] ?? 0) - 1
          }
          // Told before the next one comes: what the delay lets through is another matter.
          clock.advance(100)
          if (open.reduce((sum, count) => sum + count) > limit * 1.5 + 1) return false
        }
        for (const [worker, count] of open.entries()) {
          for (let left = count; left > 0; left--) limits[worker]?.giveBack(client)
        }
        clock.advance(1000)
        return limits.every(each => each.size === 0) && clock.pending === 0
      }),
    )
  },
)
