// Results of a benchmark with figures that are easy to reckon with, for the tests of its reports.

import { recordLatency } from '../../bench/latency.ts'
import { resultFormat, type BenchResult, type ScenarioResult } from '../../bench/result.ts'
import type { Measurement } from '../../bench/scenario.ts'

export function latencyOf(...us: readonly number[]): string | null {
  const recorder = recordLatency()
  for (const value of us) recorder.record(value)
  return recorder.encode()
}

export function measurement(
  contestant: string,
  values: Measurement['values'],
  overrides: Partial<Measurement> = {},
): Measurement {
  return {
    contestant,
    scenario: 'tcp-rr',
    round: 1,
    values,
    latency: null,
    operations: 1000,
    errors: {},
    bottleneck: 'proxy',
    ...overrides,
  }
}

/** Rounds of one contestant: operations per second, and CPU time per operation where there is any. */
export function rounds(
  contestant: string,
  opsPerS: readonly number[],
  cpuUsPerOp: number | null,
  overrides: Partial<Measurement> = {},
): readonly Measurement[] {
  return opsPerS.map((ops_per_s, index) =>
    measurement(
      contestant,
      { ops_per_s, ...(cpuUsPerOp === null ? {} : { cpu_us_per_op: cpuUsPerOp }) },
      { round: index + 1, ...overrides },
    ),
  )
}

export function scenario(
  measurements: readonly Measurement[],
  overrides: Partial<ScenarioResult> = {},
): ScenarioResult {
  return {
    name: 'tcp-rr',
    describe: 'requests and responses',
    metrics: [
      { name: 'ops_per_s', unit: '/s', better: 'higher', describe: 'operations per second' },
      { name: 'cpu_us_per_op', unit: 'µs', better: 'lower', describe: 'CPU time per operation' },
      { name: 'latency_p99_us', unit: 'µs', better: 'lower', describe: 'latency, percentile 99' },
    ],
    excused: {},
    failures: [],
    measurements,
    ...overrides,
  }
}

export function result(
  scenarios: readonly ScenarioResult[],
  overrides: Partial<BenchResult> = {},
): BenchResult {
  const names = scenarios.flatMap(({ measurements }) => measurements.map(({ contestant }) => contestant))
  return {
    format: resultFormat,
    startedAt: '2026-01-02T03:04:05.000Z',
    tookMs: 61_000,
    interrupted: false,
    environment: {
      cpu: 'Some CPU',
      cores: 4,
      memoryBytes: 8 * 2 ** 30,
      kernel: 'Linux 6.1 x64',
      node: '26.0.0',
      kubeRelay: '0.1.0',
      loadAverage: 0.5,
      descriptors: 20_000,
      pinning: 'none',
    },
    options: { rounds: 3, warmUpMs: 500, durationMs: 1000, threads: 1, generator: 'own' },
    contestants: [...new Set(names)].map(name => ({
      name,
      describe: `what ${name} is`,
      version: '1.0',
      missing: null,
    })),
    scenarios,
    ...overrides,
  }
}
