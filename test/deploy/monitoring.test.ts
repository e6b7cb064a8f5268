// deploy/monitoring asks only for what an agent serves: a real one is run with traffic, and every metric, label and value
// that an alert or a panel names is looked up in its pages. The alerts fire when they should: promtool plays their tests.
// Each has a runbook.

import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { test, type Test } from 'tap'
import { parse } from 'yaml'
import { temporaryFolder, until } from '../cmd/agent-under-test.ts'
import { start } from '../cmd/program.ts'
import { anchorsOf } from '../docs/markdown.ts'
import { readPage } from '../ops/page.ts'
import { enterOwnNetwork, missingForOwnNetwork } from '../own-network.ts'
import { readQuery } from './promql.ts'

const root = path.join(import.meta.dirname, '../..')
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8')
const monitoring = 'deploy/monitoring'

interface Rule {
  readonly alert: string
  readonly expr: string
  readonly labels: { readonly severity: string }
  readonly annotations: Readonly<Record<'summary' | 'description' | 'runbook', string>>
}

interface RuleFile {
  readonly groups: readonly { readonly name: string; readonly rules: readonly Rule[] }[]
}

interface Panel {
  readonly title: string
  readonly type: string
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[]
}

interface Dashboard {
  readonly panels: readonly Panel[]
  readonly templating: { readonly list: readonly { readonly name: string; readonly definition?: string }[] }
  readonly annotations: { readonly list: readonly { readonly expr: string }[] }
}

const rules = (parse(read(`${monitoring}/alerts.yaml`)) as RuleFile).groups.flatMap(group => group.rules)
const dashboard = JSON.parse(read(`${monitoring}/dashboard.json`)) as Dashboard

interface Named {
  readonly what: string
  readonly expr: string
  /** Labels that a legend shows. */
  readonly shown: readonly string[]
}

const panelQueries: readonly Named[] = dashboard.panels.flatMap(({ title, targets = [] }) =>
  targets.map(({ expr, legendFormat }) => ({
    what: `panel ${title}`,
    expr,
    shown: [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label = '']) => label),
  })),
)
const variableQueries: readonly Named[] = dashboard.templating.list.flatMap(({ name, definition }) => {
  const [, expr, label = ''] = /^label_values\((.*), (\w+)\)$/.exec(definition ?? '') ?? []
  return expr === undefined ? [] : [{ what: `variable ${name}`, expr, shown: [label] }]
})
const queries: readonly Named[] = [
  ...rules.map(({ alert, expr }) => ({ what: alert, expr, shown: [] })),
  ...panelQueries,
  ...variableQueries,
  ...dashboard.annotations.list.map(({ expr }) => ({ what: 'annotation', expr, shown: ['instance'] })),
]

/** Prometheus adds these. */
const ofTheScrape = ['job', 'instance']

const skip = missingForOwnNetwork() ?? false

void test('every metric, label and value that is asked for is served', { skip, timeout: 180_000 }, async t => {
  enterOwnNetwork()
  const pages = await pagesOfRealAgents(t)
  /** Of each metric, its labels with their values. */
  const served = new Map<string, Map<string, Set<string>>>([['up', new Map()]])
  const valuesOf = new Map<string, Set<string>>()
  for (const page of pages) {
    for (const { samples } of readPage(page).values()) {
      for (const key of samples.keys()) {
        const name = key.split('{', 1)[0] ?? ''
        const labels = served.get(name) ?? new Map<string, Set<string>>()
        served.set(name, labels)
        for (const [, label = '', value = ''] of key.matchAll(/(\w+)="([^"]*)"/g)) {
          labels.set(label, (labels.get(label) ?? new Set()).add(value))
          valuesOf.set(label, (valuesOf.get(label) ?? new Set()).add(value))
        }
      }
    }
  }
  t.ok(queries.length > 50, `${queries.length} queries`)
  for (const { what, expr, shown } of queries) {
    const { selectors, labels } = readQuery(expr)
    t.ok(selectors.length > 0, `${what} asks for something`)
    for (const { metric, matchers } of selectors) {
      const known = served.get(metric)
      t.ok(known, `${what}: ${metric} is served`)
      for (const { label, values } of matchers) {
        if (ofTheScrape.includes(label)) continue
        t.ok(known?.has(label), `${what}: ${metric} has the label ${label}`)
        // A reason that a Service hasn't met has no series there, but among the sums.
        for (const value of values) t.ok(valuesOf.get(label)?.has(value), `${what}: ${label}="${value}"`)
      }
    }
    const possible = new Set([
      ...ofTheScrape,
      ...selectors.flatMap(({ metric }) => [...(served.get(metric)?.keys() ?? [])]),
    ])
    for (const label of [...labels, ...shown]) t.ok(possible.has(label), `${what}: there is a label ${label}`)
  }
})

const noPromtool = spawnSync('promtool', ['--version']).error === undefined ? false : 'needs promtool (Prometheus)'

function promtool(...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync('promtool', args, { cwd: root, encoding: 'utf8' })
  return { status, said: `${stdout}${stderr}` }
}

void test("the alerts' own tests, one for each alert", { skip: noPromtool }, async t => {
  const checked = promtool('check', 'rules', `${monitoring}/alerts.yaml`)
  t.equal(checked.status, 0, checked.said)
  const played = promtool('test', 'rules', 'test/deploy/alerts.promtool.yaml')
  t.equal(played.status, 0, played.said)
  const { tests } = parse(read('test/deploy/alerts.promtool.yaml')) as {
    readonly tests: readonly {
      readonly alert_rule_test: readonly { readonly alertname: string; readonly exp_alerts: readonly object[] }[]
    }[]
  }
  const cases = tests.flatMap(each => each.alert_rule_test)
  for (const { alert } of rules) {
    const own = cases.filter(({ alertname }) => alertname === alert)
    t.ok(own.some(({ exp_alerts }) => exp_alerts.length > 0), `${alert} fires in a test`)
    t.ok(own.some(({ exp_alerts }) => exp_alerts.length === 0), `${alert} doesn't in a test`)
  }
})

void test("the dashboard's queries are PromQL", { skip: noPromtool }, async t => {
  const asRules = queries.map(({ expr }, index) => ({
    record: `query_${index}`,
    expr: expr.replaceAll('$__rate_interval', '5m').replaceAll(/"\$\w+"/g, '".*"'),
  }))
  const file = path.join(t.testdir(), 'queries.json')
  writeFileSync(file, JSON.stringify({ groups: [{ name: 'queries', rules: asRules }] }))
  const { status, said } = promtool('check', 'rules', file)
  t.equal(status, 0, said)
})

void test('panels have a title and something to show, and none covers another', async t => {
  const cells = new Set<string>()
  for (const { title, gridPos, type, targets = [] } of dashboard.panels) {
    t.ok(title !== '' && (type === 'row' || targets.length > 0), title)
    const before = cells.size
    for (let x = gridPos.x; x < Math.min(24, gridPos.x + gridPos.w); x++) {
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) cells.add(`${x},${y}`)
    }
    t.equal(cells.size - before, gridPos.w * gridPos.h, `${title} has its place for itself`)
  }
})

void test("the operator's rules are the same as the file's", async t => {
  const wrapped = parse(read(`${monitoring}/prometheus-rule.yaml`)) as { kind: string; spec: RuleFile }
  t.equal(wrapped.kind, 'PrometheusRule')
  t.strictSame(wrapped.spec, parse(read(`${monitoring}/alerts.yaml`)))
})

void test('each alert says what it is about, how bad it is, and where its runbook is', async t => {
  const runbooks = anchorsOf(read('docs/OPERATIONS.md'))
  t.equal(new Set(rules.map(({ alert }) => alert)).size, rules.length)
  for (const { alert, labels, annotations } of rules) {
    t.ok(['critical', 'warning', 'info'].includes(labels.severity), `${alert}: severity`)
    t.ok(annotations.summary && annotations.description, `${alert}: summary and description`)
    t.equal(annotations.runbook, `docs/OPERATIONS.md#${alert.toLowerCase()}`)
    t.ok(runbooks.has(alert.toLowerCase()), `${alert} has a runbook`)
  }
  const headings = [...runbooks].filter(anchor => anchor.startsWith('kuberelay'))
  t.equal(headings.length, rules.length, 'and there is no runbook for what is no alert')
})

interface PodMonitor {
  readonly spec: {
    readonly jobLabel: string
    readonly selector: { readonly matchLabels: Readonly<Record<string, string>> }
    readonly podMetricsEndpoints: readonly {
      readonly honorLabels: boolean
      readonly relabelings: readonly {
        readonly action?: string
        readonly sourceLabels: readonly string[]
        readonly regex?: string
        readonly targetLabel?: string
        readonly replacement?: string
      }[]
    }[]
  }
}

void test('the PodMonitor: the job that the alerts expect, the labels of Services, the address', async t => {
  const { spec } = parse(read(`${monitoring}/pod-monitor.yaml`)) as PodMonitor
  t.equal(spec.selector.matchLabels[spec.jobLabel], 'kube-relay')
  const jobs = rules.flatMap(({ expr }) => [...expr.matchAll(/job="([^"]+)"/g)].map(([, job]) => job))
  t.strictSame(new Set(jobs), new Set(['kube-relay']))
  const [endpoint] = spec.podMetricsEndpoints
  t.equal(endpoint?.honorLabels, true, 'or a series would have the namespace of its pod')
  const addressOf = (ip: string): readonly string[] =>
    (endpoint?.relabelings ?? [])
      .filter(({ targetLabel, regex = '' }) => targetLabel === '__address__' && new RegExp(`^(?:${regex})$`).test(ip))
      .map(({ regex = '', replacement = '' }) => ip.replace(new RegExp(`^(?:${regex})$`), replacement))
  t.strictSame(addressOf('10.0.0.7'), ['10.0.0.7:10249'])
  t.strictSame(addressOf('fd00::7'), ['[fd00::7]:10249'])
})

void test('queries are read as they are meant', async t => {
  const query =
    'sum by (a, b) (rate(x_total{reason=~"p|q", n="$n"}[5m])) / on (job) group_left () y offset 2m > 1.5e9 and z == 0'
  t.strictSame(readQuery(query), {
    selectors: [
      {
        metric: 'x_total',
        matchers: [
          { label: 'reason', values: ['p', 'q'] },
          { label: 'n', values: [] },
        ],
      },
      { metric: 'y', matchers: [] },
      { metric: 'z', matchers: [] },
    ],
    labels: ['a', 'b', 'job'],
  })
})

/** Pages of an agent that has had most of what can happen to one, and of its successor without an API server. */
async function pagesOfRealAgents(t: Test): Promise<readonly string[]> {
  const folder = temporaryFolder(t)
  mkdirSync(`${folder}/manifests`)
  const echo = net.createServer(socket => socket.on('error', () => {}).pipe(socket))
  echo.listen(9000, '127.0.0.2')
  await once(echo, 'listening')
  t.teardown(() => echo.close())
  const write = (slices: readonly object[]): void => {
    const documents = [...services, ...slices].map(each => JSON.stringify(each))
    writeFileSync(`${folder}/manifests/all.yaml`, documents.join('\n---\n'))
  }
  write([slice('web', ['127.0.0.2']), slice('gone', ['127.0.0.4'])])
  const flags = [
    'run',
    '--hostname-override=node-1',
    '--allow-loopback-endpoints',
    '--healthz-bind-address=off',
    '--metrics-bind-address=127.0.0.1:20249',
    `--state-dir=${folder}/state`,
    `--access-log=${folder}/access.log`,
    '--shutdown-timeout=0',
    '--log-format=text',
  ]
  const agent = start(t, [...flags, `--manifests=${folder}/manifests`, '--service-cluster-ip-range=10.96.0.0/16', '--vip-mode=local', '--workers=2'])
  await agent.prints(/synced/)
  // A change whose age is known, and a second endpoint that refuses: it is set aside after some dials.
  write([slice('web', ['127.0.0.2', '127.0.0.3'], new Date().toISOString()), slice('gone', ['127.0.0.4'])])
  const page = await until('an endpoint is set aside, and the age of a change is known', async () => {
    await Promise.all([connectOnce('10.96.0.10'), connectOnce('10.96.0.11')])
    const text = await scrape()
    const whole =
      text.includes('kube_relay_service_endpoints_set_aside{') &&
      text.includes('kubeproxy_network_programming_duration_seconds_count{') &&
      text.includes('kube_relay_service_connection_failures_total{')
    return whole ? text : null
  })
  agent.child.kill('SIGTERM')
  await agent.exited
  const next = start(t, [...flags, '--master=http://127.0.0.1:1', '--vip-mode=none', '--workers=0'])
  const seeded = await until('the table of before is served', async () => {
    const text = await scrape().catch(() => '')
    return text.includes('\nkube_relay_snapshot_age_seconds ') ? text : null
  })
  next.child.kill('SIGTERM')
  await next.exited
  return [page, seeded]
}

const services = ['web', 'gone'].map((name, index) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'default' },
  spec: { clusterIP: `10.96.0.${10 + index}`, ports: [{ port: 80 }] },
}))

function slice(service: string, addresses: readonly string[], changed?: string): object {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `${service}-1`,
      namespace: 'default',
      labels: { 'kubernetes.io/service-name': service },
      ...(changed !== undefined && {
        annotations: { 'endpoints.kubernetes.io/last-change-trigger-time': changed },
      }),
    },
    addressType: 'IPv4',
    ports: [{ name: '', port: 9000, protocol: 'TCP' }],
    endpoints: addresses.map(address => ({ addresses: [address], conditions: { ready: true } })),
  }
}

async function scrape(): Promise<string> {
  const response = await fetch('http://127.0.0.1:20249/metrics', { headers: { connection: 'close' } })
  return await response.text()
}

/** A connection that may fail; done when it is over. */
async function connectOnce(host: string): Promise<void> {
  const socket = net.connect({ host, port: 80, timeout: 5000 })
  const closed = new Promise(resolve => socket.on('close', resolve))
  socket.on('error', () => {}).on('timeout', () => socket.destroy())
  socket.on('connect', () => socket.end('hello'))
  socket.resume()
  await closed
}
