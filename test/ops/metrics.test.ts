// The page for Prometheus: kube-proxy's names as they are, our own by the conventions, counters that never go back.

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { test, type Test } from 'tap'
import { addDialTimes, dialBoundsSeconds, DialCounter, noDialTimes } from '../../lib/ops/dial-times.ts'
import { silentLog } from '../../lib/ops/log.ts'
import { createMetrics, type Metrics, type MetricsOptions } from '../../lib/ops/metrics.ts'
import type { StatusDocument } from '../../lib/ops/status.ts'
import { readPage, readSamples } from './page.ts'
import { connections, servicePort, statusDocument, worker } from './statuses.ts'

function metricsOf(t: Test, options: Partial<MetricsOptions> = {}): Metrics {
  const metrics = createMetrics({
    version: '1.2.3',
    log: silentLog,
    wallClock: () => 1_700_000_000_500,
    status: async () => statusDocument(),
    perService: true,
    processMetrics: false,
    ...options,
  })
  t.teardown(() => metrics.close())
  return metrics
}

const samplesOf = async (metrics: Metrics) => readSamples((await metrics.answer()).body)

/** A page with every metric on it. */
async function wholePage(t: Test): Promise<string> {
  const counts = { active: 3, total: 9, bytesIn: 1, bytesOut: 2, failures: { refused: 4, timeout: 0 } }
  const services = [
    servicePort({ portName: 'http', setAside: ['10.1.0.2:8080', '10.1.0.3:8080'] }, counts),
    servicePort({ name: 'dns', protocol: 'UDP' }),
  ]
  const metrics = metricsOf(t, { processMetrics: true, status: async () => statusDocument({ services }) })
  for (const family of ['IPv4', 'IPv6'] as const) {
    metrics.kubeProxy.queued(family)
    metrics.kubeProxy.synced(family, 0.003)
    metrics.kubeProxy.programmed(family, 0.7)
    metrics.kubeProxy.setNoLocalEndpoints(family, 'internal', 1)
    metrics.kubeProxy.setNoLocalEndpoints(family, 'external', 0)
  }
  metrics.kubeProxy.changed('service', 1)
  metrics.kubeProxy.changed('endpoint', 2)
  metrics.kubeProxy.answered('healthz', 200)
  metrics.kubeProxy.answered('livez', 503)
  metrics.agent.watchEntered('services', 'watching')
  return (await metrics.answer()).body
}

/** As the reference of Kubernetes 1.34 has them. */
const kubeProxyMetrics: readonly [string, 'histogram' | 'gauge' | 'counter', string, string][] = [
  ['sync_proxy_rules_duration_seconds', 'histogram', 'SyncProxyRules latency in seconds', 'ip_family'],
  [
    'network_programming_duration_seconds',
    'histogram',
    'In Cluster Network Programming Latency in seconds',
    'ip_family',
  ],
  [
    'sync_proxy_rules_last_timestamp_seconds',
    'gauge',
    'The last time proxy rules were successfully synced',
    'ip_family',
  ],
  [
    'sync_proxy_rules_last_queued_timestamp_seconds',
    'gauge',
    'The last time a sync of proxy rules was queued',
    'ip_family',
  ],
  ['sync_proxy_rules_service_changes_pending', 'gauge', 'Pending proxy rules Service changes', ''],
  ['sync_proxy_rules_service_changes_total', 'counter', 'Cumulative proxy rules Service changes', ''],
  ['sync_proxy_rules_endpoint_changes_pending', 'gauge', 'Pending proxy rules Endpoint changes', ''],
  ['sync_proxy_rules_endpoint_changes_total', 'counter', 'Cumulative proxy rules Endpoint changes', ''],
  [
    'sync_proxy_rules_no_local_endpoints_total',
    'gauge',
    'Number of services with a Local traffic policy and no endpoints',
    'ip_family,traffic_policy',
  ],
  ['proxy_healthz_total', 'counter', 'Cumulative proxy healthz HTTP status', 'code'],
  ['proxy_livez_total', 'counter', 'Cumulative proxy livez HTTP status', 'code'],
]

void test("kube-proxy's names, types, help texts and labels", async t => {
  const page = readPage(await wholePage(t))
  for (const [name, type, help, labels] of kubeProxyMetrics) {
    const family = page.get(`kubeproxy_${name}`)
    t.equal(family?.type, type, `${name}: type`)
    t.equal(family?.help, `[ALPHA] ${help}`, `${name}: help`)
    for (const key of family?.samples.keys() ?? []) {
      const found = [...key.matchAll(/(\w+)="/g)].map(([, label]) => label).filter(label => label !== 'le')
      t.equal(found.join(), labels, `${name}: labels`)
    }
  }
})

function buckets(samples: ReadonlyMap<string, number>, name: string): readonly number[] {
  const pattern = new RegExp(`^${name}_bucket\\{le="([^"]+)",ip_family="IPv4"\\}$`)
  return [...samples.keys()].flatMap(key => {
    const bound = pattern.exec(key)?.[1]
    return bound === undefined || bound === '+Inf' ? [] : [Number(bound)]
  })
}

void test("kube-proxy's buckets", async t => {
  const samples = readSamples(await wholePage(t))
  t.strictSame(
    buckets(samples, 'kubeproxy_sync_proxy_rules_duration_seconds'),
    Array.from({ length: 15 }, (_, index) => 2 ** index / 1000),
  )
  const programming = buckets(samples, 'kubeproxy_network_programming_duration_seconds')
  t.strictSame(programming.slice(0, 5), [0, 0.25, 0.5, 1, 2])
  t.strictSame(programming.slice(60, 64), [58, 59, 60, 65])
  t.strictSame(programming.slice(-9), [110, 115, 120, 150, 180, 210, 240, 270, 300])
  t.equal(programming.length, 81)
})

void test('what is fed to them arrives', async t => {
  const samples = readSamples(await wholePage(t))
  const expected: Readonly<Record<string, number>> = {
    'kubeproxy_sync_proxy_rules_last_timestamp_seconds{ip_family="IPv4"}': 1_700_000_000.5,
    'kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds{ip_family="IPv6"}': 1_700_000_000.5,
    'kubeproxy_sync_proxy_rules_duration_seconds_bucket{le="0.002",ip_family="IPv4"}': 0,
    'kubeproxy_sync_proxy_rules_duration_seconds_bucket{le="0.004",ip_family="IPv4"}': 1,
    'kubeproxy_network_programming_duration_seconds_sum{ip_family="IPv6"}': 0.7,
    kubeproxy_sync_proxy_rules_endpoint_changes_pending: 2,
    kubeproxy_sync_proxy_rules_endpoint_changes_total: 1,
    'kubeproxy_sync_proxy_rules_no_local_endpoints_total{ip_family="IPv4",traffic_policy="internal"}': 1,
    'kubeproxy_proxy_livez_total{code="503"}': 1,
    [`kube_relay_build_info{version="1.2.3",node_version="${process.version}"}`]: 1,
    kube_relay_table_generation: 7,
    kube_relay_synced: 1,
    'kube_relay_table_source{source="apiserver"}': 1,
    'kube_relay_table_source{source="snapshot"}': 0,
    kube_relay_services: 2,
    'kube_relay_service_ports{protocol="UDP"}': 1,
    'kube_relay_frontends{state="listening"}': 2,
    'kube_relay_frontends{state="bind-failed"}': 0,
    'kube_relay_worker_descriptors_used{worker="0"}': 6,
    'kube_relay_worker_descriptors_limit{worker="0"}': 900,
    'kube_relay_worker_accepting{worker="0"}': 1,
    'kube_relay_connections_active{protocol="TCP"}': 3,
    'kube_relay_connections_total{protocol="TCP"}': 9,
    'kube_relay_connections_total{protocol="UDP"}': 0,
    'kube_relay_connection_failures_total{protocol="TCP",reason="refused"}': 4,
    'kube_relay_service_sent_bytes_total{namespace="default",service="web",port="http",protocol="TCP"}': 2,
    'kube_relay_service_connection_failures_total{namespace="default",service="web",port="http",protocol="TCP",reason="refused"}': 4,
    'kube_relay_service_endpoints{namespace="default",service="web",port="http",protocol="TCP",list="cluster"}': 1,
    'kube_relay_service_endpoints_set_aside{namespace="default",service="web",port="http",protocol="TCP"}': 2,
    kube_relay_endpoints_set_aside: 2,
    'kube_relay_list_watch_state{resource="services",state="watching"}': 1,
    'kube_relay_list_watch_state{resource="services",state="listing"}': 0,
    'kube_relay_list_watch_lists_total{resource="services"}': 0,
  }
  for (const [key, value] of Object.entries(expected)) t.equal(samples.get(key), value, key)
  const trouble = [...samples.keys()].filter(key => key.includes('service_connection_failures'))
  t.equal(trouble.length, 1, 'a reason that has not occurred has no series')
  t.ok(samples.has('process_cpu_seconds_total'), 'the process itself')
})

void test('changes wait until a sync takes them', async t => {
  const metrics = metricsOf(t)
  metrics.kubeProxy.changed('service', 1)
  metrics.kubeProxy.changed('service', 2)
  metrics.kubeProxy.taken()
  const samples = await samplesOf(metrics)
  t.equal(samples.get('kubeproxy_sync_proxy_rules_service_changes_pending'), 0)
  t.equal(samples.get('kubeproxy_sync_proxy_rules_service_changes_total'), 2)
})

void test('a list-watch is in one state, and lists and failures are counted', async t => {
  const metrics = metricsOf(t)
  for (const state of ['listing', 'watching', 'backing-off', 'listing', 'watching'] as const) {
    metrics.agent.watchEntered('services', state)
  }
  const samples = await samplesOf(metrics)
  const states = [...samples].filter(([key]) => key.startsWith('kube_relay_list_watch_state'))
  t.strictSame(
    states.filter(([, value]) => value === 1).map(([key]) => key),
    ['kube_relay_list_watch_state{resource="services",state="watching"}'],
  )
  t.equal(samples.get('kube_relay_list_watch_lists_total{resource="services"}'), 2)
  t.equal(samples.get('kube_relay_list_watch_failures_total{resource="services"}'), 1)
})

const web = 'namespace="default",service="web",port="",protocol="TCP"'

void test('counters are monotonic across scrapes, also when a Service goes and comes back', async t => {
  let services: StatusDocument['services'] = []
  const metrics = metricsOf(t, { status: async () => statusDocument({ services }) })
  const scrape = async (...next: StatusDocument['services']) => {
    services = next
    const samples = await samplesOf(metrics)
    return [
      samples.get(`kube_relay_service_connections_total{${web}}`),
      samples.get('kube_relay_connections_total{protocol="TCP"}'),
    ]
  }
  const other = servicePort({ name: 'api' }, { total: 100 })
  t.strictSame(await scrape(servicePort({}, { total: 5 }), other), [5, 105])
  t.strictSame(await scrape(servicePort({}, { total: 8 }), other), [8, 108])
  t.strictSame(await scrape(other), [undefined, 108], 'no series for a Service that is gone')
  t.strictSame(await scrape(servicePort({}, { total: 2 }), other), [10, 110], 'it goes on when it is back')
  t.strictSame(await scrape(servicePort({}, { total: 3 }), other), [11, 111])
})

void test('the time to dial is a histogram that never goes back, as when its workers are replaced', async t => {
  let counted: readonly number[] = []
  const status = async () => {
    const counter = new DialCounter()
    for (const ms of counted) counter.answeredAfter(ms)
    return statusDocument({ dialTimes: addDialTimes(counter.times(), noDialTimes) })
  }
  const metrics = metricsOf(t, { status })
  const scrape = async (...ms: readonly number[]) => {
    counted = ms
    const samples = await samplesOf(metrics)
    const buckets = [...samples].filter(([key]) => key.startsWith('kube_relay_dial_duration_seconds_bucket'))
    t.equal(buckets.length, dialBoundsSeconds.length + 1)
    return [
      ...['0.0001', '0.00025', '0.001', '1', '2', '+Inf'].map(
        le => samples.get(`kube_relay_dial_duration_seconds_bucket{le="${le}"}`) ?? -1,
      ),
      samples.get('kube_relay_dial_duration_seconds_count') ?? -1,
      Math.round((samples.get('kube_relay_dial_duration_seconds_sum') ?? -1) * 1e6),
    ]
  }
  t.strictSame(await scrape(), [0, 0, 0, 0, 0, 0, 0, 0])
  // A bound is in its bucket, and what is slower than all is in the last one.
  t.strictSame(await scrape(0.1, 0.2, 1, 1500, 2001), [1, 2, 3, 3, 4, 5, 5, 3_502_300])
  t.strictSame(await scrape(0.2), [1, 3, 4, 4, 5, 6, 6, 3_502_500], 'it goes on')
})

void test('without per-service series there are the sums, however many Services there are', async t => {
  const services = Array.from({ length: 50 }, (_, index) =>
    servicePort({ name: `s${index}`, setAside: ['10.1.0.1:80'] }, { total: 2, failures: { refused: 1 } }),
  )
  const metrics = metricsOf(t, { perService: false, status: async () => statusDocument({ services }) })
  const samples = await samplesOf(metrics)
  t.equal(samples.get('kube_relay_connections_total{protocol="TCP"}'), 100)
  t.equal(samples.get('kube_relay_connection_failures_total{protocol="TCP",reason="refused"}'), 50)
  t.equal(samples.get('kube_relay_endpoints_set_aside'), 50)
  t.strictSame(
    [...samples.keys()].filter(key => key.includes('namespace=')),
    [],
  )
})

void test('a status that cannot be had costs the series that come from it, and nothing else', async t => {
  let fails = true
  const metrics = metricsOf(t, {
    status: async () => {
      if (fails) throw new Error('the worker is gone')
      return statusDocument()
    },
  })
  const samples = await samplesOf(metrics)
  t.equal(samples.get('kube_relay_scrape_status_failures_total'), 1)
  t.equal(samples.get('kube_relay_table_generation'), undefined)
  t.ok(samples.has('kubeproxy_sync_proxy_rules_service_changes_total'))
  fails = false
  t.equal((await samplesOf(metrics)).get('kube_relay_table_generation'), 7)
})

void test('labels are escaped, and several workers have a series each', async t => {
  const services = [servicePort({ namespace: 'a"b\\c\nd' }, connections({ total: 1 }))]
  const workers = [worker(), worker({ index: 1, pid: 2, udpFlows: 5, generation: 6 })]
  const samples = await samplesOf(metricsOf(t, { status: async () => statusDocument({ services, workers }) }))
  const label = String.raw`namespace="a\"b\\c\nd"`
  t.ok([...samples.keys()].some(key => key.includes(label)))
  t.equal(samples.get('kube_relay_worker_generation{worker="1"}'), 6)
  t.equal(samples.get('kube_relay_udp_flows'), 7)
})

void test('workers that drain are counted, without series that are another one by now', async t => {
  const workers = [
    worker({ responding: false }),
    worker({ pid: 2, generation: 3, draining: true, activeConnections: 4 }),
    worker({ pid: 3, index: 1, generation: 3, draining: true, activeConnections: 5 }),
  ]
  const workerRestarts = { crashed: 2, hung: 1, stopped: 0, lastGapMs: 300 }
  const status = async () => statusDocument({ workers, workerRestarts })
  const samples = await samplesOf(metricsOf(t, { status }))
  t.equal(samples.get('kube_relay_worker_generation{worker="0"}'), 7)
  t.equal(samples.get('kube_relay_worker_responding{worker="0"}'), 0)
  t.equal(samples.get('kube_relay_worker_generation{worker="1"}'), undefined)
  t.equal(samples.get('kube_relay_workers{state="serving"}'), 1)
  t.equal(samples.get('kube_relay_workers{state="draining"}'), 2)
  t.equal(samples.get('kube_relay_draining_connections_active'), 9)
  t.equal(samples.get('kube_relay_worker_restarts_total{reason="crashed"}'), 2)
  t.equal(samples.get('kube_relay_worker_restarts_total{reason="stopped"}'), 0)
})

void test('a table of before the start has its age, as long as it is served', async t => {
  const asOf = new Date(1_700_000_000_500 - 90_000).toISOString()
  const seeded = async () => statusDocument({ source: 'snapshot', asOf })
  const samples = await samplesOf(metricsOf(t, { status: seeded }))
  t.equal(samples.get('kube_relay_serving_snapshot'), 1)
  t.equal(samples.get('kube_relay_snapshot_age_seconds'), 90)
  t.equal(samples.get('kube_relay_table_source{source="snapshot"}'), 1)
  const listed = await samplesOf(metricsOf(t))
  t.equal(listed.get('kube_relay_serving_snapshot'), 0)
  t.equal(listed.get('kube_relay_snapshot_age_seconds'), undefined)
})

void test('saves of the table are counted where there are any', async t => {
  const metrics = metricsOf(t)
  const key = 'kube_relay_snapshot_saves_total{result="failed"}'
  t.equal((await samplesOf(metrics)).get(key), undefined)
  metrics.agent.setTableSaves({ saved: 3, failed: 2 })
  t.equal((await samplesOf(metrics)).get(key), 2)
})

void test('events are counted by what became of them', async t => {
  const metrics = metricsOf(t)
  metrics.agent.setEvents({ created: 3, skipped: 2, dropped: 1, failed: 0 })
  const samples = await samplesOf(metrics)
  t.equal(samples.get('kube_relay_events_total{result="created"}'), 3)
  t.equal(samples.get('kube_relay_events_total{result="dropped"}'), 1)
})

/** kube-proxy's or prom-client's names, which tools and dashboards know; ours have no exceptions. */
const lintExceptions = ['kubeproxy_sync_proxy_rules_no_local_endpoints_total', 'nodejs_active_']

void test("Prometheus' conventions", async t => {
  const page = await wholePage(t)
  for (const [name, { type, help, samples }] of readPage(page)) {
    if (lintExceptions.some(exception => name.startsWith(exception))) continue
    t.ok(help !== '', `${name} has a help text`)
    t.equal(name.endsWith('_total'), type === 'counter', `${name}: counters and only they end in _total`)
    t.notMatch(name, /_(ms|milliseconds|microseconds|kb|kilobytes|percent)(_|$)/, `${name}: base units`)
    t.notMatch(name, /[A-Z]|_(gauge|counter|histogram|summary)$/, `${name}: lower case, without its type`)
    if (name.startsWith('kube')) {
      for (const value of samples.values()) t.notOk(Number.isNaN(value), `${name} has values`)
    }
  }
})

void test('promtool, where it is installed', async t => {
  const promtool = process.env['PROMTOOL'] ?? 'promtool'
  const { error, status, stdout, stderr } = spawnSync(promtool, ['check', 'metrics'], {
    input: await wholePage(t),
    encoding: 'utf8',
  })
  if (error !== undefined) return t.comment('there is no promtool')
  t.ok(status === 0 || status === 3, 'the page can be parsed')
  const complaints = `${stdout}${stderr}`
    .split('\n')
    .filter(line => line !== '' && !lintExceptions.some(exception => line.startsWith(exception)))
  t.strictSame(complaints, [])
})

void test('docs/METRICS.md has every name, and no other', async t => {
  const text = readFileSync(path.join(import.meta.dirname, '../../docs/METRICS.md'), 'utf8')
  const documented = [...text.matchAll(/^\| `((?:kubeproxy|kube_relay)_\w+)`/gm)].map(([, name]) => name)
  const names = [...readPage(await wholePage(t)).keys()].filter(name => name.startsWith('kube'))
  t.equal(new Set(documented).size, documented.length, 'each once')
  t.strictSame(new Set(documented), new Set(names))
})
