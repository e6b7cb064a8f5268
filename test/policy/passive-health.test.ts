import * as fc from 'fast-check'
import { test } from 'tap'
import {
  defaultPassiveHealth,
  isSetAside,
  newEndpointHealth,
  recordFailure,
  recordSuccess,
  type EndpointHealth,
  type PassiveHealthRules,
} from '../../lib/policy/passive-health.ts'

const rules: PassiveHealthRules = { failures: 3, firstMs: 1000, longestMs: 6000 }

interface Group {
  readonly all: readonly EndpointHealth[]
  readonly fail: (index: number, now: number, times?: number) => boolean
  readonly setAside: (now: number) => number
}

function group(count: number, with_: PassiveHealthRules = rules): Group {
  const all = Array.from({ length: count }, newEndpointHealth)
  const at = (index: number): EndpointHealth => all[index] as EndpointHealth
  return {
    all,
    /** True if the last of the failures set it aside. */
    fail: (index, now, times = 1) => {
      let result = false
      for (let each = 0; each < times; each++) result = recordFailure(at(index), all, with_, now)
      return result
    },
    setAside: now => all.filter(health => isSetAside(health, now)).length,
  }
}

void test('consecutive failures set an endpoint aside, for a time', async t => {
  const { all, fail } = group(4)
  const [first = newEndpointHealth()] = all
  t.notOk(isSetAside(first, 0), 'at first')
  t.notOk(fail(0, 0))
  t.notOk(fail(0, 0))
  t.notOk(isSetAside(first, 0), 'two are not enough')
  t.ok(fail(0, 0))
  t.ok(isSetAside(first, 0))
  t.ok(isSetAside(first, 999))
  t.notOk(isSetAside(first, 1000), 'then live traffic probes it')
})

void test('a success in between starts the count again', async t => {
  const { all, fail } = group(4)
  const [first = newEndpointHealth()] = all
  fail(0, 0, 2)
  recordSuccess(first)
  t.notOk(fail(0, 0, 2))
  t.ok(fail(0, 0))
})

void test('a failed probe doubles the time, up to the longest; a success forgives', async t => {
  const { all, fail } = group(4)
  const [first = newEndpointHealth()] = all
  let now = 0
  fail(0, now, 3)
  const lengths: number[] = []
  for (let round = 0; round < 5; round++) {
    lengths.push(first.setAsideUntil - now)
    now = first.setAsideUntil
    t.ok(fail(0, now), 'one failed probe is enough')
  }
  t.strictSame(lengths, [1000, 2000, 4000, 6000, 6000])
  recordSuccess(first)
  t.notOk(isSetAside(first, now), 'at once')
  t.notOk(fail(0, now, 2), 'and it takes as many failures as ever')
  t.ok(fail(0, now))
  t.equal(first.setAsideUntil - now, 1000, 'for the first time again')
})

void test('the time stays bounded however often it fails', async t => {
  const { all, fail } = group(2)
  const [first = newEndpointHealth()] = all
  let now = 0
  fail(0, now, 3)
  for (let round = 0; round < 2000; round++) {
    now = first.setAsideUntil
    fail(0, now)
  }
  t.equal(first.setAsideUntil - now, rules.longestMs)
})

void test('dials that were under way do not make it longer', async t => {
  const { all, fail } = group(4)
  const [first = newEndpointHealth()] = all
  fail(0, 0, 3)
  t.notOk(fail(0, 500, 5))
  t.equal(first.setAsideUntil, 1000)
})

const halves: readonly [endpoints: number, setAside: number][] = [
  [1, 0],
  [2, 1],
  [3, 1],
  [4, 2],
  [5, 2],
  [10, 5],
]

void test('never more than half at once; a single one never', async t => {
  for (const [count, expected] of halves) {
    const { all, fail, setAside } = group(count)
    for (const index of all.keys()) fail(index, 0, 10)
    t.equal(setAside(0), expected, `of ${count}`)
  }
})

void test('one that could not be set aside is at its next failure, once there is room', async t => {
  const { all, fail } = group(2)
  const [first = newEndpointHealth(), second = newEndpointHealth()] = all
  fail(0, 0, 3)
  t.notOk(fail(1, 0, 3), 'the other one is out')
  recordSuccess(first)
  t.ok(fail(1, 0))
  t.ok(isSetAside(second, 999))
})

void test('failures: 0 switches it off', async t => {
  const { all, fail } = group(4, { ...rules, failures: 0 })
  t.notOk(fail(0, 0, 1000))
  t.notOk(isSetAside(all[0] ?? newEndpointHealth(), 0))
})

void test('failures: 1 sets aside at the first', async t => {
  t.ok(group(2, { ...rules, failures: 1 }).fail(0, 0))
})

type Step = { readonly endpoint: number; readonly ok: boolean; readonly afterMs: number }

const step: fc.Arbitrary<Step> = fc.record({
  endpoint: fc.nat(7),
  ok: fc.oneof({ weight: 5, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
  afterMs: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(3000) }),
})

void test('over any sequence: never more than half, never longer than the longest, told exactly once', async () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 8 }),
      fc.array(step, { maxLength: 120, size: 'max' }),
      (count, steps) => {
        const { all, setAside } = group(count)
        let now = 0
        return steps.every(({ endpoint, ok, afterMs }) => {
          now += afterMs
          const health = all[endpoint % count] as EndpointHealth
          const before = isSetAside(health, now)
          const told = ok ? false : recordFailure(health, all, rules, now)
          if (ok) recordSuccess(health)
          const after = isSetAside(health, now)
          return (
            setAside(now) * 2 <= count &&
            health.setAsideUntil - now <= rules.longestMs &&
            told === (!before && after) &&
            (ok ? !after : before ? after : true)
          )
        })
      },
    ),
    { numRuns: 500 },
  )
})

void test('the defaults', async t => {
  t.strictSame(defaultPassiveHealth, { failures: 3, firstMs: 5000, longestMs: 300_000 })
})
