// The report for a terminal: who was measured where and how, then a table for each scenario, to be scanned from the left.

import type { BenchResult } from '../result.ts'
import type { Metric } from '../scenario.ts'
import {
  directName,
  fewerRounds,
  summarizeResult,
  type ContestantSummary,
  type Figure,
  type ScenarioSummary,
} from './summary.ts'
import { againstTheNumber, formatFigure, formatRatio, formatSpread, shortName } from './units.ts'

export function renderTable(result: BenchResult): string {
  const { interrupted } = result
  return [
    header(result),
    ...summarizeResult(result).map(summary => renderScenario(summary, fewerRounds(summary, result))),
    ...(interrupted ? ['Stopped before its end: these are the rounds until then.\n'] : []),
  ].join('\n')
}

function header({ environment, options, contestants, startedAt, tookMs }: BenchResult): string {
  const { rounds, warmUpMs, durationMs, threads, generator } = options
  const gib = (environment.memoryBytes / 2 ** 30).toFixed(0)
  const lines: [string, string][] = [
    [
      'machine',
      `${environment.cpu}, ${environment.cores} cores, ${gib} GiB, load ${environment.loadAverage.toFixed(1)}`,
    ],
    ['system', `${environment.kernel}, Node.js ${environment.node}, kube-relay ${environment.kubeRelay}`],
    [
      'method',
      `${rounds} round${rounds === 1 ? '' : 's'} of ${durationMs / 1000} s after ${warmUpMs / 1000} s of warm-up, ` +
        `${threads} proxy thread${threads === 1 ? '' : 's'}, generator ${generator}`,
    ],
    ['pinning', environment.pinning],
    ['run', `${startedAt}, took ${Math.round(tookMs / 1000)} s`],
    ...contestants.map(({ name, version, missing, describe }): [string, string] => [
      name,
      version === null
        ? `not installed: ${missing}`
        : name === directName
          ? describe
          : `${version} (${describe})`,
    ]),
  ]
  const width = Math.max(...lines.map(([key]) => key.length))
  return `${lines.map(([key, value]) => `${key.padEnd(width)}  ${value}`).join('\n')}\n`
}

function renderScenario(summary: ScenarioSummary, fewer: string | null): string {
  const { scenario, contestants, without } = summary
  const metrics = scenario.metrics.filter(({ name }) => contestants.some(({ figures }) => figures.has(name)))
  const notes = [
    ...[...describeMetrics(metrics)].map(([name, describe]) => `  ${name}: ${describe}`),
    ...without.map(({ name, reason }) => `  without ${name}: ${reason}`),
    ...contestants.flatMap(({ name, failures }) => failures.map(reason => `  ${name} failed: ${reason}`)),
  ]
  const table =
    metrics.length === 0
      ? '  nothing was measured\n'
      : align(metrics.length > mostColumns ? metricRows(metrics, summary) : contestantRows(metrics, summary))
  const title = `${scenario.name}  ${scenario.describe}${fewer === null ? '' : ` (${fewer})`}`
  return `${title}\n${table}${notes.join('\n')}\n`
}

/** By name as in the table; those that are the same at several sizes once for all of them. */
function describeMetrics(metrics: readonly Metric[]): ReadonlyMap<string, string> {
  return new Map(
    metrics.map(({ name, describe }) => [
      shortName(name.replace(/@\d+$/, '')),
      name.includes('@') ? againstTheNumber(describe) : describe,
    ]),
  )
}

/** Beside the first metric its spread and, where anybody has one, its ratios. */
function contestantRows(
  metrics: readonly Metric[],
  { contestants, rounds }: ScenarioSummary,
): readonly (readonly string[])[] {
  const [first] = metrics
  const main = contestants.flatMap(({ figures }) => figures.get(first?.name ?? '') ?? [])
  const beside: readonly (readonly [string, (figure: Figure) => string])[] = [
    ...(main.some(figure => figure.rounds > 1) ? [['', formatSpread] as const] : []),
    ...(main.some(({ toDirect }) => toDirect !== null)
      ? [['× direct', ({ toDirect }: Figure) => formatRatio(toDirect)] as const]
      : []),
    ...(main.some(({ toBestOther }) => toBestOther !== null)
      ? [['× best other', ({ toBestOther }: Figure) => formatRatio(toBestOther)] as const]
      : []),
  ]
  const columns = metrics.flatMap(metric => [
    shortName(metric.name),
    ...(metric === first ? beside.map(([title]) => title) : []),
  ])
  const rows = contestants.map(contestant => [
    contestant.name,
    ...metrics.flatMap(metric => {
      const figure = contestant.figures.get(metric.name)
      const value =
        figure === undefined ? '–' : `${figure.lowerBound ? '≥ ' : ''}${formatFigure(figure.median, metric)}`
      const more = beside.map(([, format]) => (figure === undefined ? '–' : format(figure)))
      return [value, ...(metric === first ? more : [])]
    }),
    notesOn(contestant, rounds),
  ])
  return [['', ...columns, ''], ...rows]
}

/** With more metrics than that, each has a row, and each contestant a column. */
const mostColumns = 7

function metricRows(
  metrics: readonly Metric[],
  { contestants, rounds }: ScenarioSummary,
): readonly (readonly string[])[] {
  const notes = contestants.map(contestant => notesOn(contestant, rounds))
  return [
    ['', ...contestants.flatMap(({ name }) => [name, '']), ''],
    ...metrics.map(metric => [
      shortName(metric.name),
      ...contestants.flatMap(({ figures }) => {
        const figure = figures.get(metric.name)
        return figure === undefined ? ['–', ''] : [formatFigure(figure.median, metric), formatSpread(figure)]
      }),
      '',
    ]),
    ...(notes.every(note => note === '') ? [] : [['', ...notes.flatMap(note => [note, '']), '']]),
  ]
}

function notesOn(
  { bottleneck, errors, errorCount, rounds: done }: ContestantSummary,
  rounds: number,
): string {
  return [
    ...(errorCount > 0 ? [`ERRORS: ${inWords(errors)}`] : []),
    ...(bottleneck === 'proxy' || bottleneck === 'none' ? [] : [`${bottleneck} at its limit`]),
    ...(done < rounds ? [`${done} of ${rounds} rounds`] : []),
  ].join('; ')
}

function inWords(errors: Readonly<Record<string, number>>): string {
  return Object.entries(errors)
    .map(([reason, count]) => `${count} ${reason}`)
    .join(', ')
}

/** Names to the left, figures to the right. */
function align(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map(row => row[column]?.length ?? 0)))
  return rows
    .map(row => {
      const last = row.length - 1
      const cells = row.map((cell, column) =>
        column === 0 || column === last
          ? cell.padEnd(widths[column] ?? 0)
          : cell.padStart(widths[column] ?? 0),
      )
      return `  ${cells.join('  ').trimEnd()}\n`
    })
    .join('')
}
