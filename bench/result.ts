// What a run of the benchmark gives: the document that --json writes, and that table, HTML and comparison read.

import type { Environment } from './environment.ts'
import type { Measurement, Metric } from './scenario.ts'

/** Grows when a reader of the old form would misread the new one. */
export const resultFormat = 1

export interface BenchResult {
  readonly format: typeof resultFormat
  /** ISO 8601. */
  readonly startedAt: string
  readonly tookMs: number
  /** Stopped before its end: what is here is what was measured until then. */
  readonly interrupted: boolean
  readonly environment: Environment
  readonly options: BenchSettings
  readonly contestants: readonly ContestantFound[]
  readonly scenarios: readonly ScenarioResult[]
}

export interface BenchSettings {
  readonly rounds: number
  readonly warmUpMs: number
  readonly durationMs: number
  readonly threads: number
  /** Who made the load: "own", or a program by name and version. */
  readonly generator: string
}

export interface ContestantFound {
  readonly name: string
  readonly describe: string
  /** Null: it isn't installed, and `missing` says how to get it. */
  readonly version: string | null
  readonly missing: string | null
}

export interface ScenarioResult {
  readonly name: string
  readonly describe: string
  readonly metrics: readonly Metric[]
  /** What values named "NAME@NUMBER" are, by NAME, where no metric says it. */
  readonly growth?: Readonly<Record<string, string>>
  /** Who takes no part, by contestant, with the reason. */
  readonly excused: Readonly<Record<string, string>>
  readonly failures: readonly Failure[]
  readonly measurements: readonly Measurement[]
}

/** A contestant's turn that gave nothing. */
export interface Failure {
  readonly contestant: string
  readonly round: number
  readonly reason: string
}
