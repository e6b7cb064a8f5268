// An agent that is started while the API server is gone serves the table that an earlier one has left on disk, says so
// wherever it is asked, and goes over to what the API server says when that is back, under the clients' feet.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test, type Test } from 'tap'
import { startAgent, type Agent, type AgentOptions } from '../lib/agent.ts'
import { tableFileName } from '../lib/control/table-file.ts'
import type { Address } from '../lib/model/address.ts'
import type { ControlPlane } from '../lib/standalone/control-plane.ts'
import { agentOptions, echoed, nodeName, serve } from './agents.ts'
import { captureLog } from './control/captured-log.ts'
import { ownIp } from './dataplane/addresses.ts'
import { ask, connectOutcome, open, startNamed, startServer } from './dataplane/tcp.ts'
import { until } from './dataplane/until.ts'
import { ask as get } from './ops/http-get.ts'
import { controlPlaneFor } from './standalone/builders.ts'

/** Of this process's own, as the addresses in it are listened on. */
const vip = (last: number): string => `127.93.${process.pid & 255}.${last}`
const healthCheckNodePort = 32_471

/** Not a fixture of tap's, which is removed before agents are closed: they write until then. */
function stateDirFor(t: Test): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'kube-relay-snapshot-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true, maxRetries: 10 }))
  return directory
}

function serverAt(t: Test, port = 0): Promise<ControlPlane> {
  return controlPlaneFor(t, { serviceCidrs: ['127.93.0.0/16'], nodeName, port })
}

function agentAt(t: Test, url: string, stateDir: string, options: Partial<AgentOptions> = {}): Agent {
  const agent = startAgent(agentOptions(url, { stateDir, ...options }))
  t.teardown(() => agent.close())
  return agent
}

async function metric(at: Address, name: string): Promise<number | undefined> {
  const { body } = await get(at, '/metrics')
  const found = new RegExp(`^kube_relay_${name} (\\S+)$`, 'm').exec(body)?.[1]
  return found === undefined ? undefined : Number(found)
}

void test('a start without API server, and its return', { timeout: 120_000 }, async t => {
  const stateDir = stateDirFor(t)
  const echo = await startServer(t, socket => void socket.pipe(socket), {})
  const [first, second] = [await startNamed(t, 'first'), await startNamed(t, 'second')]
  const controlPlane = await serverAt(t)
  const { url, port } = controlPlane
  serve(controlPlane, 'echo', vip(1), echo)
  serve(controlPlane, 'web', vip(2), first)
  serve(controlPlane, 'gone', vip(3), first, {
    type: 'LoadBalancer',
    externalTrafficPolicy: 'Local',
    healthCheckNodePort,
  })

  const before = agentAt(t, url, stateDir)
  await before.synced
  t.match(await before.status(), { source: 'apiserver', synced: true })
  await before.close()
  await controlPlane.close()

  const metrics = { ip: ownIp(), port: 9249 }
  const healthz = { ip: ownIp(), port: 9256 }
  const agent = agentAt(t, url, stateDir, { metricsBindAddress: metrics, healthzBindAddress: healthz })
  await agent.serving
  t.equal((await ask(t, `${vip(2)}:80`)).text, 'first')
  const client = open(t, `${vip(1)}:80`)
  t.equal(await echoed(client, 'hello'), 'hello')
  const status = await agent.status()
  t.match(status, { source: 'snapshot', synced: false, asOf: /^20\d\d-/ })
  t.match(status.watches['services'], /not connected/)
  t.equal(status.services.length, 3)
  t.equal(await metric(metrics, 'serving_snapshot'), 1)
  t.ok(Number(await metric(metrics, 'snapshot_age_seconds')) >= 0)
  t.match(await get(healthz, '/healthz'), { status: 200 }, 'what it has it serves')
  const checked = { ip: '127.0.0.1', port: healthCheckNodePort }
  await until(async () => (await get(checked, '/').catch(() => null))?.status === 200, 'the health check')

  const back = await serverAt(t, port)
  serve(back, 'echo', vip(1), echo)
  serve(back, 'web', vip(2), second)
  await agent.synced
  await agent.until(({ generation }) => generation > status.generation)
  t.equal((await ask(t, `${vip(2)}:80`)).text, 'second')
  t.equal(await connectOutcome(t, `${vip(3)}:80`), 'ECONNREFUSED', 'a Service that was deleted meanwhile')
  t.equal(await echoed(client, 'still there'), 'still there')
  const after = await agent.status()
  t.match(after, { source: 'apiserver', synced: true })
  t.notOk('asOf' in after)
  t.equal(await metric(metrics, 'serving_snapshot'), 0)
  t.equal(await metric(metrics, 'snapshot_age_seconds'), undefined)
  t.equal(await connectOutcome(t, `127.0.0.1:${healthCheckNodePort}`), 'ECONNREFUSED')
  await until(async () => {
    const { body } = await get(metrics, '/metrics')
    return /^kube_relay_snapshot_saves_total\{result="saved"\} [1-9]/m.test(body)
  }, 'the new table on disk')
  t.equal(client.errored, null)
})

void test('a damaged table is told of, and waits for the API server', { timeout: 120_000 }, async t => {
  const stateDir = stateDirFor(t)
  const file = path.join(stateDir, tableFileName)
  const named = await startNamed(t, 'web')
  const controlPlane = await serverAt(t)
  serve(controlPlane, 'web', vip(4), named)
  const before = agentAt(t, controlPlane.url, stateDir)
  await before.synced
  await before.close()
  const content = readFileSync(file)
  writeFileSync(file, content.subarray(0, content.length - 10))

  const log = captureLog()
  const agent = agentAt(t, controlPlane.url, stateDir, { log })
  await agent.synced
  t.match(await agent.status(), { source: 'apiserver', generation: 1 })
  const told = log.lines.filter(line => line.includes(file))
  t.match(told, [/^warn .*table\.jsonl is ignored: it ends too early$/])
  t.equal((await ask(t, `${vip(4)}:80`)).text, 'web')
  await agent.close()
  t.ok(readFileSync(file).length > content.length - 10, 'a good one is there again')
})

void test('an API server that answers comes before the table on disk', { timeout: 120_000 }, async t => {
  const stateDir = stateDirFor(t)
  const [first, second] = [await startNamed(t, 'first'), await startNamed(t, 'second')]
  const controlPlane = await serverAt(t)
  serve(controlPlane, 'web', vip(5), first)
  const before = agentAt(t, controlPlane.url, stateDir)
  await before.synced
  const { generation } = await before.status()
  await before.close()
  serve(controlPlane, 'web', vip(5), second)
  const agent = agentAt(t, controlPlane.url, stateDir)
  await agent.serving
  t.match(await agent.status(), { source: 'apiserver', synced: true, generation: generation + 1 })
  t.equal((await ask(t, `${vip(5)}:80`)).text, 'second')
})
