// From the rounds' measurements to the figures of a report: per scenario, contestant and metric the median and the range
// of the rounds, percentiles of the merged histograms, and ratios to `direct` and to the best other proxy.

import { mergeLatencies } from '../latency.ts'
import type { BenchResult, ScenarioResult } from '../result.ts'
import type { Measurement, Metric } from '../scenario.ts'
import { summarize, type Summary } from '../statistics.ts'

export interface Figure extends Summary {
  readonly metric: Metric
  /** As a multiple of direct's; null where direct has none, or this is direct. */
  readonly toDirect: number | null
  /** As a multiple of the best other proxy's; null where there is none, or this is no proxy. */
  readonly toBestOther: number | null
  /** In at least half of the rounds, somebody else than the proxy was at its limit: it can do this or more. */
  readonly lowerBound: boolean
}

export interface ContestantSummary {
  readonly name: string
  readonly rounds: number
  /** By metric; one that the contestant has no value of is missing. */
  readonly figures: ReadonlyMap<string, Figure>
  readonly errors: Measurement['errors']
  readonly errorCount: number
  /** Who was at its limit, most often. */
  readonly bottleneck: Measurement['bottleneck']
  readonly failures: readonly string[]
}

export interface ScenarioSummary {
  readonly scenario: ScenarioResult
  readonly contestants: readonly ContestantSummary[]
  /** Of whoever had most. */
  readonly rounds: number
  /** Contestants that gave nothing, with the reason. */
  readonly without: readonly { readonly name: string; readonly reason: string }[]
}

/** The contestant that is no proxy. */
export const directName = 'direct'

export function summarizeResult(result: BenchResult): readonly ScenarioSummary[] {
  return result.scenarios.map(summarizeScenario)
}

export function summarizeScenario(scenario: ScenarioResult): ScenarioSummary {
  const names = [...new Set(scenario.measurements.map(({ contestant }) => contestant))]
  const plain = new Map(names.map(name => [name, plainFigures(scenario, name)]))
  const failed = [...new Set(scenario.failures.map(({ contestant }) => contestant))]
  const contestants = names.map(name => summarizeContestant(scenario, name, plain))
  return {
    scenario,
    contestants,
    rounds: Math.max(0, ...contestants.map(({ rounds }) => rounds)),
    without: [
      ...failed
        .filter(name => !names.includes(name))
        .map(name => ({ name, reason: reasonsOf(scenario, name).join('; ') })),
      ...Object.entries(scenario.excused).map(([name, reason]) => ({ name, reason })),
    ],
  }
}

type PlainFigures = ReadonlyMap<string, Summary>

function summarizeContestant(
  scenario: ScenarioResult,
  name: string,
  plain: ReadonlyMap<string, PlainFigures>,
): ContestantSummary {
  const measurements = scenario.measurements.filter(({ contestant }) => contestant === name)
  const figures = new Map<string, Figure>()
  const { most: bottleneck, share } = mostFrequent(measurements.map(each => each.bottleneck))
  for (const metric of scenario.metrics) {
    const summary = plain.get(name)?.get(metric.name)
    if (summary === undefined) continue
    const direct = plain.get(directName)?.get(metric.name)
    const others = [...plain]
      .filter(([other]) => other !== name && other !== directName)
      .flatMap(([, figures]) => figures.get(metric.name)?.median ?? [])
    const best = metric.better === 'higher' ? Math.max(...others) : Math.min(...others)
    figures.set(metric.name, {
      ...summary,
      metric,
      toDirect: name === directName ? null : ratio(summary.median, direct?.median),
      toBestOther: name === directName || others.length === 0 ? null : ratio(summary.median, best),
      // A rate is what somebody else's limit cuts; what an operation costs stays what it is.
      lowerBound: isRate(metric) && share >= 0.5 && ['generator', 'server', 'machine'].includes(bottleneck),
    })
  }
  const errors: Record<string, number> = {}
  for (const measurement of measurements) {
    for (const [reason, count] of Object.entries(measurement.errors))
      errors[reason] = (errors[reason] ?? 0) + count
  }
  return {
    name,
    rounds: measurements.length,
    figures,
    errors,
    errorCount: Object.values(errors).reduce((sum, count) => sum + count, 0),
    bottleneck,
    failures: reasonsOf(scenario, name),
  }
}

/** "1 of 5 rounds" for a scenario that has fewer than were asked for; null for any other, and for one that has none. */
export function fewerRounds(summary: ScenarioSummary, { interrupted, options }: BenchResult): string | null {
  const { rounds, scenario } = summary
  if (rounds === 0 || rounds >= options.rounds) return null
  const why = interrupted || scenario.failures.length > 0 ? '' : ', as there was no time for more'
  return `${rounds} of ${options.rounds} rounds${why}`
}

/** Rates are what everything is named by: "ops_per_s", "up_bytes_per_s". */
function isRate({ name, better }: Metric): boolean {
  return better === 'higher' && name.endsWith('_per_s')
}

function plainFigures({ metrics, measurements }: ScenarioResult, name: string): PlainFigures {
  const own = measurements.filter(({ contestant }) => contestant === name)
  return new Map(
    metrics.flatMap(({ name: metric }): [string, Summary][] => {
      const percentile = /^latency_p([\d.]+)_us$/.exec(metric)?.[1]
      const summary =
        percentile === undefined
          ? summarize(own.flatMap(({ values }) => values[metric] ?? []))
          : summarizeLatency(own, Number(percentile))
      return summary === null ? [] : [[metric, summary]]
    }),
  )
}

/** The percentile of all rounds' histograms merged; the range is that of the rounds by themselves. */
function summarizeLatency(measurements: readonly Measurement[], percentile: number): Summary | null {
  const merged = mergeLatencies(measurements.map(({ latency }) => latency))
  const rounds = summarize(
    measurements.flatMap(({ latency }) => mergeLatencies([latency])?.getValueAtPercentile(percentile) ?? []),
  )
  return merged === null || rounds === null
    ? null
    : { ...rounds, median: merged.getValueAtPercentile(percentile) }
}

function reasonsOf({ failures }: ScenarioResult, name: string): readonly string[] {
  const own = failures.filter(({ contestant }) => contestant === name)
  return [...new Set(own.map(({ reason }) => withoutName(reason, name)))]
}

/** Who it was stands in front of it anyway. */
function withoutName(reason: string, name: string): string {
  return reason.startsWith(`${name}:`) || reason.startsWith(`${name} `)
    ? reason.slice(name.length + 1).trimStart()
    : reason
}

function ratio(value: number, to: number | undefined): number | null {
  return to === undefined || to === 0 ? null : value / to
}

function mostFrequent<T>(values: readonly T[]): { readonly most: T; readonly share: number } {
  const counts = new Map<T, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  const [most, count] = [...counts].reduce((best, each) => (each[1] > best[1] ? each : best))
  return { most, share: count / values.length }
}
