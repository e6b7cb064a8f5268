import * as fc from 'fast-check'
import t from 'tap'
import { ServiceState } from '../../lib/dataplane/service-state.ts'
import { FlowTable, type Flow } from '../../lib/dataplane/udp-flows.ts'
import { ManualClock } from '../manual-clock.ts'
import { defaultOptions } from './plane-options.ts'
import { udpService } from './table.ts'

const service = new ServiceState(udpService('127.0.0.1:53', ['127.0.0.1:5353']), defaultOptions)
const endpoint = service.pick('cluster', '10.2.0.1')

function createTable(maxFlows: number): {
  table: FlowTable
  clock: ManualClock
  closed: string[]
  add: (name: string) => Flow
} {
  const clock = new ManualClock()
  const closed: string[] = []
  const names = new Map<Flow, string>()
  const table = new FlowTable(clock, { idleMs: 30_000, streamIdleMs: 180_000 }, maxFlows, flow => {
    closed.push(names.get(flow) ?? '')
  })
  function add(name: string): Flow {
    if (endpoint === null) throw new Error('no endpoint')
    const now = clock.now()
    const upstream = { send() {}, close() {} }
    const flow = {
      service,
      endpoint,
      upstream,
      startedAt: now,
      client: null,
      lastUsedAt: now,
      orderedAt: now,
      answered: false,
      record: null,
      forget() {},
    }
    names.set(flow, name)
    table.makeRoom()
    table.add(flow)
    return flow
  }
  return { table, clock, closed, add }
}

void t.test('never more than the maximum, and the least recently used goes first', async () => {
  const steps = fc.array(fc.record({ touch: fc.boolean(), which: fc.nat({ max: 20 }) }), { maxLength: 200 })
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 8 }),
      fc.integer({ min: 1, max: 140 }),
      steps,
      (max, everyMs, steps) => {
        const { table, clock, closed, add } = createTable(max)
        /** The model: names in order of last use, and what should have been closed. */
        let order: string[] = []
        const gone: string[] = []
        const flows = new Map<string, Flow>()
        for (const [index, { touch, which }] of steps.entries()) {
          clock.advance(everyMs)
          const name = order[which % Math.max(1, order.length)]
          const flow = flows.get(name ?? '')
          if (touch && name !== undefined && flow !== undefined) {
            table.touch(flow)
            order = [...order.filter(each => each !== name), name]
          } else {
            if (order.length === max) gone.push(order.shift() ?? '')
            flows.set(`${index}`, add(`${index}`))
            order.push(`${index}`)
          }
          if (table.size > max || table.size !== order.length) return false
        }
        table.closeAll()
        // The order in which the rest is closed doesn't matter.
        const rest = closed.slice(gone.length).sort()
        return closed.slice(0, gone.length).join() === gone.join() && rest.join() === order.sort().join()
      },
    ),
  )
})

const lifetimes: readonly { name: string; answered: boolean; usedForMs: number; livesMs: number }[] = [
  { name: 'a question without an answer', answered: false, usedForMs: 0, livesMs: 30_000 },
  { name: 'a question with an answer', answered: true, usedForMs: 1000, livesMs: 30_000 },
  { name: 'many questions without an answer', answered: false, usedForMs: 10_000, livesMs: 30_000 },
  { name: 'a stream', answered: true, usedForMs: 3000, livesMs: 180_000 },
]
for (const { name, answered, usedForMs, livesMs } of lifetimes) {
  void t.test(`${name} lives for ${livesMs} ms after its last datagram`, async t => {
    const { table, clock, add } = createTable(10)
    const flow = add('flow')
    flow.answered = answered
    clock.advance(usedForMs)
    table.touch(flow)
    clock.advance(livesMs - 1000)
    t.equal(table.size, 1)
    clock.advance(2000)
    t.equal(table.size, 0)
    t.equal(clock.pending, 0, 'an empty table needs no timer')
  })
}

void t.test('a stream that idles does not hide younger flows that have ended', async t => {
  const { table, clock, closed, add } = createTable(10)
  const stream = add('stream')
  stream.answered = true
  clock.advance(5000)
  table.touch(stream)
  add('short')
  clock.advance(32_000)
  t.strictSame(closed, ['short'])
})

void t.test('closing twice counts once', async t => {
  const { table, closed, add } = createTable(10)
  const flow = add('flow')
  table.close(flow, 'refused')
  table.close(flow, 'refused')
  t.strictSame(closed, ['flow'])
  t.equal(table.evictOldest(), false)
})
