// How long a run is said to take, and how many rounds of it are said to fit.

import { test } from 'tap'
import { describePlan, planRun, type PlanOptions } from '../../bench/plan.ts'
import { expectedTurnMs, scenarioNames } from '../../bench/scenarios/registry.ts'

const scenarios = [
  { name: 'x', turns: 3, turnMs: 10_000 },
  { name: 'y', turns: 1, turnMs: 30_000 },
]

const cases: readonly (readonly [string, PlanOptions, string])[] = [
  ['no limit', { rounds: 2, maxTimeMs: null }, 'about 2m0s for 2 rounds'],
  ['one round', { rounds: 1, maxTimeMs: null }, 'about 1m0s for 1 round'],
  ['a limit that is no matter', { rounds: 2, maxTimeMs: 120_000 }, 'about 2m0s for 2 rounds'],
  [
    'a limit that fits some rounds',
    { rounds: 5, maxTimeMs: 200_000 },
    'about 3m20s for 3 rounds (of 5, which would take longer than --max-time 3m20s)',
  ],
  [
    'a limit that fits no round',
    { rounds: 5, maxTimeMs: 20_000 },
    'about 1m0s for 1 round (of 5, which would take longer than --max-time 20s)',
  ],
]

void test('what is said before a run', async t => {
  for (const [name, options, text] of cases) {
    t.equal(describePlan(planRun(scenarios, options), options), text, name)
  }
  const nobody = { rounds: 5, maxTimeMs: 1000 }
  t.equal(describePlan(planRun([], nobody), nobody), 'about 5s for 5 rounds')
})

void test('each scenario says how long a turn is, and a longer measurement takes longer', async t => {
  for (const name of scenarioNames) {
    const short = expectedTurnMs(name, { durationMs: 1000, warmUpMs: 500 })
    const long = expectedTurnMs(name, { durationMs: 10_000, warmUpMs: 1000 })
    t.ok(short > 1000 && long >= short, name)
  }
})
