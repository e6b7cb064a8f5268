// What a small piece of work takes, in CPU time of this process, which holds on a busy machine as well: rounds of at least
// some milliseconds each, in which the benchmarks of a group take turns. Fixtures are made before anything is timed.

import { summarize, type Summary } from '../statistics.ts'

export interface MicroBenchmark {
  /** "pick p2c, 100 endpoints" */
  readonly name: string
  /** What is made, and held, while the benchmark's group is measured. */
  readonly make: () => Fixture | Promise<Fixture>
}

export interface Fixture {
  /** Before each call, and not timed. Each call is timed by itself then: it has to last far longer than a microsecond. */
  readonly reset?: () => void
  /** How many operations one call is; 1 if absent. */
  readonly operations?: number
  /** The work. What it returns is kept until the next call, so that nothing of it may be left out by the compiler. */
  readonly call: (() => unknown) | { readonly awaited: () => Promise<unknown> }
  readonly close?: () => unknown
}

export interface MeasureOptions {
  readonly rounds: number
  /** A round calls as often as it takes to last so long, and once at least. */
  readonly roundMs: number
}

export interface MicroResult {
  readonly name: string
  readonly operationsPerSecond: number
  readonly nsPerOperation: Summary
  /** Over all rounds. */
  readonly operations: number
}

interface Running {
  readonly name: string
  readonly fixture: Fixture
  readonly nsPerOperation: number[]
  operations: number
}

/** In the order of the benchmarks; nothing of their fixtures is left then, also when one of them throws. */
export async function measureGroup(
  benchmarks: readonly MicroBenchmark[],
  { rounds, roundMs }: MeasureOptions,
): Promise<readonly MicroResult[]> {
  const all: Running[] = []
  try {
    for (const { name, make } of benchmarks) {
      all.push({ name, fixture: await make(), nsPerOperation: [], operations: 0 })
    }
    // The first round is the compiler's.
    for (const { fixture } of all) await timeRound(fixture, roundMs)
    for (let round = 0; round < rounds; round++) {
      for (const running of all) {
        const { elapsedUs, operations } = await timeRound(running.fixture, roundMs)
        running.nsPerOperation.push((elapsedUs * 1000) / operations)
        running.operations += operations
      }
    }
  } finally {
    for (const { fixture } of all) await fixture.close?.()
  }
  return all.map(({ name, nsPerOperation: values, operations }) => {
    const nsPerOperation = summarize(values)
    if (nsPerOperation === null) throw new RangeError(`${name}: at least one round is needed`)
    return { name, operations, nsPerOperation, operationsPerSecond: 1e9 / nsPerOperation.median }
  })
}

interface Timed {
  readonly elapsedUs: number
  readonly operations: number
}

/** A batch has so many times the calls of the last one: a look at the clock costs about as much as a small operation. */
const growth = 2

async function timeRound(fixture: Fixture, roundMs: number): Promise<Timed> {
  const { operations = 1, reset } = fixture
  let elapsedUs = 0
  let calls = 0
  for (let batch = 1; calls === 0 || elapsedUs < roundMs * 1000; batch *= growth) {
    const count = reset === undefined ? batch : 1
    reset?.()
    elapsedUs += await timeCalls(fixture, count)
    calls += count
  }
  return { elapsedUs, operations: calls * operations }
}

/** Where results go; never read. */
export const kept: { result: unknown } = { result: undefined }

async function timeCalls({ call }: Fixture, count: number): Promise<number> {
  const began = cpuUs()
  if (typeof call === 'function') for (let done = 0; done < count; done++) kept.result = call()
  else for (let done = 0; done < count; done++) kept.result = await call.awaited()
  return cpuUs() - began
}

/** Of all threads: what the garbage collector's do is part of the price. */
function cpuUs(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}
