import { test } from 'tap'
import { RelayError } from '../../lib/model/error.ts'
import { silentLog } from '../../lib/ops/log.ts'
import { startHttpServer } from '../../lib/ops/http-server.ts'
import { observabilityRoutes, type Readiness } from '../../lib/ops/observability-routes.ts'
import { ManualClock } from '../manual-clock.ts'
import { explanation, serviceDetail } from './details.ts'
import { ask } from './http-get.ts'
import { statusDocument } from './statuses.ts'

const text = 'text/plain; charset=utf-8'

const agent = { pid: 7, pidScope: 'here', startedAt: '2026-01-01T00:00:00.000Z' }
let readiness: Readiness = { ready: true, agent }

const cases: readonly [string, string, string | RegExp][] = [
  ['/healthz', text, 'ok'],
  ['/proxyMode', text, 'userspace'],
  ['/readyz', 'application/json', /"ready": true,\s+"agent": \{\s+"pid": 7/],
  ['/metrics', 'text/plain; version=0.0.4', 'a_metric 1\n'],
  ['/configz', 'application/json', /"kubeproxy\.config\.k8s\.io": \{\s+"clusterCIDR": "10\.0\.0\.0\/8"/],
  ['/status', 'application/json', /"generation": 7/],
  ['/status/service?name=default%2Fweb', 'application/json', /"name": "web",[^]*"endpointDetails": \[/],
  ['/explain?address=10.96.0.10:80', 'application/json', /"address": "10\.96\.0\.10:80"[^]*"tcp anyone"/],
  [
    '/explain?address=%5Bfd00::1%5D:80&protocol=udp&client=fd00::2',
    'application/json',
    /"address": "\[fd00::1\]:80"[^]*"udp fd00::2"/,
  ],
]

void test("kube-proxy's paths and our status", async t => {
  const server = startHttpServer(
    { ip: '127.0.0.1', port: 0 },
    observabilityRoutes({
      metrics: async () => ({ status: 200, contentType: 'text/plain; version=0.0.4', body: 'a_metric 1\n' }),
      status: async () => statusDocument(),
      readiness: () => readiness,
      inspection: {
        service: async name => {
          if (name === 'broken') throw new Error('broken')
          if (name !== 'default/web') throw new RelayError('INVALID_CONFIG', `no Service "${name}"`)
          return serviceDetail()
        },
        explain: async ({ address, protocol, client }) =>
          explanation({ address, summary: `${protocol} ${client ?? 'anyone'}` }),
      },
      configuration: () => ({ clusterCIDR: '10.0.0.0/8' }),
    }),
    { purpose: 'metrics server', log: silentLog, clock: new ManualClock() },
  )
  t.teardown(() => server.close())
  await server.started
  for (const [path, contentType, body] of cases) {
    const answer = await ask(server.address, path)
    t.match(
      { status: answer.status, type: answer.headers['content-type'], body: answer.body },
      { status: 200, type: contentType, body },
      path,
    )
  }
  const unknown = await ask(server.address, '/status/service?name=wbe')
  t.equal(unknown.status, 404)
  t.same(JSON.parse(unknown.body), { error: 'no Service "wbe"' })
  t.equal((await ask(server.address, '/status/service?name=broken')).status, 500)
  t.equal((await ask(server.address, '/explain', { method: 'POST' })).status, 405, 'nothing can be changed')
  readiness = { ready: false, agent }
  const answer = await ask(server.address, '/readyz')
  t.equal(answer.status, 503, 'not ready')
  t.same(JSON.parse(answer.body), { ready: false, agent })
})
