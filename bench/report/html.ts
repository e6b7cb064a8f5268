// The report for a browser: one file, without anything from elsewhere and without a script. Charts come first, the figures
// that they show right under them.

import { mergeLatencies } from '../latency.ts'
import type { BenchResult, ScenarioResult } from '../result.ts'
import type { Metric } from '../scenario.ts'
import { median, spread } from '../statistics.ts'
import { pageStyle } from './page-style.ts'
import { directName, summarizeResult, type ContestantSummary, type ScenarioSummary } from './summary.ts'
import {
  barChart,
  escapeXml,
  lineChart,
  linearAxis,
  logarithmicAxis,
  percentileAxis,
  type Line,
} from './svg.ts'
import { formatFigure, formatPercent, formatRatio, shortName } from './units.ts'

/** The contestant's name to its colour, the same one in all charts. */
type Series = ReadonlyMap<string, number>

export function renderHtml(result: BenchResult): string {
  const series: Series = new Map(result.contestants.map(({ name }, index) => [name, index]))
  const summaries = summarizeResult(result)
  const interrupted = result.interrupted
    ? '<p class="warning">Stopped before its end: these are the rounds until then.</p>'
    : ''
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>kube-relay bench, ${escapeXml(result.startedAt)}</title>
<style>${pageStyle}</style>
</head>
<body>
<h1>kube-relay bench</h1>
${interrupted}
${header(result)}
<nav>${summaries.map(({ scenario: { name } }) => `<a href="#${escapeXml(name)}">${escapeXml(name)}</a>`).join(' ')}</nav>
${summaries.map(summary => section(summary, series, result.options.rounds)).join('\n')}
<footer>Bars are medians of the rounds; the thin line goes from the lowest round to the highest. ≥ marks a lower bound:
the load generator, the server or the machine was at its limit before the proxy was. Percentiles are of the histograms of
all rounds, merged.</footer>
</body>
</html>
`
}

function header({ environment, options, contestants, startedAt, tookMs }: BenchResult): string {
  const gib = (environment.memoryBytes / 2 ** 30).toFixed(0)
  const facts: readonly [string, string][] = [
    ['Machine', `${environment.cpu}, ${environment.cores} cores, ${gib} GiB`],
    ['Load average at the start', environment.loadAverage.toFixed(1)],
    ['System', `${environment.kernel}, Node.js ${environment.node}`],
    ['Pinning', environment.pinning],
    [
      'Method',
      `${options.rounds} rounds of ${options.durationMs / 1000} s after ${options.warmUpMs / 1000} s of warm-up, ` +
        `${options.threads} proxy thread(s), generator ${options.generator}`,
    ],
    ['Run', `${startedAt}, took ${Math.round(tookMs / 1000)} s`],
  ]
  const rows = contestants.map(
    ({ name, version, missing, describe }) =>
      `<tr><th>${escapeXml(name)}</th><td>${escapeXml(version === null ? '–' : name === directName ? '' : version)}</td>` +
      `<td>${escapeXml(missing === null ? describe : `not installed: ${missing}`)}</td></tr>`,
  )
  return (
    `<dl>${facts.map(([key, value]) => `<dt>${key}</dt><dd>${escapeXml(value)}</dd>`).join('')}</dl>` +
    `<table class="contestants"><tbody>${rows.join('')}</tbody></table>`
  )
}

function section(summary: ScenarioSummary, series: Series, rounds: number): string {
  const { scenario, contestants, without } = summary
  const notes = [
    ...without.map(({ name, reason }) => `Without ${name}: ${reason}`),
    ...contestants.flatMap(({ name, failures }) => failures.map(reason => `${name} failed: ${reason}`)),
  ]
  return (
    `<section id="${escapeXml(scenario.name)}"><h2>${escapeXml(scenario.name)}</h2>` +
    `<p>${escapeXml(scenario.describe)}</p><div class="charts">${charts(summary, series)}</div>` +
    table(scenario, contestants, rounds) +
    `${notes.length === 0 ? '' : `<ul>${notes.map(note => `<li>${escapeXml(note)}</li>`).join('')}</ul>`}</section>`
  )
}

/** Bars for what a scenario is about and for CPU time; the latencies' distribution; what grows with a number. */
function charts({ scenario, contestants }: ScenarioSummary, series: Series): string {
  const [first] = scenario.metrics
  const barred = scenario.metrics.filter(metric => metric === first || metric.name.startsWith('cpu_'))
  return [
    ...barred.map(metric => bars(metric, contestants, series)),
    latencyChart(scenario, series),
    ...growthCharts(scenario, series),
  ].join('')
}

function bars(metric: Metric, contestants: readonly ContestantSummary[], series: Series): string {
  const shown = contestants.flatMap(({ name, figures }) => {
    const figure = figures.get(metric.name)
    if (figure === undefined) return []
    const { min, max, lowerBound } = figure
    const text = `${lowerBound ? '≥ ' : ''}${formatFigure(figure.median, metric)}`
    return [{ label: name, series: series.get(name) ?? 0, value: figure.median, min, max, text }]
  })
  const title = `${metric.describe} (${metric.better} is better)`
  return shown.length === 0 ? '' : barChart(title, shown)
}

const us: Pick<Metric, 'unit'> = { unit: 'µs' }

function latencyChart({ measurements, metrics }: ScenarioResult, series: Series): string {
  const names = [...new Set(measurements.map(({ contestant }) => contestant))]
  const lines = names.flatMap((name): Line[] => {
    const own = measurements.filter(({ contestant }) => contestant === name)
    const merged = mergeLatencies(own.map(({ latency }) => latency))
    if (merged === null) return []
    // Beyond this, one value makes the percentile.
    const most = Math.min(99.99, 100 * (1 - 10 / Math.max(20, merged.totalCount)))
    const points = percentiles
      .filter(percentile => percentile <= most)
      .map(percentile => ({ x: percentile, y: merged.getValueAtPercentile(percentile) }))
    return [{ label: name, series: series.get(name) ?? 0, points }]
  })
  if (lines.length === 0) return ''
  const points = lines.flatMap(line => line.points)
  const of = metrics.find(({ name }) => name.startsWith('latency_'))?.describe ?? 'latency'
  return lineChart(
    `${of.replace(/, percentile.*/, '')}, by percentile (lower is better)`,
    lines,
    percentileAxis(Math.max(...points.map(({ x }) => x))),
    logarithmicAxis(
      points.map(({ y }) => y),
      value => formatFigure(value, us),
    ),
  )
}

/** Evenly over the nines. */
const percentiles = Array.from({ length: 81 }, (_, index) => 100 * (1 - 10 ** (-index / 20)))

/** Values named "…@100", "…@1000": what something costs against the number of it. */
function growthCharts({ measurements, metrics }: ScenarioResult, series: Series): readonly string[] {
  const values = measurements.flatMap(({ contestant, values }) =>
    Object.entries(values).flatMap(([name, value]) => {
      const [, base, at] = /^(.+)@(\d+)$/.exec(name) ?? []
      return base === undefined ? [] : [{ contestant, base, at: Number(at), value }]
    }),
  )
  return [...new Set(values.map(({ base }) => base))].map(base => {
    const own = values.filter(value => value.base === base)
    const lines = [...new Set(own.map(({ contestant }) => contestant))].map((label): Line => {
      const of = own.filter(({ contestant }) => contestant === label)
      const points = [...new Set(of.map(({ at }) => at))]
        .toSorted((a, b) => a - b)
        .map(x => ({ x, y: median(of.filter(({ at }) => at === x).map(({ value }) => value)) }))
      return { label, series: series.get(label) ?? 0, points }
    })
    const metric = metrics.find(({ name }) => name.startsWith(`${base}@`))
    const unit = { unit: metric?.unit ?? unitOf(base) }
    const counts = own.map(({ at }) => at)
    const few = Math.max(...counts) / Math.min(...counts) < 20
    const number = (value: number): string => new Intl.NumberFormat('en').format(value)
    return lineChart(
      metric === undefined
        ? `${shortName(base)}, against the number`
        : metric.describe.replace(/, at [\d,.]+ (\S+)$/, ', against the number of $1'),
      lines,
      few ? linearAxis(counts, number) : logarithmicAxis(counts, number),
      linearAxis(
        own.map(({ value }) => value),
        value => formatFigure(value, unit),
      ),
    )
  })
}

function unitOf(name: string): string {
  if (/(^|_)bytes$/.test(name)) return 'B'
  return /_(us|ms|s)$/.exec(name)?.[1]?.replace('us', 'µs') ?? ''
}

function table(scenario: ScenarioResult, contestants: readonly ContestantSummary[], rounds: number): string {
  const metrics = scenario.metrics.filter(({ name }) => contestants.some(({ figures }) => figures.has(name)))
  if (metrics.length === 0) return '<p class="warning">Nothing was measured.</p>'
  const head = metrics.map(
    ({ name, describe }) =>
      `<th title="${escapeXml(describe)}">${escapeXml(shortName(name))}</th><th>× direct</th><th>× best other</th>`,
  )
  const rows = contestants.map(contestant => {
    const cells = metrics.map(metric => {
      const figure = contestant.figures.get(metric.name)
      if (figure === undefined) return '<td>–</td><td></td><td></td>'
      const value = `${figure.lowerBound ? '≥ ' : ''}${formatFigure(figure.median, metric)}`
      return (
        `<td>${escapeXml(value)} <small>±${formatPercent(spread(figure) / 2)}</small></td>` +
        `<td>${formatRatio(figure.toDirect)}</td><td>${formatRatio(figure.toBestOther)}</td>`
      )
    })
    return `<tr><th>${escapeXml(contestant.name)}</th>${cells.join('')}<td>${notes(contestant, rounds)}</td></tr>`
  })
  return (
    `<div class="scroll"><table><thead><tr><th></th>${head.join('')}<th></th></tr></thead>` +
    `<tbody>${rows.join('')}</tbody></table></div>`
  )
}

function notes({ bottleneck, errors, errorCount, rounds: done }: ContestantSummary, rounds: number): string {
  const words = Object.entries(errors).map(([reason, count]) => `${count} ${reason}`)
  return [
    ...(errorCount > 0 ? [`<strong class="warning">errors: ${escapeXml(words.join(', '))}</strong>`] : []),
    ...(bottleneck === 'proxy' || bottleneck === 'none' ? [] : [`${bottleneck} at its limit`]),
    ...(done < rounds ? [`${done} of ${rounds} rounds`] : []),
  ].join('; ')
}
