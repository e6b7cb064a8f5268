// What the scenarios with traffic have in common: a load on one contestant, and what is reckoned from a window of it.

import { RelayError } from '../../lib/model/error.ts'
import type { LoadOptions } from '../load/generator.ts'
import type { Turn } from '../load/turn.ts'
import type { Window } from '../load/window.ts'
import type { Measurement, Metric, RoundOptions } from '../scenario.ts'

export const requestBytes = 64
export const responseBytes = 64

export const operationsPerSecond: Metric = {
  name: 'ops_per_s',
  unit: '/s',
  better: 'higher',
  describe: 'operations per second, at saturation',
}

export const cpuPerOperation: Metric = {
  name: 'cpu_us_per_op',
  unit: 'µs',
  better: 'lower',
  describe: "CPU time (user and system) of the proxy's processes per operation",
}

/** Of the histograms of all rounds, merged. */
export function latencyMetric(percentile: number, of: string): Metric {
  return {
    name: `latency_p${percentile}_us`,
    unit: 'µs',
    better: 'lower',
    describe: `${of}, percentile ${percentile}`,
  }
}

/** Omits `target`, which the turn knows. */
export type Load = LoadOptions extends infer T ? (T extends LoadOptions ? Omit<T, 'target'> : never) : never

/** Starts the load; resolves when it runs. */
export async function startLoad({ generator, target }: Turn, load: Load): Promise<void> {
  await generator.call('start', { ...load, target })
}

/** @throws BENCH when nothing came through in all of the window. */
export function operationValues(
  { marked, cpu }: Window,
  { durationMs }: Pick<RoundOptions, 'durationMs'>,
): Readonly<Record<string, number>> {
  const { operations, elapsedMs } = marked
  if (operations === 0) {
    throw new RelayError('BENCH', `nothing came through in ${durationMs} ms${errorsInWords(marked.errors)}`)
  }
  return {
    ops_per_s: (operations / elapsedMs) * 1000,
    ...(cpu.proxyUs === null ? {} : { cpu_us_per_op: cpu.proxyUs / operations }),
    ...(cpu.steeringUs === 0 ? {} : { steering_us_per_op: cpu.steeringUs / operations }),
    generator_us_per_op: cpu.generatorUs / operations,
    server_us_per_op: cpu.serverUs / operations,
  }
}

export function addErrors(...all: readonly Measurement['errors'][]): Measurement['errors'] {
  const sum: Record<string, number> = {}
  for (const errors of all) {
    for (const [reason, count] of Object.entries(errors)) sum[reason] = (sum[reason] ?? 0) + count
  }
  return sum
}

export function errorsInWords(errors: Measurement['errors']): string {
  const words = Object.entries(errors).map(([reason, count]) => `${reason} ${count} times`)
  return words.length === 0 ? '' : ` (${words.join(', ')})`
}

/** Of tcp-stream, whoever makes the load. */
export const streamMetrics: readonly Metric[] = [
  {
    name: 'bytes_per_s',
    unit: 'B/s',
    better: 'higher',
    describe: 'bytes per second, over both directions',
  },
  { name: 'up_bytes_per_s', unit: 'B/s', better: 'higher', describe: 'from client to server' },
  { name: 'down_bytes_per_s', unit: 'B/s', better: 'higher', describe: 'from server to client' },
  {
    name: 'cpu_s_per_gb',
    unit: 's',
    better: 'lower',
    describe: "CPU time (user and system) of the proxy's processes per 10⁹ bytes",
  },
]
