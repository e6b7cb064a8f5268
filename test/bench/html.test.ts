import { test } from 'tap'
import { renderHtml } from '../../bench/report/html.ts'
import { barChart, linearAxis, lineChart, logarithmicAxis, percentileAxis } from '../../bench/report/svg.ts'
import type { Measurement } from '../../bench/scenario.ts'
import { latencyOf, measurement, result, rounds, scenario } from './results.ts'

const latency = latencyOf(...Array.from({ length: 1000 }, (_, index) => index + 1))

const measured = (each: Measurement): Measurement => ({
  ...each,
  values: { 'memory_bytes@1000': 2 ** 20, 'memory_bytes@2000': 200 * 2 ** 20 },
})

const page = renderHtml(
  result([
    scenario([
      ...rounds('direct', [1000, 900, 1100], null, { bottleneck: 'machine' }),
      ...rounds('kube-relay', [500, 400, 600], 20, { latency, errors: { ECONNRESET: 2 } }),
      ...rounds('<b>&"x"</b>', [1], 1),
    ]),
    scenario([...rounds('pipe', [1], 10), ...rounds('kube-relay', [2], 20)].map(measured), {
      name: 'idle',
      metrics: [],
      growth: { memory_bytes: 'memory, against the number of open connections' },
    }),
    scenario(
      [100, 1000, 10_000].map(count => measurement('kube-relay', { [`sync_ms@${count}`]: count / 100 })),
      {
        name: 'sync',
        metrics: [
          { name: 'sync_ms@100', unit: 'ms', better: 'lower', describe: 'a change, at 100 Services' },
        ],
        excused: { pipe: 'it <cannot>' },
      },
    ),
  ]),
)

void test('the page needs nothing from elsewhere', async t => {
  t.notMatch(page, /<script|<link|<img|@import|url\(|https?:\/\//)
  t.match(page, /^<!doctype html>/)
  t.match(page, /prefers-color-scheme: dark/)
})

void test('what others named is text', async t => {
  t.notMatch(page, /<b>|<cannot>/)
  t.match(page, /&#60;b&#62;&#38;&#34;x&#34;&#60;\/b&#62;/)
})

void test('each chart is there', async t => {
  const titles = [...page.matchAll(/<figcaption>(.*?)<\/figcaption>/g)].map(([, title]) => title)
  t.strictSame(titles, [
    'operations per second (higher is better)',
    'CPU time per operation (lower is better)',
    'latency, by percentile (lower is better)',
    'memory, against the number of open connections',
    'a change, at 100 Services (lower is better)',
    'a change, against the number of Services',
  ])
  t.match(page, /≥ 1,000\/s/)
  t.match(page, />150 MiB</, 'a round number of bytes')
  t.match(page, /errors: 6 ECONNRESET/)
  t.match(page, /Without pipe: it &#60;cannot&#62;/)
  t.notMatch(page, /NaN|undefined|Infinity/)
})

void test('tags are closed, as XML wants it in SVG', async t => {
  for (const [svg] of page.matchAll(/<svg.*?<\/svg>/gs)) {
    const open: string[] = []
    for (const [, end, name = '', , self] of svg.matchAll(/<(\/?)([a-z]+)((?:"[^"]*"|[^>"])*?)(\/?)>/g)) {
      if (end === '/') t.equal(open.pop(), name)
      else if (self !== '/') open.push(name)
    }
    t.strictSame(open, [])
  }
})

void test('an overview says who is best, leads to each scenario, and leaves direct out of it', async t => {
  const [overview = ''] = /<table class="overview">.*?<\/table>/s.exec(page) ?? []
  t.match(overview, /<a href="#tcp-rr">/)
  t.match(overview, /<td>≥ 1,000\/s<\/td>.*<td class="best">500\/s<\/td>/)
  t.match(page, /<section id="tcp-rr">/)
})

void test('few measurements make no chart of percentiles', async t => {
  const few = rounds('kube-relay', [1, 1, 1], 1, { latency: latencyOf(1, 2, 3) })
  t.notMatch(renderHtml(result([scenario(few)])), /by percentile/)
})

void test('a stopped run without anything', async t => {
  const empty = renderHtml(result([scenario([])], { interrupted: true }))
  t.match(empty, /Stopped before its end/)
  t.match(empty, /Nothing was measured/)
})

void test('bars are as long as their values', async t => {
  const bar = (label: string, value: number) => ({
    label,
    series: 0,
    value,
    min: value,
    max: value,
    text: 'x',
  })
  const svg = barChart('title', [bar('a', 100), bar('b', 25), bar('c', 0)])
  const widths = [...svg.matchAll(/<rect [^>]*width="([\d.]+)"/g)].map(([, width]) => Number(width))
  const [a = 0, b = 0, c = 0] = widths
  t.equal(b / a, 0.25)
  t.equal(c, 1, 'nothing is still seen')
})

void test('axes', async t => {
  const linear = linearAxis([0, 83], String)
  t.strictSame(linear.ticks, [0, 50, 100])
  t.equal(linear.at(50), 0.5)
  const bytes = linearAxis([0, 900 * 2 ** 20], String, 1024)
  t.strictSame(bytes.ticks, [0, 500 * 2 ** 20, 1000 * 2 ** 20])
  const log = logarithmicAxis([1, 10_000], String)
  t.strictSame(log.ticks, [1, 10, 100, 1000, 10_000])
  t.equal(log.at(100), 0.5)
  t.strictSame(logarithmicAxis([200, 900], String).ticks, [100, 200, 500, 1000])
  const percentile = percentileAxis(99.99)
  t.equal(percentile.at(0), 0)
  t.ok(Math.abs(percentile.at(99) - 0.5) < 1e-9, 'each nine takes as much room')
  t.strictSame(percentileAxis(99).ticks, [0, 50, 90, 99])
})

void test('a point that an axis can not show is left out', async t => {
  const axis = logarithmicAxis([1, 10], String)
  const points = [
    { x: 1, y: 0 },
    { x: 1, y: 1 },
    { x: 10, y: 10 },
  ]
  const svg = lineChart('t', [{ label: 'a', series: 0, points }], axis, axis)
  t.notMatch(svg, /NaN|Infinity/)
  t.equal([...svg.matchAll(/<circle/g)].length, 2)
})
