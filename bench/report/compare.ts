// Two results beside each other, with a verdict for each metric that knows how far rounds are apart anyway.

import type { BenchResult } from '../result.ts'
import type { Metric } from '../scenario.ts'
import { verdict, type Summary, type Verdict } from '../statistics.ts'
import { summarizeResult } from './summary.ts'
import { formatFigure, shortName } from './units.ts'

export interface Comparison {
  readonly scenario: string
  readonly contestant: string
  readonly metric: Metric
  readonly before: Summary
  readonly after: Summary
  readonly verdict: Verdict
}

/** What both results have. */
export function compareResults(before: BenchResult, after: BenchResult): readonly Comparison[] {
  const old = new Map(summarizeResult(before).map(each => [each.scenario.name, each]))
  return summarizeResult(after).flatMap(({ scenario, contestants }) =>
    contestants.flatMap(({ name, figures }) => {
      const known = old.get(scenario.name)?.contestants.find(each => each.name === name)
      return [...figures.values()].flatMap((figure): Comparison[] => {
        const last = known?.figures.get(figure.metric.name)
        if (last === undefined) return []
        const { metric } = figure
        const scenarioName = scenario.name
        return [
          {
            scenario: scenarioName,
            contestant: name,
            metric,
            before: last,
            after: figure,
            verdict: verdict(last, figure, metric.better),
          },
        ]
      })
    }),
  )
}

/** Where two results were made under conditions that differ, which their figures then do as well. */
export function differentConditions(before: BenchResult, after: BenchResult): readonly string[] {
  const facts: readonly [string, (result: BenchResult) => unknown][] = [
    ['CPU', ({ environment }) => environment.cpu],
    ['cores', ({ environment }) => environment.cores],
    ['kernel', ({ environment }) => environment.kernel],
    ['Node.js', ({ environment }) => environment.node],
    ['pinning', ({ environment }) => environment.pinning],
    ['threads', ({ options }) => options.threads],
    ['generator', ({ options }) => options.generator],
    ['duration of a round in ms', ({ options }) => options.durationMs],
  ]
  return facts
    .filter(([, read]) => read(before) !== read(after))
    .map(([name, read]) => `${name}: ${String(read(before))} before, ${String(read(after))} now`)
}

export function renderComparison(before: BenchResult, after: BenchResult, file: string): string {
  const rows = compareResults(before, after)
  const different = differentConditions(before, after)
  const warnings = different.map(line => `  other conditions: ${line}\n`).join('')
  const title = `compared with ${file}, of ${before.startedAt}\n${warnings}`
  if (rows.length === 0) return `${title}  nothing to compare: no scenario and contestant is in both\n`
  const cells = rows.map(({ scenario, contestant, metric, before, after, verdict }) => [
    scenario,
    contestant,
    shortName(metric.name),
    formatFigure(before.median, metric),
    '→',
    formatFigure(after.median, metric),
    change(before.median, after.median),
    verdict,
  ])
  const widths = (cells[0] ?? []).map((_, column) => Math.max(...cells.map(row => row[column]?.length ?? 0)))
  const lines = cells.map(
    row => `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd() + '\n',
  )
  const unclear = rows.some(({ verdict }) => verdict === 'unclear')
  return (
    `${title}${lines.join('')}  same: less apart than the rounds are among themselves, or than 2 %\n` +
    (unclear ? '  unclear: three rounds are needed on both sides to know the noise\n' : '')
  )
}

function change(before: number, after: number): string {
  if (before === 0) return ''
  const percent = ((after - before) / Math.abs(before)) * 100
  return `${percent >= 0 ? '+' : '−'}${Math.abs(percent).toFixed(1)} %`
}
