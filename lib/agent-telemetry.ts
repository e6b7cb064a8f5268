// What an agent tells about itself, wired: kube-proxy's metrics and ours, health, health check node ports, events. It
// only looks on; nothing that is served depends on it.

import { ChangeLatency, latencySeconds, type PendingChange } from './control/change-latency.ts'
import type { DesiredState } from './control/desired-state.ts'
import { EventRecorder } from './kube/event-recorder.ts'
import type { KubeClient } from './kube/client.ts'
import type { DataPlane, ServicePortStatus } from './dataplane/data-plane.ts'
import { formatAddress, type Address, type IpFamily } from './model/address.ts'
import { lastChangeTriggerTime, serviceNameLabel } from './model/endpoint-slice.ts'
import { asFields, asString } from './model/fields.ts'
import { nameKey, objectKey, objectName, type KubeObject } from './model/objects.ts'
import { nodeReference, serviceReference, type ObjectReference } from './model/object-event.ts'
import type { ServicePort } from './model/proxy-table.ts'
import type { Service } from './model/service.ts'
import type { Clock, Timer } from './ops/clock.ts'
import type { TableSaves, WatchState } from './ops/agent-metrics.ts'
import { dataPathProblem } from './ops/data-path.ts'
import { HealthCheckNodePorts } from './ops/health-check-node-ports.ts'
import { jsonAnswer, startHttpServer, type HttpRoutes, type HttpServer } from './ops/http-server.ts'
import type { Log } from './ops/log.ts'
import { createMetrics } from './ops/metrics.ts'
import { observabilityRoutes, type Inspection, type Readiness } from './ops/observability-routes.ts'
import { ProxierHealth } from './ops/proxier-health.ts'
import type { StatusDocument } from './ops/status.ts'
import { version } from './version.ts'

export interface TelemetryOptions {
  readonly nodeName: string
  readonly client: KubeClient
  readonly log: Log
  readonly clock: Clock
  readonly status: () => Promise<StatusDocument>
  readonly dataPlane: Pick<DataPlane, 'status'>
  readonly desired: Pick<DesiredState, 'servicePort'>
  readonly readiness: () => Readiness
  readonly inspection: Inspection
  /** Where health check node ports listen. */
  readonly nodePortIps: readonly string[]
  readonly configz: Readonly<Record<string, unknown>>
  /** How often the table was kept on disk; absent where it isn't. */
  readonly tableSaves?: () => TableSaves
  readonly metricsPerService?: boolean
  readonly metricsBindAddress: Address | null
  readonly healthzBindAddress: Address | null
}

const families: readonly IpFamily[] = ['IPv4', 'IPv6']

/** How often the data plane is looked at for events and health; metrics and status look when they are asked. */
const lookEveryMs = 10_000

export class AgentTelemetry {
  readonly #options: TelemetryOptions
  readonly #metrics: ReturnType<typeof createMetrics>
  readonly #health: ProxierHealth
  readonly #healthChecks: HealthCheckNodePorts
  readonly #events: EventRecorder
  readonly #latency = new ChangeLatency(Date.now())
  readonly #pending = { service: new Set<string>(), endpoint: new Set<string>() }
  /** Of Services, by "namespace/name": `kubectl describe` finds events by it. */
  readonly #uids = new Map<string, string>()
  readonly #servers: readonly HttpServer[]
  #looker: Timer
  #problem: string | null = null
  /** The frontends that couldn't be bound when that was last looked at, by service port and address. */
  #bindFailed: ReadonlyMap<string, BindFailure> = new Map()
  #closed = false

  constructor(options: TelemetryOptions) {
    const { client, clock, log, nodeName, status } = options
    this.#options = options
    this.#metrics = createMetrics({
      version,
      log,
      wallClock: Date.now,
      status,
      perService: options.metricsPerService ?? true,
      processMetrics: true,
    })
    this.#health = new ProxierHealth({
      families,
      clock,
      wallClock: Date.now,
      answered: (path, code) => this.#metrics.kubeProxy.answered(path, code),
      dataPathProblem: () => this.#problem,
    })
    this.#events = new EventRecorder({
      client,
      reportingInstance: nodeName,
      log,
      clock,
      wallClock: Date.now,
      random: Math.random,
    })
    this.#healthChecks = new HealthCheckNodePorts({
      nodeName,
      bindIps: options.nodePortIps,
      log,
      clock,
      healthy: () => this.#health.healthy,
      report: event => this.#events.record(event),
      resolve: (regarding, reason) => this.#events.resolve(regarding, reason),
    })
    this.#servers = this.#startServers()
    this.#events.record({
      regarding: nodeReference(nodeName),
      type: 'Normal',
      reason: 'Starting',
      action: 'StartKubeProxy',
      note: `kube-relay ${version} starts`,
    })
    this.#looker = clock.after(lookEveryMs, () => void this.#look())
  }

  /** As /livez has it. */
  get keepsUp(): boolean {
    return this.#health.keepsUp
  }

  /** A list-watch has entered a state. */
  watchEntered(resource: string, state: WatchState): void {
    this.#metrics.agent.watchEntered(resource, state)
  }

  serviceChanged(object: KubeObject): void {
    const key = objectKey(object)
    this.#uids.set(key, asString(asFields(object.metadata)['uid']))
    this.#changed('service', key)
  }

  serviceDeleted(key: string): void {
    this.#uids.delete(key)
    this.#changed('service', key)
  }

  sliceChanged(object: KubeObject): void {
    const metadata = asFields(object.metadata)
    const service = serviceOfSlice(object)
    this.#changed('endpoint', service)
    const family = object['addressType']
    const trigger = asFields(metadata['annotations'])[lastChangeTriggerTime]
    if (family === 'IPv4' || family === 'IPv6') {
      this.#latency.sliceChanged(objectKey(object), service, family, trigger)
    }
  }

  sliceDeleted(key: string): void {
    this.#latency.sliceDeleted(key)
    this.#changed('endpoint', key)
  }

  setNodeEligible(eligible: boolean): void {
    this.#health.setNodeEligible(eligible)
  }

  /** A Service isn't served as it is written. */
  serviceProblem(service: Service, problem: string): void {
    this.#events.record({
      regarding: serviceReference(service),
      type: 'Warning',
      reason: 'NotServedAsWritten',
      action: 'Sync',
      note: problem,
    })
  }

  /** A sync is wanted. Only to be called once everything has been listed: before, nothing can be late. */
  queued(): void {
    for (const family of families) {
      this.#health.queued(family)
      this.#metrics.kubeProxy.queued(family)
    }
  }

  /** A table of before the start is served: load balancers get the health that this node had by it. */
  seeded(desired: DesiredState): void {
    this.#syncHealthChecks(desired)
  }

  /** Times one sync: call it when the sync takes up the changes, and what it returns when they are served. */
  syncStarts(): (desired: DesiredState) => void {
    const startedAt = this.#options.clock.now()
    const changes = this.#latency.drain()
    this.#pending.service.clear()
    this.#pending.endpoint.clear()
    this.#metrics.kubeProxy.taken()
    return desired => this.#syncEnded(startedAt, changes, desired)
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#looker.cancel()
    for (const server of this.#servers) server.close()
    this.#healthChecks.close()
    this.#metrics.close()
    await this.#events.close()
  }

  #startServers(): readonly HttpServer[] {
    const { clock, log, metricsBindAddress, healthzBindAddress, configz, status, readiness, inspection } =
      this.#options
    const serve = (purpose: string, at: Address | null, routes: HttpRoutes): readonly HttpServer[] =>
      at === null ? [] : [startHttpServer(at, routes, { purpose, log, clock })]
    const routes = observabilityRoutes({
      metrics: async () => {
        this.#metrics.agent.setEvents(this.#events.counts)
        const saves = this.#options.tableSaves?.()
        if (saves !== undefined) this.#metrics.agent.setTableSaves(saves)
        return await this.#metrics.answer()
      },
      status,
      readiness,
      inspection,
      configuration: () => configz['kubeproxy.config.k8s.io'],
    })
    return [
      ...serve('metrics server (--metrics-bind-address)', metricsBindAddress, {
        ...routes,
        '/configz': async () => jsonAnswer(configz),
      }),
      ...serve('health server (--healthz-bind-address)', healthzBindAddress, this.#health.routes()),
    ]
  }

  #changed(what: 'service' | 'endpoint', service: string): void {
    this.#pending[what].add(service)
    this.#metrics.kubeProxy.changed(what, this.#pending[what].size)
  }

  #syncEnded(startedAt: number, changes: readonly PendingChange[], desired: DesiredState): void {
    const { kubeProxy } = this.#metrics
    const seconds = (this.#options.clock.now() - startedAt) / 1000
    for (const family of families) {
      kubeProxy.synced(family, seconds)
      this.#health.updated(family)
    }
    for (const change of changes) kubeProxy.programmed(change.family, latencySeconds(change, Date.now()))
    this.#syncHealthChecks(desired)
    for (const [key, count] of countWithoutLocalEndpoints(desired.servicePortsWithLocalList)) {
      const [family, policy] = key.split('/') as [IpFamily, 'internal' | 'external']
      kubeProxy.setNoLocalEndpoints(family, policy, count)
    }
  }

  #syncHealthChecks(desired: DesiredState): void {
    const checked = desired.healthChecked()
    // Seldom any: then the table isn't searched.
    this.#healthChecks.sync(checked, checked.length === 0 ? undefined : nodePortsIn(desired.servicePorts))
  }

  /** What shows only over time: frontends that can't be bound, endpoints that are set aside, a data path that fails. */
  async #look(): Promise<void> {
    try {
      // Not the whole status document: with thousands of Services, this would hold up the next change.
      const { servicePorts, workers } = await this.#options.dataPlane.status()
      if (this.#closed) return
      this.#problem = dataPathProblem({ services: servicePorts, workers })
      this.#reportFrontends(servicePorts)
    } catch (error) {
      this.#options.log.error({ err: error }, 'the data plane could not be looked at')
    }
    if (!this.#closed) this.#looker = this.#options.clock.after(lookEveryMs, () => void this.#look())
  }

  #reportFrontends(servicePorts: readonly ServicePortStatus[]): void {
    const failed = new Map<string, BindFailure>()
    for (const { key, frontends } of servicePorts) {
      for (const { address, state, reason = '' } of frontends) {
        const port = state === 'bind-failed' ? this.#options.desired.servicePort(key) : undefined
        if (port !== undefined)
          failed.set(`${key} ${address}`, this.#reportBindFailure(port, address, reason))
      }
    }
    for (const [place, { regarding, address }] of this.#bindFailed) {
      if (!failed.has(place)) this.#events.resolve(regarding, 'BindFailed', address)
    }
    this.#bindFailed = failed
  }

  #reportBindFailure(port: ServicePort, address: string, reason: string): BindFailure {
    const { namespace, name, frontends } = port
    const regarding = serviceReference({ namespace, name, uid: this.#uids.get(nameKey(port)) ?? '' })
    const { kind = 'Frontend' } = frontends.find(each => formatAddress(each.ip, each.port) === address) ?? {}
    this.#events.record({
      regarding,
      type: 'Warning',
      reason: 'BindFailed',
      action: 'Listen',
      note: `${kind} ${address} can't be bound on node ${this.#options.nodeName}: ${reason}`,
      cause: address,
    })
    return { regarding, address }
  }
}

interface BindFailure {
  readonly regarding: ObjectReference
  readonly address: string
}

function serviceOfSlice(object: KubeObject): string {
  const { namespace } = objectName(object)
  const name = asString(asFields(asFields(object.metadata)['labels'])[serviceNameLabel])
  return nameKey({ namespace, name })
}

/** The TCP NodePorts that are served, each with its Service. */
function nodePortsIn(ports: Iterable<ServicePort>): ReadonlyMap<number, string> {
  const found = new Map<number, string>()
  for (const { protocol, frontends, ...service } of ports) {
    if (protocol !== 'TCP') continue
    for (const { kind, port, conflict } of frontends) {
      if (kind === 'NodePort' && conflict === undefined) found.set(port, nameKey(service))
    }
  }
  return found
}

/** Service ports by "family/policy" whose Local policy finds nothing on this node while endpoints exist elsewhere. */
function countWithoutLocalEndpoints(ports: Iterable<ServicePort>): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const family of families)
    for (const policy of ['internal', 'external']) counts.set(`${family}/${policy}`, 0)
  for (const { family, local, serving, frontends } of ports) {
    if (local === null || local.length > 0 || serving.length === 0) continue
    const policies = new Set(
      frontends
        .filter(({ list }) => list === 'local')
        .map(each => (each.shortCircuit ? 'external' : 'internal')),
    )
    for (const policy of policies) {
      const key = `${family}/${policy}`
      counts.set(key, (counts.get(key) ?? 0) + 1)
    }
  }
  return counts
}
