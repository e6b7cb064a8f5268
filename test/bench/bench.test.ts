// The order of a run, and what becomes of it when contestants fail or a person stops it.

import { setTimeout as delay } from 'node:timers/promises'
import { test } from 'tap'
import { runBench, type BenchOptions } from '../../bench/bench.ts'
import type { Contestant } from '../../bench/contestant.ts'
import type { Scenario } from '../../bench/scenario.ts'
import { terminalProgress } from '../../bench/terminal-progress.ts'
import { checkScenarioNames, scenarioNames } from '../../bench/scenarios/registry.ts'
import { RelayError } from '../../lib/model/error.ts'
import { measurement } from './results.ts'

function contestant(name: string, overrides: Partial<Contestant> = {}): Contestant {
  return {
    name,
    describe: name,
    excused: {},
    find: async () => ({ version: '1' }),
    config: () => [],
    start: () => Promise.reject(new Error('not in this test')),
    ...overrides,
  }
}

function scenario(name: string, measure: (contestant: string, round: number) => void): Scenario {
  return {
    name,
    describe: name,
    metrics: [],
    measure: async ({ name: by }, round) => {
      measure(by, round)
      return measurement(by, {}, { scenario: name, round })
    },
  }
}

function options(overrides: Partial<BenchOptions>): BenchOptions & { readonly said: string[] } {
  const said: string[] = []
  return {
    scenarios: [],
    contestants: [contestant('a'), contestant('b')],
    rounds: 2,
    maxTimeMs: null,
    expectedTurnMs: () => 2000,
    warmUpMs: 1,
    durationMs: 1,
    threads: 1,
    generator: 'own',
    pinning: 'none',
    signal: new AbortController().signal,
    progress: { update: () => {}, say: line => said.push(line), done: () => {} },
    ...overrides,
    said,
  }
}

void test('in each round every scenario, in each of those every contestant', async t => {
  const turns: string[] = []
  const result = await runBench(
    options({
      scenarios: ['x', 'y'].map(name => scenario(name, (by, round) => turns.push(`${name}${by}${round}`))),
    }),
  )
  t.strictSame(turns, ['xa1', 'xb1', 'ya1', 'yb1', 'xa2', 'xb2', 'ya2', 'yb2'])
  t.equal(result.interrupted, false)
  t.strictSame(
    result.scenarios.map(({ measurements }) => measurements.length),
    [4, 4],
  )
})

void test('who is missing or excused takes no part, and is named', async t => {
  const turns: string[] = []
  const run = options({
    contestants: [
      contestant('a', { excused: { x: 'no x' } }),
      contestant('b', { find: async () => ({ missing: 'apt install b' }) }),
      contestant('c'),
    ],
    scenarios: [scenario('x', by => turns.push(by))],
  })
  const result = await runBench(run)
  t.strictSame(turns, ['c', 'c'])
  t.strictSame(result.scenarios[0]?.excused, { a: 'no x' })
  t.match(result.contestants, [
    { version: '1' },
    { version: null, missing: 'apt install b' },
    { version: '1' },
  ])
  t.match(run.said, [/b is left out.*apt install b/, /^this takes about 5s for 2 rounds.*; Ctrl-C/])
})

void test('a contestant that fails twice is left out of the rest; the others go on', async t => {
  const turns: string[] = []
  const result = await runBench(
    options({
      rounds: 4,
      scenarios: [
        scenario('x', (by, round) => {
          turns.push(`${by}${round}`)
          if (by === 'a' && round !== 2) throw new RelayError('BENCH', `a: round ${round}`)
        }),
      ],
    }),
  )
  t.strictSame(turns, ['a1', 'b1', 'a2', 'b2', 'a3', 'b3', 'b4'])
  t.match(result.scenarios[0]?.failures, [
    { contestant: 'a', round: 1 },
    { contestant: 'a', round: 3 },
  ])
  t.equal(result.scenarios[0]?.measurements.length, 5)
})

void test('no round is begun that would end too late; the first one is', async t => {
  const turns: string[] = []
  const slow: Scenario = {
    ...scenario('slow', () => {}),
    measure: async ({ name }, round) => {
      turns.push(`slow${round}`)
      await delay(60)
      return measurement(name, {}, { scenario: 'slow', round })
    },
  }
  const quick = scenario('quick', (_, round) => turns.push(`quick${round}`))
  const run = options({ contestants: [contestant('a')], scenarios: [slow, quick], rounds: 3, maxTimeMs: 0 })
  const result = await runBench(run)
  t.strictSame(turns, ['slow1', 'quick1'])
  t.equal(result.interrupted, false)
})

void test('stopped in the middle, it gives what it has', async t => {
  const stop = new AbortController()
  const run = options({
    signal: stop.signal,
    scenarios: [
      scenario('x', (by, round) => {
        if (by === 'b' && round === 2) {
          stop.abort()
          throw new RelayError('ABORTED', 'stopped')
        }
      }),
      scenario('y', (_, round) => {
        if (round === 2) t.fail('not begun any more')
      }),
    ],
  })
  const result = await runBench(run)
  t.equal(result.interrupted, true)
  t.strictSame(
    result.scenarios.map(({ name, measurements, failures }) => [name, measurements.length, failures.length]),
    [
      ['x', 3, 0],
      ['y', 2, 0],
    ],
  )
  t.strictSame(run.said.slice(1), [], 'a stop is no failure')
})

void test('a mistake in the benchmark itself is not taken for a failure of a contestant', async t => {
  const broken = scenario('x', () => {
    throw new TypeError('a mistake')
  })
  await t.rejects(runBench(options({ scenarios: [broken] })), { message: 'a mistake' })
})

void test('names of scenarios', async t => {
  t.strictSame(checkScenarioNames(['all']), scenarioNames)
  t.strictSame(checkScenarioNames(['udp-rr', 'tcp-rr', 'udp-rr']), ['tcp-rr', 'udp-rr'])
  t.throws(() => checkScenarioNames(['tcp-rr', 'tcp_crr']), {
    code: 'INVALID_CONFIG',
    message: /"tcp_crr", did you mean tcp-crr/,
  })
})

void test('progress on a terminal is one line; elsewhere only what stays', async t => {
  for (const [isTTY, expected] of [
    [true, 'one\r\u001B[Ktwo\r\u001B[Kwords\ntwo\r\u001B[K'],
    [false, 'words\n'],
  ] as const) {
    let text = ''
    const progress = terminalProgress({ isTTY, columns: 40, write: piece => (text += piece) })
    progress.update('one')
    progress.update('two')
    progress.say('words')
    progress.done()
    progress.done()
    t.equal(text, expected)
  }
  let narrow = ''
  terminalProgress({ isTTY: true, columns: 10, write: piece => (narrow += piece) }).update('x'.repeat(50))
  t.equal(narrow.length, 9)
})
