// What a load generator counts, from one mark to the next. A mark is taken while the load runs on: nothing starts or
// stops at the borders of a measurement.

import { recordLatency, type LatencyRecorder } from '../latency.ts'

/** What happened since the last mark. */
export interface Marked {
  readonly elapsedMs: number
  readonly operations: number
  /** Received, for bulk. */
  readonly bytes: number
  /** Datagrams that weren't answered in time. */
  readonly lost: number
  readonly errors: Readonly<Record<string, number>>
  readonly latency: string | null
}

export interface Counters {
  operations: number
  bytes: number
  lost: number
  readonly latency: LatencyRecorder
  error(reason: string): void
  mark(): Marked
}

export function newCounters(): Counters {
  const latency = recordLatency()
  let since = performance.now()
  let errors: Record<string, number> = {}
  return {
    operations: 0,
    bytes: 0,
    lost: 0,
    latency,
    error(reason) {
      errors[reason] = (errors[reason] ?? 0) + 1
    },
    mark() {
      const { operations, bytes, lost } = this
      const elapsedMs = performance.now() - since
      const marked = { elapsedMs, operations, bytes, lost, errors, latency: latency.encode() }
      this.operations = 0
      this.bytes = 0
      this.lost = 0
      errors = {}
      latency.reset()
      since = performance.now()
      return marked
    },
  }
}

/** A load that runs until it is stopped. */
export interface Load {
  readonly counters: Counters
  stop(): Promise<void>
}
