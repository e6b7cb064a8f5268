import * as fc from 'fast-check'
import { test } from 'tap'
import { createBalancer, type Balancer } from '../../lib/policy/balancer.ts'

function roundRobin(endpoints: readonly string[]): Balancer<string> {
  const balancer = createBalancer<string>('round-robin', () => 0)
  balancer.update(endpoints)
  return balancer
}

function picks(balancer: Balancer<string>, count: number): readonly (string | null)[] {
  return Array.from({ length: count }, () => balancer.pick([]))
}

void test('round-robin: each in turn, in order', async t => {
  t.strictSame(picks(roundRobin(['a', 'b', 'c']), 7), ['a', 'b', 'c', 'a', 'b', 'c', 'a'])
})

void test('round-robin: every window of one period has each endpoint once', async () => {
  const lists = fc.uniqueArray(fc.string(), { minLength: 1, maxLength: 9 })
  fc.assert(
    fc.property(lists, fc.nat(20), (endpoints, start) => {
      const balancer = roundRobin(endpoints)
      picks(balancer, start)
      return new Set(picks(balancer, endpoints.length)).size === endpoints.length
    }),
  )
})

const updates: readonly [string, readonly string[], picked: number, readonly string[], readonly string[]][] =
  [
    ['the same list', ['a', 'b', 'c'], 1, ['a', 'b', 'c'], ['b', 'c', 'a']],
    ['one more at the end', ['a', 'b'], 1, ['a', 'b', 'c'], ['b', 'c', 'a']],
    ['one more at the front', ['b', 'c'], 1, ['a', 'b', 'c'], ['c', 'a', 'b']],
    ['the next one goes', ['a', 'b', 'c'], 1, ['a', 'c'], ['c', 'a']],
    ['the last ones go', ['a', 'b', 'c'], 1, ['a'], ['a', 'a']],
    ['all are replaced', ['a', 'b'], 1, ['c', 'd'], ['c', 'd']],
    ['all go', ['a', 'b'], 1, [], []],
    ['from nothing', [], 0, ['a', 'b'], ['a', 'b']],
  ]

void test('round-robin: the turn goes on across an update', async t => {
  for (const [name, before, picked, after, expected] of updates) {
    const balancer = roundRobin(before)
    picks(balancer, picked)
    balancer.update(after)
    t.strictSame(picks(balancer, expected.length), expected, name)
  }
})

void test('round-robin: endpoints that stay get the same share to within one, over any updates', async () => {
  const stay = ['b', 'd', 'f']
  const come = fc.subarray(['a', 'c', 'e', 'g'])
  const step = fc.oneof(fc.nat(7), come)
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), steps => {
      const balancer = roundRobin(stay)
      const counts = new Map<string | null, number>(stay.map(endpoint => [endpoint, 0]))
      for (const each of steps) {
        if (Array.isArray(each)) balancer.update([...stay, ...each].sort())
        else for (const picked of picks(balancer, each)) counts.set(picked, (counts.get(picked) ?? 0) + 1)
      }
      const shares = stay.map(endpoint => counts.get(endpoint) ?? 0)
      return Math.max(...shares) - Math.min(...shares) <= 1
    }),
  )
})

void test('round-robin: an endpoint that comes back all the time is not favoured', async () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 60 }), pickCounts => {
      const balancer = roundRobin(['b', 'c'])
      let flapping = 0
      let total = 0
      for (const [index, count] of pickCounts.entries()) {
        balancer.update(index % 2 === 0 ? ['a', 'b', 'c'] : ['b', 'c'])
        for (const picked of picks(balancer, count)) if (picked === 'a') flapping++
        total += count
      }
      return flapping <= Math.ceil(total / 3) + 1
    }),
  )
})

void test('round-robin: tried endpoints are passed by, the turn goes on after the picked one', async t => {
  const balancer = roundRobin(['a', 'b', 'c'])
  t.equal(balancer.pick(['a']), 'b')
  t.equal(balancer.pick([]), 'c')
  t.equal(balancer.pick(['a', 'b']), 'c')
  t.equal(balancer.pick(['a', 'b', 'c']), null)
  t.equal(balancer.pick(['x']), 'a', 'one that is not in the list does not matter')
})

void test('round-robin: the live ones share evenly what a dead one leaves', async t => {
  const endpoints = ['a', 'b', 'c', 'd']
  const balancer = roundRobin(endpoints)
  const counts = new Map(endpoints.map(endpoint => [endpoint, 0]))
  for (let connection = 0; connection < 300; connection++) {
    const first = balancer.pick([])
    const picked = first === 'b' ? balancer.pick(['b']) : first
    counts.set(picked ?? '', (counts.get(picked ?? '') ?? 0) + 1)
  }
  t.strictSame([...counts.values()], [100, 0, 100, 100])
})

void test('random: each endpoint has the same interval of the source', async t => {
  let next = 0
  const balancer = createBalancer<string>('random', () => next)
  balancer.update(['a', 'b', 'c', 'd'])
  const at = (value: number, tried: readonly string[] = []): string | null => {
    next = value
    return balancer.pick(tried)
  }
  t.strictSame(
    [0, 0.2499, 0.25, 0.5, 0.75, 1 - Number.EPSILON].map(value => at(value)),
    ['a', 'a', 'b', 'c', 'd', 'd'],
  )
  t.strictSame(
    [0, 0.34, 0.67].map(value => at(value, ['b'])),
    ['a', 'c', 'd'],
    'tried ones are passed by',
  )
  t.equal(at(0.5, ['a', 'b', 'c', 'd']), null, 'all tried')
})

void test('an empty list, and a balancer that was never updated, give null', async t => {
  for (const name of ['round-robin', 'random'] as const) {
    const balancer = createBalancer<string>(name, () => 0.5)
    t.equal(balancer.pick([]), null, name)
    balancer.update(['a'])
    t.equal(balancer.pick([]), 'a', name)
    balancer.update([])
    t.equal(balancer.pick([]), null, name)
  }
})
