// What is told of frontends that can't be bound: once for as long as it lasts, and again when it comes back.

import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { test, type Test } from 'tap'
import { AgentTelemetry } from '../lib/agent-telemetry.ts'
import type { DataPlaneStatus, FrontendStatus } from '../lib/dataplane/data-plane.ts'
import { anonymousAccess } from '../lib/kube/cluster-access.ts'
import { KubeClient } from '../lib/kube/client.ts'
import { noRestarts } from '../lib/ops/status.ts'
import { captureLog } from './control/captured-log.ts'
import { tcpService } from './dataplane/table.ts'
import { until } from './dataplane/until.ts'
import { ManualClock } from './manual-clock.ts'
import { worker } from './ops/statuses.ts'

const web = tcpService('10.96.0.10:80', ['10.1.0.1:8080'])
const lookEveryMs = 10_000

interface Told {
  readonly reason: string
  readonly note: string
  readonly regarding: { readonly name: string }
}

/** An API server that takes events, and nothing else. */
async function startEventServer(t: Test): Promise<{ readonly url: string; readonly events: Told[] }> {
  const events: Told[] = []
  const server = http.createServer((request, response) => {
    let text = ''
    request.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
    request.on('end', () => {
      events.push(JSON.parse(text) as Told)
      response.writeHead(201, { 'content-type': 'application/json' }).end('{}')
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, events }
}

void test('a frontend that cannot be bound is an event, once, until it is bound', async t => {
  const { url, events } = await startEventServer(t)
  const clock = new ManualClock()
  const log = captureLog()
  const client = new KubeClient(anonymousAccess(new URL(url), 'a test'), { version: 'test' })
  let frontend: FrontendStatus = { address: '10.96.0.10:80', state: 'listening' }
  let looks = 0
  const status = async (): Promise<DataPlaneStatus> => {
    looks++
    const connections = {} as DataPlaneStatus['servicePorts'][number]['connections']
    const servicePorts = [{ key: web.key, frontends: [frontend], setAside: [], connections }]
    return { ...worker(), servicePorts, workers: [worker()], workerRestarts: noRestarts }
  }
  const unused = () => {
    throw new Error('not to be asked')
  }
  const telemetry = new AgentTelemetry({
    nodeName: 'node-1',
    client,
    log,
    clock,
    status: unused,
    dataPlane: { status },
    desired: { servicePort: key => (key === web.key ? web : undefined) },
    readiness: () => ({ ready: true }),
    inspection: { inspect: unused, explain: unused } as never,
    nodePortIps: [],
    configz: {},
    metricsBindAddress: null,
    healthzBindAddress: null,
  })
  t.teardown(async () => {
    await telemetry.close()
    await client.close()
  })
  /** One look at the data plane, and what is told because of it. */
  const look = async (now: Pick<FrontendStatus, 'state' | 'reason'>): Promise<void> => {
    frontend = { address: '10.96.0.10:80', ...now }
    const before = looks
    clock.advance(lookEveryMs)
    await until(() => looks > before && clock.delays.includes(lookEveryMs), 'a look')
  }
  const failures = () => events.filter(({ reason }) => reason === 'BindFailed')
  await look({ state: 'listening' })
  await look({ state: 'bind-failed', reason: 'EADDRINUSE' })
  await until(() => failures().length === 1, 'the event')
  t.match(failures(), [
    {
      note: "ClusterIP 10.96.0.10:80 can't be bound on node node-1: EADDRINUSE",
      regarding: { kind: 'Service', namespace: 'default', name: 'web' },
    },
  ])
  await look({ state: 'bind-failed', reason: 'EADDRINUSE' })
  await look({ state: 'listening' })
  t.equal(failures().length, 1, 'it lasted')
  await look({ state: 'bind-failed', reason: 'EADDRINUSE' })
  await until(() => failures().length === 2, 'the second event')
  t.strictSame(log.lines, [])
})
