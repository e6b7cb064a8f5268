// Metrics whose values are read off a snapshot when they are scraped. Nothing is counted twice, what is gone from the
// snapshot is gone from the page, and none of this is on the byte path.

import { Counter, Gauge, Histogram, type Registry } from 'prom-client'

export type Labels = Readonly<Record<string, string>>

export interface Sample {
  readonly labels: Labels
  readonly value: number
  /** Of a histogram: the metric's name with _bucket, _sum or _count. Absent: the metric's own. */
  readonly metricName?: string
}

export interface SnapshotMetricOptions {
  readonly registry: Registry
  readonly type: keyof typeof metricTypes
  readonly name: string
  readonly help: string
  /** Called once per scrape. Each set of labels must come once. */
  readonly samples: () => readonly Sample[]
}

const metricTypes = { counter: Counter, gauge: Gauge, histogram: Histogram } as const

/** Registers the metric. */
export function snapshotMetric({ registry, type, name, help, samples }: SnapshotMetricOptions): void {
  // `collect` can only set or add to what is stored under labels; replacing `get` states the samples as they are.
  const metric = new metricTypes[type]({ name, help, registers: [registry] })
  const state = async () => ({
    name,
    help,
    type,
    aggregator: 'sum',
    values: samples().map(each => ({ ...each })),
  })
  // For the page, a histogram has another one.
  Object.assign(metric, { get: state, ...('getForPromString' in metric && { getForPromString: state }) })
}
