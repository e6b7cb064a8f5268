// The report for a terminal: who was measured where and how, then a table for each scenario, to be scanned from the left.

import type { BenchResult } from '../result.ts'
import type { Metric } from '../scenario.ts'
import { spread } from '../statistics.ts'
import { directName, summarizeResult, type ContestantSummary, type ScenarioSummary } from './summary.ts'
import { formatFigure, formatPercent, formatRatio, shortName } from './units.ts'

export function renderTable(result: BenchResult): string {
  const { interrupted } = result
  return [
    header(result),
    ...summarizeResult(result).map(scenario => renderScenario(scenario, result.options.rounds)),
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
      `${rounds} rounds of ${durationMs / 1000} s after ${warmUpMs / 1000} s of warm-up, ` +
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

function renderScenario({ scenario, contestants, without }: ScenarioSummary, rounds: number): string {
  const metrics = scenario.metrics.filter(({ name }) => contestants.some(({ figures }) => figures.has(name)))
  const [first] = metrics
  const wide = metrics.length > mostColumns
  const columns = [
    '',
    ...metrics.flatMap((metric, index) => [
      shortName(metric.name),
      ...(index === 0 ? ['±', '× direct', '× best other'] : []),
    ]),
    'notes',
  ]
  const rows = contestants.map(contestant => [
    contestant.name,
    ...metrics.flatMap((metric, index) => {
      const figure = contestant.figures.get(metric.name)
      if (figure === undefined) return ['–', ...(index === 0 ? ['', '–', '–'] : [])]
      const value = `${figure.lowerBound ? '≥ ' : ''}${formatFigure(figure.median, metric)}`
      const ratios = [
        formatPercent(spread(figure) / 2),
        formatRatio(figure.toDirect),
        formatRatio(figure.toBestOther),
      ]
      return [value, ...(index === 0 ? ratios : [])]
    }),
    notesOn(contestant, rounds),
  ])
  const notes = [
    ...metrics.map(({ name, describe }) => `  ${shortName(name)}: ${describe}`),
    ...without.map(({ name, reason }) => `  without ${name}: ${reason}`),
    ...contestants.flatMap(({ name, failures }) => failures.map(reason => `  ${name} failed: ${reason}`)),
  ]
  const table =
    first === undefined
      ? '  nothing was measured\n'
      : align(wide ? metricRows(metrics, contestants, rounds) : [columns, ...rows])
  return `${scenario.name}  ${scenario.describe}\n${table}${notes.join('\n')}\n`
}

/** With more metrics than that, each has a row, and each contestant a column. */
const mostColumns = 7

function metricRows(
  metrics: readonly Metric[],
  contestants: readonly ContestantSummary[],
  rounds: number,
): readonly (readonly string[])[] {
  return [
    ['', ...contestants.flatMap(({ name }) => [name, '±']), ''],
    ...metrics.map(metric => [
      shortName(metric.name),
      ...contestants.flatMap(({ figures }) => {
        const figure = figures.get(metric.name)
        return figure === undefined
          ? ['–', '']
          : [formatFigure(figure.median, metric), formatPercent(spread(figure) / 2)]
      }),
      '',
    ]),
    ['notes', ...contestants.flatMap(contestant => [notesOn(contestant, rounds), '']), ''],
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
