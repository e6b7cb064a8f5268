// What every resilience test begins with: a network of its own, an API server with the Services that get the steady
// load, endpoints for them, and agents in front.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { StatusDocument } from '../../lib/ops/status.ts'
import { until } from '../e2e/until.ts'
import { startAgent, type AgentProcess } from './agent-process.ts'
import { serviceObject, sliceObject, startApi, type ApiServer } from './api.ts'
import { endpointAddress, startEndpoints, type Endpoints } from './endpoints.ts'
import { datagramPort, echoPort, requestPort } from './frames.ts'
import type { Load } from './load.ts'
import type { Owner } from './owner.ts'
import { enterClusterNetwork, nodeIp, processesHere } from './network.ts'

export interface Scenario {
  readonly api: ApiServer
  readonly endpoints: Endpoints
  /** Of every agent and worker that is alive. */
  agentProcesses(): readonly number[]
  /** Starts an agent with two workers and resolves once it serves the steady Services. */
  readonly startAgent: (options?: AgentSettings) => Promise<AgentProcess>
}

export interface AgentSettings {
  readonly workers?: number
  readonly args?: readonly string[]
  readonly metricsPort?: number
  readonly descriptorLimit?: number
  /** false: don't wait until it serves. */
  readonly wait?: boolean
  /** false: it remembers nothing. */
  readonly remembers?: boolean
}

/** A process that drains waits for its UDP flows to be idle; workers that a failed test has left wait for an agent. */
const impatient = ['--udp-idle-timeout=3s', '--udp-stream-timeout=3s', '--orphan-grace=1m']

const endpoints = [0, 1, 2, 3].map(endpointAddress)

const services = [
  { name: 'web', clusterIP: '10.96.1.1', port: 80, nodePort: 30080, to: requestPort },
  { name: 'sticky', clusterIP: '10.96.1.2', port: 80, sessionAffinity: 'ClientIP', to: requestPort },
  { name: 'bulk', clusterIP: '10.96.1.3', port: 80, to: echoPort },
  { name: 'udp', clusterIP: '10.96.1.4', port: 53, protocol: 'UDP', nodePort: 30053, to: datagramPort },
] as const

const web = ['10.96.1.1:80', `${nodeIp}:30080`]

/**
 * All kinds of traffic at once, at a rate that leaves a machine of two cores time for faults: some 400 requests and 4 MB
 * a second.
 */
export const steadyLoads: readonly Load[] = [
  { kind: 'connections', name: 'new connections', to: web, clients: 200, perSecond: 100 },
  {
    kind: 'connections',
    name: 'clients with affinity',
    to: ['10.96.1.2:80'],
    clients: 25,
    perSecond: 50,
    sticky: true,
  },
  { kind: 'requests', name: 'open connections', to: web, clients: 40, connections: 40, everyMs: 250 },
  {
    kind: 'bulk',
    name: 'a transfer throughout',
    to: ['10.96.1.3:80'],
    clients: 2,
    streams: 2,
    bytesPerSecond: 1e6,
    bytesPerTransfer: null,
  },
  {
    kind: 'bulk',
    name: 'short transfers',
    to: ['10.96.1.3:80'],
    clients: 10,
    streams: 2,
    bytesPerSecond: 1e6,
    bytesPerTransfer: 7e5,
  },
  {
    kind: 'datagrams',
    name: 'datagrams',
    to: ['10.96.1.4:53', `${nodeIp}:30053`],
    clients: 30,
    flows: 30,
    everyMs: 250,
  },
]

/** Enters a network of its own, with API server, Services and endpoints in it; all of it ends with its owner. */
export async function openScenario(owner: Owner): Promise<Scenario> {
  enterClusterNetwork()
  const stateDir = mkdtempSync(join(tmpdir(), 'kube-relay-state.'))
  // Registered first, so run last: whatever way it ends, nothing of it stays, and nobody writes there any more.
  owner.teardown(() => rmSync(stateDir, { recursive: true, force: true, maxRetries: 10 }))
  owner.teardown(() => endAll())
  const api = await startApi(owner)
  api.apply(...steadyObjects())
  return {
    api,
    endpoints: await startSteadyEndpoints(owner),
    agentProcesses: () =>
      processesHere()
        .filter(({ command }) => command.includes('kube-relay.ts'))
        .map(({ pid }) => pid),
    startAgent: async ({ workers = 2, args = [], wait = true, remembers = true, ...rest } = {}) => {
      const own = [`--workers=${workers}`, ...impatient, ...(remembers ? [`--state-dir=${stateDir}`] : [])]
      const agent = startAgent(owner, { ...rest, master: api.url, args: [...own, ...args] })
      if (wait) await agent.until('all steady Services served', servesSteady)
      return agent
    },
  }
}

/** The steady Services and their EndpointSlices. */
export function steadyObjects(): readonly object[] {
  return services.flatMap(({ to, ...service }) => [
    serviceObject(service),
    sliceObject(service.name, endpoints, to, 'protocol' in service ? service.protocol : 'TCP'),
  ])
}

export function startSteadyEndpoints(owner: Owner): Promise<Endpoints> {
  return startEndpoints(owner, endpoints)
}

/** Every frontend of the steady Services listens. */
export function servesSteady(status: StatusDocument): boolean {
  return services.every(({ name }) => {
    const frontends = status.services.find(each => each.name === name)?.frontends ?? []
    return frontends.length > 0 && frontends.every(({ state }) => state === 'listening')
  })
}

/** Resolves once no process but this one and its helpers is left; rejects, naming those that stay. */
export async function untilOnly(expected: number): Promise<void> {
  await until('the last process ends', () => (processesHere().length <= expected ? true : undefined), {
    detail: () =>
      processesHere()
        .map(({ pid, command }) => `${pid} ${command}`)
        .join('\n'),
  })
}

async function endAll(): Promise<void> {
  for (const { pid } of processesHere()) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // gone by itself
    }
  }
  await untilOnly(0)
}
