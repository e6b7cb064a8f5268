import * as fc from 'fast-check'
import { test } from 'tap'
import { balancePolicies, type BalancePolicy } from '../../lib/model/proxy-settings.ts'
import { createBalancer, type Balancer } from '../../lib/policy/balancer.ts'

interface Endpoint {
  readonly name: string
  active: number
}

/** A balancer over endpoints by name: one name is one endpoint for as long as the test lasts, as in the data plane. */
interface Named {
  readonly update: (names: readonly string[]) => void
  readonly pick: (skipped?: readonly string[]) => string | null
  /** Sets how many connections an endpoint has. */
  readonly set: (active: Readonly<Record<string, number>>) => void
  /** Picks, and counts the connection. */
  readonly connect: () => string | null
}

function named(policy: BalancePolicy, names: readonly string[] = [], random: () => number = () => 0): Named {
  const balancer: Balancer<Endpoint> = createBalancer<Endpoint>(policy, random)
  const endpoints = new Map<string, Endpoint>()
  const endpoint = (name: string): Endpoint => {
    const found = endpoints.get(name) ?? { name, active: 0 }
    endpoints.set(name, found)
    return found
  }
  balancer.update(names.map(endpoint))
  return {
    update: after => balancer.update(after.map(endpoint)),
    pick: (skipped = []) => balancer.pick(({ name }) => skipped.includes(name))?.name ?? null,
    set: active => {
      for (const [name, count] of Object.entries(active)) endpoint(name).active = count
    },
    connect: () => {
      const picked = balancer.pick(() => false)
      if (picked !== null) picked.active++
      return picked?.name ?? null
    },
  }
}

const roundRobin = (names: readonly string[]): Named => named('round-robin', names)

function picks(balancer: Named, count: number): readonly (string | null)[] {
  return Array.from({ length: count }, () => balancer.pick())
}

/** A random source that gives these numbers in turn, and fails where more are asked for. */
function numbers(...values: readonly number[]): () => number {
  const left = [...values]
  return () => {
    const value = left.shift()
    if (value === undefined) throw new Error('no more random numbers')
    return value
  }
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
  t.equal(balancer.pick(), 'c')
  t.equal(balancer.pick(['a', 'b']), 'c')
  t.equal(balancer.pick(['a', 'b', 'c']), null)
  t.equal(balancer.pick(['x']), 'a', 'one that is not in the list does not matter')
})

void test('round-robin: the live ones share evenly what a dead one leaves', async t => {
  const endpoints = ['a', 'b', 'c', 'd']
  const balancer = roundRobin(endpoints)
  const counts = new Map(endpoints.map(endpoint => [endpoint, 0]))
  for (let connection = 0; connection < 300; connection++) {
    const first = balancer.pick()
    const picked = first === 'b' ? balancer.pick(['b']) : first
    counts.set(picked ?? '', (counts.get(picked ?? '') ?? 0) + 1)
  }
  t.strictSame([...counts.values()], [100, 0, 100, 100])
})

void test('random: each endpoint has the same interval of the source', async t => {
  let next = 0
  const balancer = named('random', ['a', 'b', 'c', 'd'], () => next)
  const at = (value: number, skipped: readonly string[] = []): string | null => {
    next = value
    return balancer.pick(skipped)
  }
  t.strictSame(
    [0, 0.2499, 0.25, 0.5, 0.75, 1 - Number.EPSILON].map(value => at(value)),
    ['a', 'a', 'b', 'c', 'd', 'd'],
  )
  t.strictSame(
    [0, 0.34, 0.67, 0.76].map(value => at(value, ['b'])),
    ['a', 'c', 'c', 'd'],
    'skipped ones are passed by',
  )
  t.equal(at(0.5, ['a', 'b', 'c', 'd']), null, 'all skipped')
})

void test('random: who is not skipped is as likely as any other such one', async t => {
  const picked = new Map<string | null, number>()
  for (const first of [0, 1, 2, 3]) {
    for (const second of [0, 1, 2]) {
      const source = numbers((first + 0.5) / 4, (second + 0.5) / 3)
      const name = named('random', ['a', 'b', 'c', 'd'], source).pick(['b'])
      picked.set(name, (picked.get(name) ?? 0) + 1)
    }
  }
  t.same(Object.fromEntries(picked), { a: 4, c: 4, d: 4 })
})

const fewest: readonly [
  name: string,
  active: Readonly<Record<string, number>>,
  skipped: readonly string[],
  picked: string | null,
][] = [
  ['the one with the fewest', { a: 2, b: 1, c: 3 }, [], 'b'],
  ['the first among equals', { a: 1, b: 1, c: 1 }, [], 'a'],
  ['the first of the two with the fewest', { a: 5, b: 2, c: 2 }, [], 'b'],
  ['the last', { a: 5, b: 5, c: 4 }, [], 'c'],
  ['the fewest of those not skipped', { a: 0, b: 7, c: 3 }, ['a'], 'c'],
  ['the only one left', { a: 0, b: 0, c: 9 }, ['a', 'b'], 'c'],
  ['none left', { a: 0, b: 0, c: 0 }, ['a', 'b', 'c'], null],
]

void test('least-connections: the fewest', async t => {
  for (const [name, active, skipped, picked] of fewest) {
    const balancer = named('least-connections', ['a', 'b', 'c'])
    balancer.set(active)
    t.equal(balancer.pick(skipped), picked, name)
  }
})

void test('least-connections: equals in turn, so an idle service is balanced exactly', async t => {
  const balancer = named('least-connections', ['a', 'b', 'c'])
  t.strictSame(
    picks(balancer, 7),
    ['a', 'b', 'c', 'a', 'b', 'c', 'a'],
    'each connection ends before the next',
  )
  balancer.set({ b: 1 })
  t.strictSame(picks(balancer, 4), ['c', 'a', 'c', 'a'], 'the busy one is left out of the turn')
  balancer.update(['a', 'b', 'c', 'd'])
  t.strictSame(picks(balancer, 3), ['c', 'd', 'a'], 'the turn goes on across an update')
})

void test('least-connections: connections that stay are spread to within one', async () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 9 }), fc.nat(60), (count, connections) => {
      const names = Array.from({ length: count }, (_, index) => String(index))
      const balancer = named('least-connections', names)
      const shares = new Map(names.map(name => [name, 0]))
      for (let each = 0; each < connections; each++) {
        const name = balancer.connect() ?? ''
        shares.set(name, (shares.get(name) ?? 0) + 1)
      }
      return Math.max(...shares.values()) - Math.min(...shares.values()) <= 1
    }),
  )
})

void test('least-connections: the picked one never has more than any other, ties in turn', async () => {
  const loads = fc.array(fc.nat(3), { minLength: 1, maxLength: 6 })
  fc.assert(
    fc.property(fc.array(loads, { minLength: 1, maxLength: 20 }), rounds => {
      const size = Math.min(...rounds.map(each => each.length))
      const names = Array.from({ length: size }, (_, index) => String(index))
      const balancer = named('least-connections', names)
      let last = size - 1
      return rounds.every(round => {
        const active = round.slice(0, size)
        balancer.set(Object.fromEntries(active.map((count, index) => [String(index), count])))
        const least = Math.min(...active)
        const inTurn = names.map((_, step) => (last + 1 + step) % size)
        last = Number(balancer.pick())
        return last === inTurn.find(index => active[index] === least)
      })
    }),
  )
})

void test('p2c: of two different ones the one with fewer connections', async t => {
  const cases: readonly [name: string, random: readonly number[], picked: string][] = [
    ['the first has fewer', [0, 0], 'a'],
    ['the second has fewer', [0.25, 0], 'a'],
    ['the same number twice is the next one along', [0.5, 0.7], 'c'],
    ['the ends', [0, 1 - Number.EPSILON], 'a'],
    ['the ends, the other way round', [1 - Number.EPSILON, 0], 'a'],
    ['neither has the fewest of all', [0.25, 0.99], 'd'],
    ['equals: the first', [0.75, 0.67], 'd'],
  ]
  for (const [name, random, picked] of cases) {
    const balancer = named('p2c', ['a', 'b', 'c', 'd'], numbers(...random))
    balancer.set({ a: 0, b: 9, c: 5, d: 5 })
    t.equal(balancer.pick(), picked, name)
  }
})

void test('p2c: one endpoint takes one number, none takes none into account', async t => {
  t.equal(named('p2c', ['a'], numbers(0.9)).pick(), 'a')
  t.equal(named('p2c', ['a', 'b'], numbers(0.9, 0.9, 0.9)).pick(['a']), 'b', 'the only one left')
  t.equal(named('p2c', ['a'], numbers(0.9)).pick(['a']), null)
  const both = named('p2c', ['a', 'b'], () => 0.9)
  both.set({ a: 3, b: 4 })
  t.equal(both.pick(), 'a', 'of two both are looked at, whatever the numbers')
})

void test('p2c: every pair of two is equally likely', async t => {
  const names = ['a', 'b', 'c']
  const pairs = new Map<string, number>()
  const steps = [0, 1, 2, 3, 4, 5].map(step => (step + 0.5) / 6)
  for (const first of steps) {
    for (const second of steps) {
      // The one that is picked either way round shows which two were looked at.
      const seen = names.filter(free => {
        const balancer = named('p2c', names, numbers(first, second))
        balancer.set(Object.fromEntries(names.map(name => [name, name === free ? 0 : 1])))
        return balancer.pick() === free
      })
      pairs.set(seen.join(), (pairs.get(seen.join()) ?? 0) + 1)
    }
  }
  t.strictSame(Object.fromEntries(pairs), { 'a,b': 12, 'a,c': 12, 'b,c': 12 })
})

void test('p2c: the one with the most connections of all is never picked where there is another', async () => {
  const fraction = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
  fc.assert(
    fc.property(fraction, fraction, fc.integer({ min: 2, max: 9 }), fc.nat(8), (first, second, count, at) => {
      const names = Array.from({ length: count }, (_, index) => String(index))
      const balancer = named('p2c', names, numbers(first, second))
      const busiest = String(at % count)
      balancer.set({ [busiest]: 1 })
      return balancer.pick() !== busiest
    }),
  )
})

void test('all policies: a skipped one is never picked, and null means that all are skipped', async () => {
  const all = ['a', 'b', 'c', 'd', 'e']
  const step = fc.record({
    names: fc.subarray(all),
    skipped: fc.subarray([...all, 'x']),
    active: fc.record(Object.fromEntries(all.map(name => [name, fc.nat(3)]))),
  })
  const fraction = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
  fc.assert(
    fc.property(
      fc.constantFrom(...balancePolicies),
      fc.array(step, { maxLength: 20 }),
      fc.infiniteStream(fraction),
      (policy, steps, stream) => {
        const balancer = named(policy, [], () => Number(stream.next().value))
        return steps.every(({ names, skipped, active }) => {
          balancer.update(names)
          balancer.set(active)
          const left = names.filter(name => !skipped.includes(name))
          const picked = balancer.pick(skipped)
          return picked === null ? left.length === 0 : left.includes(picked)
        })
      },
    ),
    { numRuns: 400 },
  )
})

void test('an empty list, and a balancer that was never updated, give null', async t => {
  for (const policy of balancePolicies) {
    const balancer = named(policy, [], () => 0.5)
    t.equal(
      createBalancer<Endpoint>(policy, () => 0.5).pick(() => false),
      null,
      policy,
    )
    t.equal(balancer.pick(), null, policy)
    balancer.update(['a'])
    t.equal(balancer.pick(), 'a', policy)
    balancer.update([])
    t.equal(balancer.pick(), null, policy)
  }
})
