import { test } from 'tap'
import { ChangeLatency, latencySeconds } from '../../lib/control/change-latency.ts'

const startedAt = Date.parse('2026-01-01T00:00:00Z')
const at = (seconds: number) => new Date(startedAt + seconds * 1000).toISOString()

type Call = readonly [slice: string, trigger: unknown] | 'delete a' | 'drain'

/** Calls for slices of one Service, then the trigger times that are pending, in seconds after the start. */
const cases: readonly [string, readonly Call[], readonly number[]][] = [
  ['one change', [['a', at(5)]], [5]],
  ['nanoseconds, as Go writes them', [['a', '2026-01-01T00:00:05.123456789Z']], [5.123]],
  ['another time zone', [['a', '2026-01-01T01:00:05+01:00']], [5]],
  ['before the start', [['a', at(-1)]], []],
  ['at the start', [['a', at(0)]], []],
  ['the oldest of several', [['a', at(7)], ['b', at(5)], ['a', at(9)]], [5]], // prettier-ignore
  ['the same time again is no new change', [['a', at(5)], 'drain', ['a', at(5)]], []],
  ['the same time in another slice is one', [['a', at(5)], 'drain', ['b', at(5)]], [5]],
  ['a later time', [['a', at(5)], 'drain', ['a', at(6)]], [6]],
  ['no annotation', [['a', undefined]], []],
  ['an annotation that went and came back', [['a', at(5)], 'drain', ['a', undefined], ['a', at(5)]], [5]],
  ['a deletion says nothing', [['a', at(5)], 'drain', 'delete a'], []],
  ['a slice that is made anew', [['a', at(5)], 'drain', 'delete a', ['a', at(8)]], [8]],
  ['not a time', [['a', 'yesterday']], []],
  ['an impossible time', [['a', '2026-13-45T00:00:00Z']], []],
  ['an absurdly long one', [['a', `2026-01-01T00:00:05.${'0'.repeat(1000)}Z`]], []],
  ['a number', [['a', 5]], []],
  ['null', [['a', null]], []],
]

void test('what is pending', async t => {
  for (const [name, calls, expected] of cases) {
    const latency = new ChangeLatency(startedAt)
    for (const call of calls) {
      if (call === 'drain') latency.drain()
      else if (call === 'delete a') latency.sliceDeleted('a')
      else latency.sliceChanged(call[0], 'default/web', 'IPv4', call[1])
    }
    const pending = latency.drain().map(({ triggeredAtMs }) => (triggeredAtMs - startedAt) / 1000)
    t.strictSame(pending, expected, name)
    t.strictSame(latency.drain(), [], `${name}: once`)
  }
})

void test('Services and families are kept apart', async t => {
  const latency = new ChangeLatency(startedAt)
  latency.sliceChanged('a', 'default/web', 'IPv4', at(5))
  latency.sliceChanged('b', 'default/web', 'IPv6', at(4))
  latency.sliceChanged('c', 'default/api', 'IPv4', at(6))
  t.match(latency.drain(), [
    { service: 'default/web', family: 'IPv4' },
    { service: 'default/web', family: 'IPv6' },
    { service: 'default/api', family: 'IPv4' },
  ])
})

void test('a failed sync puts back what it took; the oldest still counts', async t => {
  const latency = new ChangeLatency(startedAt)
  latency.sliceChanged('a', 'default/web', 'IPv4', at(5))
  const taken = latency.drain()
  latency.sliceChanged('a', 'default/web', 'IPv4', at(9))
  latency.restore(taken)
  t.match(latency.drain(), [{ triggeredAtMs: startedAt + 5000 }])
})

void test('latency in seconds, never negative', async t => {
  const change = { service: 'default/web', family: 'IPv4', triggeredAtMs: startedAt } as const
  t.equal(latencySeconds(change, startedAt + 1500), 1.5)
  t.equal(latencySeconds(change, startedAt - 1500), 0)
})
