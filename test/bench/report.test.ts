import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'tap'
import { compareResults, differentConditions, renderComparison } from '../../bench/report/compare.ts'
import { readResult, renderJson } from '../../bench/report/json.ts'
import { summarizeScenario } from '../../bench/report/summary.ts'
import { renderTable } from '../../bench/report/table.ts'
import { formatFigure, shortName } from '../../bench/report/units.ts'
import { latencyOf, measurement, result, rounds, scenario } from './results.ts'

const three = scenario([
  ...rounds('direct', [1000, 900, 1100], null, { bottleneck: 'server' }),
  ...rounds('pipe', [300, 250, 400], 30),
  ...rounds('kube-relay', [500, 400, 600], 20),
])

void test('ratios to direct and to the best other proxy', async t => {
  const { contestants } = summarizeScenario(three)
  const [direct, pipe, relay] = contestants
  t.strictSame(
    contestants.map(({ name }) => name),
    ['direct', 'pipe', 'kube-relay'],
  )
  t.equal(pipe?.figures.get('ops_per_s')?.toDirect, 0.3)
  t.equal(pipe?.figures.get('ops_per_s')?.toBestOther, 0.6, 'to kube-relay, not to direct')
  t.equal(relay?.figures.get('ops_per_s')?.toBestOther, 500 / 300)
  t.equal(pipe?.figures.get('cpu_us_per_op')?.toBestOther, 1.5)
  t.equal(pipe?.figures.get('cpu_us_per_op')?.toDirect, null, 'direct has no proxy')
  t.equal(direct?.figures.get('ops_per_s')?.toDirect, null)
  t.equal(direct?.figures.get('ops_per_s')?.lowerBound, true, 'the server was at its limit')
  t.equal(pipe?.figures.get('ops_per_s')?.lowerBound, false)
  t.equal(direct?.figures.has('latency_p99_us'), false, 'nobody measured any')
})

void test('a percentile is that of the merged histograms, its range that of the rounds', async t => {
  const quick = latencyOf(...Array.from({ length: 300 }, () => 100))
  const slow = latencyOf(...Array.from({ length: 100 }, () => 1000))
  const { contestants } = summarizeScenario(
    scenario([
      measurement('pipe', { ops_per_s: 1 }, { latency: quick }),
      measurement('pipe', { ops_per_s: 1 }, { latency: quick }),
      measurement('pipe', { ops_per_s: 1 }, { latency: slow }),
    ]),
  )
  const figure = contestants[0]?.figures.get('latency_p99_us')
  t.equal(figure?.median, 1000, 'the median of the rounds would be 100')
  t.equal(figure?.min, 100)
  t.equal(figure?.max, 1000)
})

void test('the table', async t => {
  const text = renderTable(
    result(
      [
        scenario([...three.measurements, ...rounds('haproxy', [700], 10, { errors: { ECONNRESET: 3 } })], {
          excused: { socat: 'it is too old' },
          failures: [
            { contestant: 'haproxy', round: 2, reason: 'haproxy: has ended (exit code 1)' },
            { contestant: 'nginx', round: 1, reason: 'nginx: unknown directive' },
          ],
        }),
      ],
      { interrupted: true },
    ),
  )
  t.match(text, /Some CPU, 4 cores, 8 GiB/)
  t.match(text, /^ {2}direct +≥ 1,000\/s +±10 % +– +– .*server at its limit$/m)
  t.match(text, /^ {2}kube-relay +500\/s +±20 % +0\.50× +0\.71× +20 µs$/m)
  t.match(text, /^ {2}haproxy .*ERRORS: 3 ECONNRESET; 1 of 3 rounds$/m)
  t.match(text, /without socat: it is too old/)
  t.match(text, /without nginx: unknown directive/)
  t.match(text, /haproxy failed: has ended \(exit code 1\)/)
  t.match(text, /Stopped before its end/)
  t.notMatch(text, /latency/, 'a metric without a value has no column')
})

void test('one round shows no spread, and one contestant no ratio', async t => {
  const alone = scenario(rounds('kube-relay', [500], 20))
  const text = renderTable(result([alone]))
  t.match(text, /^tcp-rr {2}requests and responses \(1 of 3 rounds, as there was no time for more\)$/m)
  t.match(text, /^ +ops\/s +cpu\/op$/m)
  t.match(text, /^ {2}kube-relay +500\/s +20 µs$/m)
  t.match(renderTable(result([alone], { interrupted: true })), /\(1 of 3 rounds\)/)
})

void test('what was measured at many sizes has a row for each, and is described once', async t => {
  const sizes = [10, 100, 1000, 10_000]
  const names = ['agent_cpu_us_per_change', 'list_s']
  const metrics = names.flatMap(name =>
    sizes.map(size => ({
      name: `${name}@${size}`,
      unit: 'µs',
      better: 'lower' as const,
      describe: `what ${name} is, at ${size} Services`,
    })),
  )
  const values = Object.fromEntries(metrics.map(({ name }, index) => [name, index]))
  const text = renderTable(result([scenario([measurement('kube-relay', values)], { name: 'sync', metrics })]))
  t.match(text, /^ {2}agent cpu\/change @1,000 +2 µs$/m)
  t.match(text, /^ {2}list @10,000 +7 µs$/m)
  t.equal(text.match(/what list_s is, against the number of Services/g)?.length, 1)
})

void test('a scenario without a single measurement', async t => {
  const text = renderTable(result([scenario([], { excused: { pipe: 'it can not' } })]))
  t.match(text, /nothing was measured/)
  t.match(text, /without pipe: it can not/)
})

void test('figures are short and have units', async t => {
  const cases: readonly [number, string, string][] = [
    [1234.5, '/s', '1,235/s'],
    [0, '/s', '0/s'],
    [1_234_567, '/s', '1,234,567/s'],
    [25_000, 'B', '24.4 KiB'],
    [1e9, 'B/s', '1 GB/s'],
    [12.34, 'µs', '12.3 µs'],
    [12_340, 'µs', '12.3 ms'],
    [0.25, 'ms', '250 µs'],
    [2500, 'ms', '2.50 s'],
    [0.001234, '%', '0.0012 %'],
    [NaN, 'µs', '– µs'],
  ]
  for (const [value, unit, text] of cases) t.equal(formatFigure(value, { unit }), text)
})

void test('names of metrics are short, and leave the unit to the figure', async t => {
  for (const [name, short] of [
    ['ops_per_s', 'ops/s'],
    ['cpu_us_per_op', 'cpu/op'],
    ['cpu_s_per_gb', 'cpu/gb'],
    ['latency_p99_us', 'latency p99'],
    ['added_connect_p99_us', 'added connect p99'],
    ['lost_percent', 'lost'],
    ['change_p50_ms@10000', 'change p50 @10,000'],
    ['agent_idle_cpu_us_per_s@100', 'agent idle cpu/s @100'],
  ] as const) {
    t.equal(shortName(name), short)
  }
})

void test('a comparison', async t => {
  const before = result([three])
  const after = result([
    scenario([...rounds('kube-relay', [900, 910, 920], 20), ...rounds('nginx', [1, 1, 1], 5)]),
  ])
  const rows = compareResults(before, after)
  t.match(rows, [
    { contestant: 'kube-relay', metric: { name: 'ops_per_s' }, verdict: 'better' },
    { contestant: 'kube-relay', metric: { name: 'cpu_us_per_op' }, verdict: 'same' },
  ])
  t.equal(rows.length, 2, 'only what both have')
  const text = renderComparison(before, after, 'old.json')
  t.match(text, /^ {2}tcp-rr +kube-relay +ops\/s +500\/s +→ +910\/s +\+82\.0 % +better$/m)
  t.notMatch(text, /other conditions/)
  t.match(renderComparison(result([]), after, 'old.json'), /nothing to compare/)
})

void test('a comparison tells other conditions', async t => {
  const after = result([three], { options: { ...result([]).options, threads: 2 } })
  t.strictSame(differentConditions(result([three]), after), ['threads: 1 before, 2 now'])
  t.match(renderComparison(result([three]), after, 'x'), /other conditions: threads/)
})

void test('a result can be read back; what is none is refused by name', async t => {
  const folder = mkdtempSync(path.join(tmpdir(), 'bench-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = path.join(folder, 'out.json')
  writeFileSync(file, renderJson(result([three])))
  t.strictSame(readResult(file), JSON.parse(JSON.stringify(result([three]))))
  for (const bad of [
    '',
    'null',
    '[]',
    '{}',
    '{"format":1}',
    '{"format":1,"scenarios":[{}]}',
    '{"format":99}',
  ]) {
    writeFileSync(file, bad)
    t.throws(() => readResult(file), { code: 'INVALID_CONFIG', message: file }, bad)
  }
  t.throws(() => readResult(path.join(folder, 'none')), { code: 'INVALID_CONFIG', message: 'none' })
})
