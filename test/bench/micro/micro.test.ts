// Every micro-benchmark runs with tiny fixtures and gives a figure; the runner times what it says it does, and nothing of
// a fixture is left. How fast anything is, nobody judges here.

import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { measureGroup, type MicroBenchmark } from '../../../bench/micro/measure.ts'
import { microGroups, microTable } from '../../../bench/micro/run.ts'
import type { MicroSizes } from '../../../bench/micro/sizes.ts'

const tiny: MicroSizes = {
  services: 3,
  endpointsPerService: 2,
  pickFrom: [2, 5],
  clients: 4,
  events: 5,
  chunkBytes: [7, 4096],
  longLineBytes: 5000,
}

for (const [group, benchmarks] of Object.entries(microGroups)) {
  void test(`${group}, with few of everything`, async t => {
    const all = benchmarks(tiny)
    const results = await measureGroup(all, { rounds: 2, roundMs: 1 })
    t.strictSame(
      results.map(({ name }) => name),
      all.map(({ name }) => name),
    )
    t.equal(new Set(all.map(({ name }) => name)).size, all.length, 'each has a name of its own')
    for (const { name, nsPerOperation, operationsPerSecond, operations } of results) {
      t.equal(nsPerOperation.rounds, 2, name)
      t.ok(nsPerOperation.median > 0 && nsPerOperation.max < Infinity, name)
      t.ok(nsPerOperation.min <= nsPerOperation.median && nsPerOperation.median <= nsPerOperation.max, name)
      t.equal(operationsPerSecond, 1e9 / nsPerOperation.median, name)
      t.ok(operations >= 2, name)
    }
  })
}

void test('a group takes turns, its fixtures are made first and closed at the end', async t => {
  const happened: string[] = []
  const benchmark = (name: string): MicroBenchmark => ({
    name,
    make: () => {
      happened.push(`make ${name}`)
      return {
        reset: () => happened.push(`reset ${name}`),
        call: { awaited: async () => happened.push(`call ${name}`) },
        close: () => happened.push(`close ${name}`),
      }
    },
  })
  await measureGroup([benchmark('a'), benchmark('b')], { rounds: 2, roundMs: 0 })
  const turn = (name: string): readonly string[] => [`reset ${name}`, `call ${name}`]
  const round = [...turn('a'), ...turn('b')]
  t.strictSame(happened, ['make a', 'make b', ...round, ...round, ...round, 'close a', 'close b'])
})

void test('an operation is a part of a call, and a round lasts as long as it was told to', async t => {
  let calls = 0
  const [result] = await measureGroup(
    [{ name: 'x', make: () => ({ operations: 10, call: () => void calls++ }) }],
    { rounds: 1, roundMs: 5 },
  )
  const { operations = 0, nsPerOperation } = result ?? {}
  t.ok(operations > 10 && operations % 10 === 0)
  t.ok(operations < calls * 10, 'the first round is left out')
  t.ok(operations * (nsPerOperation?.median ?? 0) >= 4.99e6)
})

void test('what fails closes what was made', async t => {
  let closed = 0
  const fine: MicroBenchmark = { name: 'fine', make: () => ({ call: () => 0, close: () => closed++ }) }
  const broken: MicroBenchmark = {
    name: 'broken',
    make: () => ({
      call: () => {
        throw new Error('broken')
      },
      close: () => closed++,
    }),
  }
  await t.rejects(measureGroup([fine, broken], { rounds: 1, roundMs: 0 }), { message: 'broken' })
  t.equal(closed, 2)
})

void test('the table', t => {
  const nsPerOperation = { median: 250, min: 240, max: 260, rounds: 7 }
  const result = { name: 'work', operations: 100, operationsPerSecond: 4e6, nsPerOperation }
  t.match(microTable([result]), /^ {2}work +4,000,000 ops\/s +250 ns\/op +±4 %\n$/)
  t.end()
})

void test('as a program', t => {
  const file = fileURLToPath(new URL('../../../bench/micro/run.ts', import.meta.url))
  const run = (...args: readonly string[]) =>
    spawnSync(process.execPath, [file, ...args], {
      encoding: 'utf8',
      env: { ...process.env, NODE_OPTIONS: '' },
    })
  const { status, stdout, stderr } = run('watch-framing', '--rounds', '1', '--round-ms', '1', '--json')
  t.equal(status, 0, stderr)
  const lines = stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as { readonly group: string; readonly nsPerOperation: { median: number } })
  t.ok(lines.length > 1 && lines.every(({ group, nsPerOperation: { median } }) => group && median > 0))
  for (const [args, says] of [
    [['pik'], /no group "pik".*groups: .*pick/],
    [['--rounds', '0'], /--rounds: expected a whole number/],
    [['--what'], /--what/],
  ] as const) {
    const wrong = run(...args)
    t.equal(wrong.status, 1)
    t.match(wrong.stderr, says)
  }
  t.end()
})
