// The report for a browser: one file, without anything from elsewhere and without a script. Charts come first, the figures
// that they show right under them.

import { mergeLatencies } from '../latency.ts'
import type { BenchResult, ScenarioResult } from '../result.ts'
import type { Metric } from '../scenario.ts'
import { median } from '../statistics.ts'
import { pageStyle } from './page-style.ts'
import {
  directName,
  fewerRounds,
  summarizeResult,
  type ContestantSummary,
  type Figure,
  type ScenarioSummary,
} from './summary.ts'
import {
  barChart,
  escapeXml,
  lineChart,
  linearAxis,
  logarithmicAxis,
  percentileAxis,
  type Line,
} from './svg.ts'
import { againstTheNumber, formatFigure, formatRatio, formatSpread, shortName } from './units.ts'

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
${overview(summaries, result)}
${summaries.map(summary => section(summary, series, fewerRounds(summary, result))).join('\n')}
<footer>Bars are medians of the rounds; the thin line goes from the lowest round to the highest. ≥ marks a lower bound:
the load generator, the server or the machine was at its limit before the proxy was. Percentiles are of the histograms of
all rounds, merged.</footer>
</body>
</html>
`
}

/** What each scenario is about, of everyone, with the best proxy marked: also the way to the scenarios. */
function overview(summaries: readonly ScenarioSummary[], { contestants }: BenchResult): string {
  const names = contestants.filter(({ missing }) => missing === null).map(({ name }) => name)
  const rows = summaries.map(({ scenario, contestants }) => {
    const [first] = scenario.metrics
    const figures = new Map(contestants.map(each => [each.name, each.figures.get(first?.name ?? '')]))
    const medians = names.flatMap(name => (name === directName ? [] : (figures.get(name)?.median ?? [])))
    const best = medians.length < 2 ? null : (first?.better === 'higher' ? Math.max : Math.min)(...medians)
    const cells = names.map(name => {
      const figure = figures.get(name)
      if (figure === undefined) return '<td>–</td>'
      const isBest = name !== directName && figure.median === best
      return `<td${isBest ? ' class="best"' : ''}>${escapeXml(valueOf(figure))}</td>`
    })
    const name = escapeXml(scenario.name)
    return (
      `<tr><th><a href="#${name}">${name}</a></th>${cells.join('')}` +
      `<td class="words">${first === undefined ? '' : escapeXml(`${shortName(first.name)}: ${first.describe}`)}</td></tr>`
    )
  })
  const head = names.map(name => `<th>${escapeXml(name)}</th>`).join('')
  return (
    `<div class="scroll"><table class="overview"><thead><tr><th></th>${head}<th></th></tr></thead>` +
    `<tbody>${rows.join('')}</tbody></table></div>`
  )
}

function valueOf({ median, lowerBound, metric }: Figure): string {
  return `${lowerBound ? '≥ ' : ''}${formatFigure(median, metric)}`
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
      `${options.rounds} round${options.rounds === 1 ? '' : 's'} of ${options.durationMs / 1000} s after ${options.warmUpMs / 1000} s of warm-up, ` +
        `${options.threads} proxy thread${options.threads === 1 ? '' : 's'}, load generator: ${options.generator}`,
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

function section(summary: ScenarioSummary, series: Series, fewer: string | null): string {
  const { scenario, contestants, without } = summary
  const notes = [
    ...without.map(({ name, reason }) => `Without ${name}: ${reason}`),
    ...contestants.flatMap(({ name, failures }) => failures.map(reason => `${name} failed: ${reason}`)),
  ]
  return (
    `<section id="${escapeXml(scenario.name)}"><h2>${escapeXml(scenario.name)}</h2>` +
    `<p>${escapeXml(scenario.describe)}${fewer === null ? '' : ` (${escapeXml(fewer)})`}</p><div class="charts">${charts(summary, series)}</div>` +
    table(summary) +
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
    const { min, max, median: value } = figure
    return [{ label: name, series: series.get(name) ?? 0, value, min, max, text: valueOf(figure) }]
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
  const points = lines.flatMap(line => line.points)
  // Of a few measurements, all that could be shown is what the median shows as well.
  if (!points.some(({ x }) => x >= 90)) return ''
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
function growthCharts(scenario: ScenarioResult, series: Series): readonly string[] {
  const { measurements, metrics, growth = {} } = scenario
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
        ? (growth[base] ?? `${shortName(base)}, against the number`)
        : againstTheNumber(metric.describe),
      lines,
      few ? linearAxis(counts, number) : logarithmicAxis(counts, number),
      linearAxis(
        own.map(({ value }) => value),
        value => formatFigure(value, unit),
        unit.unit === 'B' ? 1024 : 1000,
      ),
    )
  })
}

function unitOf(name: string): string {
  if (/(^|_)bytes$/.test(name)) return 'B'
  return /_(us|ms|s)$/.exec(name)?.[1]?.replace('us', 'µs') ?? ''
}

/** With more metrics than that, each has a row, and each contestant a column. */
const mostColumns = 7

function table({ scenario, contestants, rounds }: ScenarioSummary): string {
  const metrics = scenario.metrics.filter(({ name }) => contestants.some(({ figures }) => figures.has(name)))
  if (metrics.length === 0) return '<p class="warning">Nothing was measured.</p>'
  const byMetric = metrics.length > mostColumns
  const metricHead = ({ name, describe }: Metric): string =>
    `<th title="${escapeXml(describe)}">${escapeXml(shortName(name))}</th>`
  const nameHead = ({ name }: ContestantSummary): string => `<th>${escapeXml(name)}</th>`
  const cellOf = (contestant: ContestantSummary, metric: Metric): string =>
    cell(contestant.figures.get(metric.name))
  const remarks = contestants.map(contestant => `<td class="words">${notes(contestant, rounds)}</td>`)
  const head = byMetric ? contestants.map(nameHead) : [...metrics.map(metricHead), '<th></th>']
  const rows = byMetric
    ? [
        ...metrics.map(
          metric =>
            `${metricHead(metric)}${contestants.map(contestant => cellOf(contestant, metric)).join('')}` +
            `<td class="words">${escapeXml(metric.describe)}</td>`,
        ),
        `<th></th>${remarks.join('')}`,
      ]
    : contestants.map(
        (contestant, index) =>
          `${nameHead(contestant)}${metrics.map(metric => cellOf(contestant, metric)).join('')}${remarks[index] ?? ''}`,
      )
  return (
    `<div class="scroll"><table><thead><tr><th></th>${head.join('')}</tr></thead>` +
    `<tbody>${rows.map(row => `<tr>${row}</tr>`).join('')}</tbody></table></div>`
  )
}

/** The figure with its spread, and its ratios under it. */
function cell(figure: Figure | undefined): string {
  if (figure === undefined) return '<td>–</td>'
  const { toDirect, toBestOther } = figure
  const ratios = [
    ...(toDirect === null ? [] : [`${formatRatio(toDirect)} direct`]),
    ...(toBestOther === null ? [] : [`${formatRatio(toBestOther)} best other`]),
  ]
  return (
    `<td>${escapeXml(valueOf(figure))} <small>${formatSpread(figure)}</small>` +
    `${ratios.length === 0 ? '' : `<br><small>${ratios.join(', ')}</small>`}</td>`
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
