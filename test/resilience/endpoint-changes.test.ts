// 10,000 endpoint changes a minute on 1,000 Services under load: nothing fails, no new connection reaches an endpoint
// whose removal all workers have acknowledged, and no process's memory grows.

import { setTimeout as delay } from 'node:timers/promises'
import type { StatusDocument } from '../../lib/ops/status.ts'
import type { AgentProcess } from './agent-process.ts'
import { serviceObject, sliceObject, type ApiServer } from './api.ts'
import { endpointAddress } from './endpoints.ts'
import { workerPids } from './faults.ts'
import { requestPort } from './frames.ts'
import type { Load } from './load.ts'
import { watchMemory } from './memory.ts'
import { now } from './monotonic.ts'
import type { Answer } from './outcomes.ts'
import { resilienceTest } from './resilience-test.ts'
import { harm, startTraffic } from './traffic.ts'

const serviceCount = 1000
const endpointsEach = 4
const changesPerMinute = 10_000
/** KUBE_RELAY_CHURN=60 makes it a minute. */
const churnMs = Number(process.env['KUBE_RELAY_CHURN'] ?? 20) * 1000
/** What a heap may move by without growing. */
const slackMiB = 40

interface Removal {
  readonly service: string
  readonly endpoint: string
  /** When all workers had it, and when it was taken back; on the shared clock. */
  acknowledgedAt: number
  revokedAt: number
}

resilienceTest('10,000 endpoint changes a minute on 1,000 Services', async (t, { startAgent, api }) => {
  const services = Array.from({ length: serviceCount }, (_, n) => churnedService(n))
  for (const service of services) api.apply(serviceObject(service), sliceOf(service, service.endpoints))
  const agent = await startAgent()
  await agent.until(
    'all Services served',
    status => listening(status) >= serviceCount && isAcknowledged(status),
  )

  const load: Load = {
    kind: 'connections',
    name: 'churned Services',
    to: services.map(frontendOf),
    clients: 200,
    perSecond: 250,
    journal: true,
  }
  const traffic = await startTraffic(t, [load])
  await traffic.answered(500)
  const memory = watchMemory([agent.pid, ...workerPids(await agent.status())])
  const removals = await churn(agent, api, services)
  const trends = memory.stop()
  await traffic.answered(100)
  const verdict = await traffic.stop()

  t.same(harm(verdict), [])
  const acknowledged = removals.filter(({ acknowledgedAt }) => acknowledgedAt < Infinity)
  const journal = verdict['churned Services']?.journal ?? []
  t.ok(acknowledged.length > removals.length / 4, `${acknowledged.length} of ${removals.length} acknowledged`)
  t.same(strays(journal, acknowledged), [], 'no request reached an endpoint that was gone')
  t.ok(strays(journal, hypothetical(removals, journal)).length > 0, 'one would have been found')
  for (const [pid, { beforeMiB, afterMiB }] of trends) {
    t.comment(`process ${pid}: ${beforeMiB.toFixed(0)} MiB, then ${afterMiB.toFixed(0)} MiB`)
    t.ok(afterMiB < beforeMiB + slackMiB, 'memory is flat')
  }
})

interface ChurnedService {
  readonly name: string
  readonly clusterIP: string
  readonly port: number
  readonly endpoints: readonly string[]
}

function churnedService(n: number): ChurnedService {
  return {
    name: `churned-${n}`,
    clusterIP: `10.96.${10 + Math.floor(n / 250)}.${(n % 250) + 1}`,
    port: 80,
    endpoints: Array.from({ length: endpointsEach }, (_, each) =>
      endpointAddress(1000 + n * endpointsEach + each),
    ),
  }
}

function sliceOf({ name }: ChurnedService, endpoints: readonly string[]): object {
  return sliceObject(name, endpoints, requestPort)
}

function frontendOf({ clusterIP, port }: ChurnedService): string {
  return `${clusterIP}:${port}`
}

/** Takes endpoints out and puts them back, in no order, at a steady rate; asks all the while what is acknowledged. */
async function churn(
  agent: AgentProcess,
  api: ApiServer,
  services: readonly ChurnedService[],
): Promise<readonly Removal[]> {
  const removals: Removal[] = []
  const current = new Map<string, Removal>()
  const end = performance.now() + churnMs
  const everyMs = 60_000 / changesPerMinute
  const change = (n: number): void => {
    // 7 and 1000 have no common divisor: every Service gets its turn.
    const service = services[(n * 7) % serviceCount] as ChurnedService
    const removal = current.get(service.name)
    if (removal !== undefined) {
      removal.revokedAt = now()
      current.delete(service.name)
      api.apply(sliceOf(service, service.endpoints))
      return
    }
    const endpoint = service.endpoints[n % endpointsEach] as string
    api.apply(
      sliceOf(
        service,
        service.endpoints.filter(each => each !== endpoint),
      ),
    )
    const one = { service: frontendOf(service), endpoint, acknowledgedAt: Infinity, revokedAt: Infinity }
    current.set(service.name, one)
    removals.push(one)
  }
  let changes = 0
  const begun = performance.now()
  const timer = setInterval(() => {
    const due = (performance.now() - begun) / everyMs
    while (changes < due) change(changes++)
  }, 10)
  while (performance.now() < end) {
    await delay(300)
    const status = await agent.status()
    if (!isAcknowledged(status)) continue
    const at = now()
    const served = new Map(
      status.services.map(({ name, endpoints }) => [name, new Set(endpoints.cluster ?? [])] as const),
    )
    for (const [name, removal] of current) {
      const isGone = served.get(name)?.has(`${removal.endpoint}:${requestPort}`) === false
      if (isGone && removal.acknowledgedAt === Infinity) removal.acknowledgedAt = at
    }
  }
  clearInterval(timer)
  return removals
}

/** Every worker has applied the table that the document shows. */
function isAcknowledged({ generation, workers }: StatusDocument): boolean {
  return workers.every(worker => worker.responding && worker.generation >= generation)
}

function listening({ services }: StatusDocument): number {
  return services.filter(({ frontends }) => frontends.every(({ state }) => state === 'listening')).length
}

/** The answers to connections that were begun while the endpoint that gave them was gone for everybody. */
function strays(journal: readonly Answer[], removals: readonly Removal[]): readonly Answer[] {
  const byEndpoint = Map.groupBy(removals, ({ service, endpoint }) => `${service} ${endpoint}`)
  return journal.filter(({ to, endpoint, startedAt }) =>
    byEndpoint
      .get(`${to} ${endpoint}`)
      ?.some(({ acknowledgedAt, revokedAt }) => startedAt > acknowledgedAt && startedAt < revokedAt),
  )
}

/** Removals as if they had been acknowledged from the beginning: for showing that the search finds something. */
function hypothetical(removals: readonly Removal[], journal: readonly Answer[]): readonly Removal[] {
  const begun = journal[0]?.startedAt ?? 0
  return removals.map(each => ({ ...each, acknowledgedAt: begun - 1, revokedAt: Infinity }))
}
