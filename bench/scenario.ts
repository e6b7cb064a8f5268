// What is measured with: a load, named as in netperf, and what is counted in it.

import type { Contestant } from './contestant.ts'
import type { ProgressReporter } from './progress.ts'

/** What one contestant did in one round of one scenario. */
export interface Measurement {
  readonly contestant: string
  readonly scenario: string
  readonly round: number
  /** By metric name: "ops_per_s", "bytes_per_s", "cpu_us_per_op", "cpu_s_per_gb", "bytes_per_connection", … */
  readonly values: Readonly<Record<string, number>>
  /** Latencies in microseconds, as HdrHistogram's base64 (V2, compressed); null where there are none. */
  readonly latency: string | null
  readonly operations: number
  /** By reason. Empty: none. */
  readonly errors: Readonly<Record<string, number>>
  /** Who was at its limit: the figure is a lower bound where that isn't the proxy. */
  readonly bottleneck: 'proxy' | 'generator' | 'server' | 'machine' | 'none'
}

export interface RoundOptions {
  readonly threads: number
  readonly warmUpMs: number
  readonly durationMs: number
  readonly signal: AbortSignal
  readonly progress: ProgressReporter
}

/** A number to judge by. */
export interface Metric {
  readonly name: string
  readonly unit: string
  readonly better: 'higher' | 'lower'
  /** The first one of a scenario is what its table is about. */
  readonly describe: string
}

export interface Scenario {
  /** "tcp-rr", "tcp-crr", "tcp-stream", "udp-rr", "idle", "sync", "start", "handover" */
  readonly name: string
  readonly describe: string
  readonly metrics: readonly Metric[]
  /** What values named "NAME@NUMBER" are, by NAME, where no metric says it. */
  readonly growth?: Readonly<Record<string, string>>
  /** One contestant's turn in a round: starts it, measures, ends it, and leaves nothing behind, even when it fails. */
  measure(contestant: Contestant, round: number, options: RoundOptions): Promise<Measurement>
}
