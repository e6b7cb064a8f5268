import * as fc from 'fast-check'
import { test } from 'tap'
import { maxAbsent, Monotonic } from '../../lib/ops/monotonic.ts'

type Counts = Readonly<Record<string, number>>

const rows = (counts: Counts) => new Map(Object.entries(counts).map(([key, count]) => [key, [count]]))
const valueOf = (counts: Monotonic, key: string) => counts.valuesOf(key)[0] ?? 0
const totalOf = (counts: Monotonic) => counts.totals[0] ?? 0

const cases: readonly [string, readonly Counts[], Counts, number][] = [
  ['counts as they come', [{ a: 1 }, { a: 3, b: 2 }], { a: 3, b: 2 }, 5],
  ['a count that started again', [{ a: 10 }, { a: 4 }], { a: 14 }, 14],
  ['a key that is gone stays in the total', [{ a: 10, b: 1 }, { b: 1 }], { a: 10, b: 1 }, 11],
  ['a key that comes back', [{ a: 10 }, {}, { a: 4 }], { a: 14 }, 14],
  ['a key that comes back with more than it had', [{ a: 10 }, {}, { a: 12 }], { a: 22 }, 22],
  ['a key that comes back and goes on', [{ a: 10 }, {}, { a: 4 }, { a: 5 }], { a: 15 }, 15],
  ['nothing', [{}, {}], { a: 0 }, 0],
]

void test('Monotonic', async t => {
  for (const [name, updates, expected, total] of cases) {
    const counts = new Monotonic()
    for (const update of updates) counts.update(rows(update))
    for (const [key, value] of Object.entries(expected))
      t.equal(valueOf(counts, key), value, `${name}: ${key}`)
    t.equal(totalOf(counts), total, name)
  }
})

void test('nothing ever goes back', async () => {
  const update = fc.dictionary(fc.constantFrom('a', 'b', 'c'), fc.nat(100))
  fc.assert(
    fc.property(fc.array(update), updates => {
      const counts = new Monotonic()
      let before = { a: 0, b: 0, c: 0, total: 0 }
      for (const each of updates) {
        counts.update(rows(each))
        const now = {
          a: valueOf(counts, 'a'),
          b: valueOf(counts, 'b'),
          c: valueOf(counts, 'c'),
          total: totalOf(counts),
        }
        if (now.a < before.a || now.b < before.b || now.c < before.c || now.total < before.total) return false
        if (now.total !== now.a + now.b + now.c) return false
        before = now
      }
      return true
    }),
  )
})

void test('keys that are gone are remembered up to a bound', async t => {
  const counts = new Monotonic()
  counts.update(new Map(Array.from({ length: maxAbsent + 1 }, (_, index) => [`k${index}`, [1]])))
  counts.update(new Map())
  t.equal(valueOf(counts, 'k0'), 0, 'the one gone for longest is forgotten')
  t.equal(valueOf(counts, 'k1'), 1)
  t.equal(totalOf(counts), maxAbsent + 1, 'not in the total')
})

void test('the columns of a row are counters of their own, and there may be more later', async t => {
  const counts = new Monotonic()
  counts.update(new Map([['a', [5, 1]]]))
  counts.update(new Map([['a', [2, 3, 7]]]))
  t.strictSame(counts.valuesOf('a'), [7, 3, 7])
  t.strictSame(counts.totals, [7, 3, 7])
})
