import { test } from 'tap'
import { median, spread, summarize, verdict, type Verdict } from '../../bench/statistics.ts'

void test('medians and ranges', async t => {
  t.equal(median([3]), 3)
  t.equal(median([9, 1, 5]), 5)
  t.equal(median([4, 1, 2, 9]), 3)
  t.equal(median([10, 9, 100]), 10, 'as numbers, not as text')
  t.equal(summarize([]), null)
  t.strictSame(summarize([5, 1, 3]), { median: 3, min: 1, max: 5, rounds: 3 })
  t.equal(spread({ median: 10, min: 9, max: 12, rounds: 3 }), 0.3)
  t.equal(spread({ median: 0, min: 0, max: 0, rounds: 3 }), 0)
})

const verdicts: readonly {
  readonly name: string
  readonly before: readonly number[]
  readonly after: readonly number[]
  readonly better: 'higher' | 'lower'
  readonly is: Verdict
}[] = [
  { name: 'clearly more', before: [99, 100, 101], after: [119, 120, 121], better: 'higher', is: 'better' },
  {
    name: 'clearly more of a cost',
    before: [99, 100, 101],
    after: [119, 120, 121],
    better: 'lower',
    is: 'worse',
  },
  { name: 'clearly less', before: [99, 100, 101], after: [79, 80, 81], better: 'higher', is: 'worse' },
  {
    name: 'clearly less of a cost',
    before: [99, 100, 101],
    after: [79, 80, 81],
    better: 'lower',
    is: 'better',
  },
  {
    name: 'lost in the noise of before',
    before: [80, 100, 130],
    after: [119, 120, 121],
    better: 'higher',
    is: 'same',
  },
  {
    name: 'lost in the noise of after',
    before: [99, 100, 101],
    after: [90, 120, 140],
    better: 'higher',
    is: 'same',
  },
  {
    name: 'too little to matter',
    before: [100, 100, 100],
    after: [101, 101, 101],
    better: 'higher',
    is: 'same',
  },
  {
    name: 'one round proves nothing',
    before: [100],
    after: [150, 150, 150],
    better: 'higher',
    is: 'unclear',
  },
  { name: 'nor do two', before: [100, 100, 100], after: [150, 150], better: 'higher', is: 'unclear' },
  { name: 'from nothing', before: [0, 0, 0], after: [1, 1, 1], better: 'lower', is: 'worse' },
  { name: 'nothing still', before: [0, 0, 0], after: [0, 0, 0], better: 'lower', is: 'same' },
]

void test('a verdict knows the noise', async t => {
  for (const { name, before, after, better, is } of verdicts) {
    const [first, second] = [summarize(before), summarize(after)]
    if (first === null || second === null) throw new Error('no values')
    t.equal(verdict(first, second, better), is, name)
  }
})
