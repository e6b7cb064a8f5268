import { test } from 'tap'
import { silentLog } from '../../lib/ops/log.ts'
import { startHttpServer } from '../../lib/ops/http-server.ts'
import { observabilityRoutes } from '../../lib/ops/observability-routes.ts'
import { ManualClock } from '../manual-clock.ts'
import { ask } from './http-get.ts'
import { statusDocument } from './statuses.ts'

const text = 'text/plain; charset=utf-8'

const cases: readonly [string, string, string | RegExp][] = [
  ['/healthz', text, 'ok'],
  ['/proxyMode', text, 'userspace'],
  ['/metrics', 'text/plain; version=0.0.4', 'a_metric 1\n'],
  ['/configz', 'application/json', /"kubeproxy\.config\.k8s\.io": \{\s+"clusterCIDR": "10\.0\.0\.0\/8"/],
  ['/status', 'application/json', /"generation": 7/],
]

void test("kube-proxy's paths and our status", async t => {
  const server = startHttpServer(
    { ip: '127.0.0.1', port: 0 },
    observabilityRoutes({
      metrics: async () => ({ status: 200, contentType: 'text/plain; version=0.0.4', body: 'a_metric 1\n' }),
      status: async () => statusDocument(),
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
})
