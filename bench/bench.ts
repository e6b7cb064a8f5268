// A run of the benchmark: in each round every scenario, in each of those every contestant (A B C, A B C, …), so that what
// the machine does meanwhile befalls all of them alike. It ends early on a signal, with what it has until then.

import { reasonOf, RelayError } from '../lib/model/error.ts'
import type { Contestant } from './contestant.ts'
import { environment, type Environment } from './environment.ts'
import { describePlan, elapsedInWords, planRun } from './plan.ts'
import type { ProgressReporter } from './progress.ts'
import {
  resultFormat,
  type BenchResult,
  type ContestantFound,
  type Failure,
  type ScenarioResult,
} from './result.ts'
import type { Measurement, Scenario } from './scenario.ts'

export interface BenchOptions {
  readonly scenarios: readonly Scenario[]
  readonly contestants: readonly Contestant[]
  readonly rounds: number
  /** After the first round, none is begun that would end later than this, going by how long they took; null: no limit. */
  readonly maxTimeMs: number | null
  /** About what a contestant's turn in this scenario takes on an idle machine. */
  readonly expectedTurnMs: (scenario: string) => number
  readonly warmUpMs: number
  readonly durationMs: number
  readonly threads: number
  readonly generator: string
  /** Which cores are whose, in words. */
  readonly pinning: string
  readonly signal: AbortSignal
  readonly progress: ProgressReporter
}

/** A contestant that has failed so often in a scenario is left out of the rest of it. */
const failuresAllowed = 2

/** Resolves also when the signal fires, and when contestants fail: the result says so. */
export async function runBench(given: BenchOptions): Promise<BenchResult> {
  const { signal, rounds, warmUpMs, durationMs, threads, generator } = given
  const startedAt = new Date().toISOString()
  const startedMs = performance.now()
  const progress = withTime(given.progress, startedMs)
  const options: BenchOptions = { ...given, progress }
  const where = environment(options.pinning)
  const found = await Promise.all(options.contestants.map(findContestant))
  const present = options.contestants.filter((_, index) => found[index]?.version !== null)
  for (const { name, missing } of found) {
    if (missing !== null) progress.say(`${name} is left out, as it is not installed: ${missing}`)
  }
  const runs = options.scenarios.map(scenario => scenarioRun(scenario, present))
  if (present.length > 0) progress.say(plan(runs, where, options))
  for (let round = 1; round <= rounds; round++) {
    for (const run of runs) {
      if (signal.aborted || (round > 1 && !hasTimeFor(run, performance.now() - startedMs, options))) continue
      await runRound(run, round, options)
    }
  }
  progress.done()
  return {
    format: resultFormat,
    startedAt,
    tookMs: Math.round(performance.now() - startedMs),
    interrupted: signal.aborted,
    environment: where,
    options: { rounds, warmUpMs, durationMs, threads, generator },
    contestants: found,
    scenarios: runs.filter(({ begun }) => begun).map(resultOf),
  }
}

/** In front of each line how long it has been going on. */
function withTime(progress: ProgressReporter, startedMs: number): ProgressReporter {
  return {
    ...progress,
    update: line => progress.update(`${elapsedInWords(performance.now() - startedMs)}  ${line}`),
  }
}

function plan(
  runs: readonly ScenarioRun[],
  { loadAverage, cores }: Environment,
  options: BenchOptions,
): string {
  const planned = runs.map(({ scenario: { name }, takePart }) => ({
    name,
    turns: takePart.length,
    turnMs: options.expectedTurnMs(name),
  }))
  const busy =
    loadAverage > cores
      ? `, and longer on a machine that is as busy as this one (load ${loadAverage.toFixed(1)}, ${cores} cores)`
      : ''
  return `this takes ${describePlan(planRun(planned, options), options)}${busy}; Ctrl-C ends it with what there is until then`
}

async function findContestant(contestant: Contestant): Promise<ContestantFound> {
  const { name, describe } = contestant
  try {
    const found = await contestant.find()
    return 'version' in found
      ? { name, describe, version: found.version, missing: null }
      : { name, describe, version: null, missing: found.missing }
  } catch (error) {
    return { name, describe, version: null, missing: reasonOf(error) }
  }
}

interface ScenarioRun {
  readonly scenario: Scenario
  readonly takePart: readonly Contestant[]
  readonly excused: Readonly<Record<string, string>>
  readonly measurements: Measurement[]
  readonly failures: Failure[]
  begun: boolean
  /** Of its longest round so far. */
  roundMs: number
}

function scenarioRun(scenario: Scenario, present: readonly Contestant[]): ScenarioRun {
  const excused: Record<string, string> = {}
  for (const { name, excused: reasons } of present) {
    const reason = reasons[scenario.name]
    if (reason !== undefined) excused[name] = reason
  }
  const takePart = present.filter(({ name }) => excused[name] === undefined)
  return { scenario, takePart, excused, measurements: [], failures: [], begun: false, roundMs: 0 }
}

function hasTimeFor({ roundMs }: ScenarioRun, elapsedMs: number, { maxTimeMs }: BenchOptions): boolean {
  return maxTimeMs === null || elapsedMs + roundMs <= maxTimeMs
}

async function runRound(run: ScenarioRun, round: number, options: BenchOptions): Promise<void> {
  const { scenario, failures, measurements } = run
  const { rounds, threads, warmUpMs, durationMs, signal, progress } = options
  const startedMs = performance.now()
  run.begun = true
  for (const contestant of run.takePart) {
    const { name } = contestant
    if (signal.aborted) return
    if (failures.filter(failure => failure.contestant === name).length >= failuresAllowed) continue
    progress.update(`round ${round} of ${rounds}: ${scenario.name}, ${name}`)
    try {
      const roundOptions = { threads, warmUpMs, durationMs, signal, progress }
      measurements.push(await scenario.measure(contestant, round, roundOptions))
    } catch (error) {
      // Also what else fails when the ground is taken away from under a measurement.
      if (signal.aborted) return
      if (!(error instanceof RelayError)) throw error
      failures.push({ contestant: name, round, reason: reasonOf(error) })
      progress.say(`round ${round}: ${scenario.name}: ${reasonOf(error)}`)
    }
  }
  run.roundMs = Math.max(run.roundMs, performance.now() - startedMs)
}

function resultOf({ scenario, excused, failures, measurements }: ScenarioRun): ScenarioResult {
  const { name, describe, metrics, growth } = scenario
  return { name, describe, metrics, ...(growth && { growth }), excused, failures, measurements }
}
