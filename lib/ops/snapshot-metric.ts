// Metrics whose values are read off a snapshot when they are scraped. Nothing is counted twice, what is gone from the
// snapshot is gone from the page, and none of this is on the byte path.

import { Counter, Gauge, type Registry } from 'prom-client'

export type Labels = Readonly<Record<string, string>>

export interface Sample {
  readonly labels: Labels
  readonly value: number
}

export interface SnapshotMetricOptions {
  readonly registry: Registry
  readonly type: 'counter' | 'gauge'
  readonly name: string
  readonly help: string
  /** Called once per scrape. Each set of labels must come once. */
  readonly samples: () => readonly Sample[]
}

/** Registers the metric. */
export function snapshotMetric({ registry, type, name, help, samples }: SnapshotMetricOptions): void {
  // `collect` can only set or add to what is stored under labels; replacing `get` states the samples as they are.
  const configuration = { name, help, registers: [registry] }
  const metric = type === 'counter' ? new Counter(configuration) : new Gauge(configuration)
  const get = metric.get.bind(metric)
  metric.get = async () => ({ ...(await get()), values: samples().map(each => ({ ...each })) })
}
