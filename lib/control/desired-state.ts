// What the data plane should do, from what the API server says. Changes come in one object at a time and mark the
// Services they touch; `sync` rebuilds only those, so that the cost of a change follows its size. Nothing goes out
// before Services and EndpointSlices have both been listed once: half a table would refuse what should be served.

import { isDeepStrictEqual } from 'node:util'
import type { Protocol } from '../model/address.ts'
import { describe, type Fields } from '../model/fields.ts'
import { applyDiff, diffServicePorts, type TableDiff } from '../model/table-diff.ts'
import { isNamespacedName, nameKey, objectName, type KubeObject, type ObjectName } from '../model/objects.ts'
import type { NodeInfo } from '../model/node.ts'
import type { ProxySettings } from '../model/proxy-settings.ts'
import type {
  HealthCheckedService,
  ServicePort,
  ServicePortKey,
  TableSnapshot,
  TableUpdate,
} from '../model/proxy-table.ts'
import { readService, type Service } from '../model/service.ts'
import type { EndpointFacts } from '../ops/endpoint-detail.ts'
import type { Log } from '../ops/log.ts'
import { unsafeEndpoint } from '../policy/endpoint-safety.ts'
import type { Endpoint } from '../policy/eligible-endpoints.ts'
import { assessEndpoints, assessSavedEndpoints } from './endpoint-assessment.ts'
import { EndpointSlices } from './endpoint-slices.ts'
import { FrontendClaims } from './frontend-claims.ts'
import type { NodePortAddresses } from './node-port-addresses.ts'
import { ProblemLog } from './problem-log.ts'
import { safeServicePort } from './safe-service-port.ts'
import { buildServicePorts, claimedFrontends, singleAddress, type BuildContext } from './service-ports.ts'
import { podRanges, VipMarks, type VipMarksOptions } from './vip-marks.ts'

export interface DesiredStateOptions extends VipMarksOptions {
  readonly nodeName: string
  readonly nodePortAddresses: NodePortAddresses
  readonly allowLoopbackEndpoints: boolean
  readonly localIps: readonly string[]
  /** How Services are proxied that have no annotations of ours. */
  readonly defaults: ProxySettings
  /** Where this cluster's pods are, if that is configured; else this node's pod CIDRs tell. */
  readonly clusterCidrs: readonly string[]
  /**
   * What is served already: the table of an earlier run or of a predecessor. It stays until both lists are complete;
   * what differs then goes out as a delta. Absent or null: the first update is a snapshot.
   */
  readonly seed?: TableSnapshot | null
  /** Milliseconds since 1970, as Date.now; only told. */
  readonly wallClock: () => number
  readonly log: Log
  /** A Service isn't served as it is written; told once for as long as it stays so. */
  readonly onProblem?: (service: Service, problem: string) => void
  /** Called whenever `sync` may have something to do. */
  readonly onChange: () => void
}

export interface WrittenService {
  readonly annotations: Fields
  /** What can't be served as it is written, a sentence each. */
  readonly problems: readonly string[]
}

const serviceSubject = 'Service '

export class DesiredState {
  readonly #options: DesiredStateOptions
  readonly #services = new Map<string, Service>()
  /** Those with a health check node port: few, and asked for at each sync. */
  readonly #healthChecked = new Set<string>()
  readonly #slices = new EndpointSlices()
  readonly #claims = new FrontendClaims()
  readonly #table = new Map<ServicePortKey, ServicePort>()
  /** What of it has a list of local endpoints. */
  readonly #withLocalList = new Map<ServicePortKey, ServicePort>()
  /** What each Service has in the table. */
  readonly #built = new Map<string, readonly ServicePort[]>()
  readonly #problems: ProblemLog
  readonly #dirty = new Set<string>()
  readonly #listed = { services: false, endpointSlices: false }
  #localIps: ReadonlySet<string> = new Set()
  #node: NodeInfo | null = null
  readonly #vipMarks: VipMarks
  #localSources: readonly string[] = []
  #generation = 0
  #asOf = 0
  /** Before the first sync: what health check node ports answer by the seed. */
  #seeded: readonly HealthCheckedService[] = []
  #firstSynced = false

  constructor(options: DesiredStateOptions) {
    this.#options = options
    this.#problems = new ProblemLog(options.log, (subject, problem) => {
      const service = subject.startsWith(serviceSubject)
        ? this.#services.get(subject.slice(serviceSubject.length))
        : undefined
      if (service !== undefined) options.onProblem?.(service, problem)
    })
    this.#localIps = new Set(options.localIps.toSorted())
    this.#vipMarks = new VipMarks(options)
    this.#vipMarks.setLocalIps(this.#localIps)
    if (options.seed) this.#plant(options.seed)
  }

  /** Both resources have been listed: the table is whole. */
  get synced(): boolean {
    return this.#listed.services && this.#listed.endpointSlices
  }

  get generation(): number {
    return this.#generation
  }

  /** While the seed is served: milliseconds since 1970 at which it was what the API server said. Else null. */
  get asOf(): number | null {
    return this.#firstSynced || this.#generation === 0 ? null : this.#asOf
  }

  /** The table as of the last sync; before the first one, the seed's. */
  get servicePorts(): Iterable<ServicePort> {
    return this.#table.values()
  }

  servicePort(key: ServicePortKey): ServicePort | undefined {
    return this.#table.get(key)
  }

  /** Those of the table that a Local traffic policy holds for: seldom many. */
  get servicePortsWithLocalList(): Iterable<ServicePort> {
    return this.#withLocalList.values()
  }

  /** This node's own addresses, and what counts as a source on it: as of the last sync. */
  get localIps(): ReadonlySet<string> {
    return this.#localIps
  }

  get localSources(): readonly string[] {
    return this.#localSources
  }

  /** Every endpoint of a service port of the table, with what it is to its lists and why. */
  assess(port: ServicePort): readonly EndpointFacts[] {
    const key = nameKey(port)
    if (!this.synced || !this.#services.has(key)) return assessSavedEndpoints(port)
    return assessEndpoints(port, this.#slices.of(key), this.#contextFor(key))
  }

  /** What is written in the Service itself; null: it isn't known, though something of it may be served. */
  written(key: string): WrittenService | null {
    const service = this.#services.get(key)
    if (service === undefined) return null
    const { problems } = buildServicePorts(service, this.#contextFor(key))
    return { annotations: service.annotations, problems: [...service.problems, ...problems] }
  }

  setService(object: KubeObject): void {
    const key = this.#keyOf('Service', object)
    if (key === null) return
    const service = readService(object)
    if (service === null) this.#services.delete(key)
    else this.#services.set(key, service)
    if (service === null || service.healthCheckNodePort === 0) this.#healthChecked.delete(key)
    else this.#healthChecked.add(key)
    this.#touch([key])
  }

  deleteService(name: ObjectName): void {
    const key = nameKey(name)
    this.#healthChecked.delete(key)
    if (this.#services.delete(key)) this.#touch([key])
  }

  setEndpointSlice(object: KubeObject): void {
    const key = this.#keyOf('EndpointSlice', object)
    if (key === null) return
    const { services, problems } = this.#slices.set(object)
    this.#problems.report(`EndpointSlice ${key}`, problems)
    this.#touch(services)
  }

  deleteEndpointSlice(name: ObjectName): void {
    this.#problems.report(`EndpointSlice ${nameKey(name)}`, [])
    this.#touch(this.#slices.delete(name))
  }

  markListed(resource: 'services' | 'endpointSlices'): void {
    this.#listed[resource] = true
    this.#options.onChange()
  }

  /** This node's own object; null when it is gone, which leaves the node without zone, addresses and pod CIDRs. */
  setNode(node: NodeInfo | null): void {
    const same = isDeepStrictEqual(placeOf(node), placeOf(this.#node))
    this.#node = node
    // A node that is deleted has its pods for a while.
    const moved = node !== null && this.#vipMarks.setPodCidrs(node.podCidrs)
    if (!same || moved) this.#touchAll()
  }

  /** Another node of the cluster, whose addresses and pods are not to be taken from it; null when it is gone. */
  setOtherNode(name: string, node: NodeInfo | null): void {
    if (!this.#vipMarks.setOtherNode(name, node)) return
    const named = [...this.#services].filter(
      ([, { externalIps, loadBalancerIps }]) => externalIps.length + loadBalancerIps.length > 0,
    )
    this.#touch(named.map(([key]) => key))
  }

  setLocalIps(ips: readonly string[]): void {
    this.#localIps = new Set(ips.toSorted())
    this.#vipMarks.setLocalIps(this.#localIps)
    this.#touchAll()
  }

  /** The Services whose load balancer asks this node for its health, with the number of their ready IPs here. */
  healthChecked(): readonly HealthCheckedService[] {
    if (!this.#firstSynced) return this.#seeded
    return [...this.#healthChecked].flatMap(key => {
      const service = this.#services.get(key)
      if (service === undefined) return []
      const { namespace, name, uid, healthCheckNodePort: port } = service
      const localEndpoints = this.#slices.readyIpsOn(key, this.#options.nodeName).size
      return { namespace, name, uid, port, localEndpoints }
    })
  }

  /**
   * Rebuilds what has changed. Null while not synced, and where the table stays as it is; the first one is never null,
   * and a delta where there was a seed.
   */
  sync(): TableUpdate | null {
    if (!this.synced) return null
    // First who owns which frontend, then the Services that see it differently: each is built once.
    const stale = new Set(this.#dirty)
    for (const key of this.#dirty) for (const other of this.#claim(key)) stale.add(other)
    const before = new Map<ServicePortKey, ServicePort>()
    const after = new Map<ServicePortKey, ServicePort>()
    for (const key of stale) {
      for (const port of this.#built.get(key) ?? []) before.set(port.key, port)
      const ports = this.#build(key)
      for (const port of ports) after.set(port.key, port)
      if (ports.length === 0) this.#built.delete(key)
      else this.#built.set(key, ports)
    }
    this.#dirty.clear()
    const diff = diffServicePorts(before, after)
    const first = !this.#firstSynced
    const seeded = this.#generation > 0
    const localSources = this.#findLocalSources()
    const moved = localSources.join() !== this.#localSources.join()
    if (diff !== null) this.#applyToTable(diff)
    if (diff === null && !first && !moved) return null
    this.#firstSynced = true
    this.#seeded = []
    this.#generation++
    this.#localSources = localSources
    const { changed, removed } = diff ?? { changed: [], removed: [] }
    if (first && !seeded) return this.snapshot()
    return { type: 'delta', generation: this.#generation, localSources, changed, removed }
  }

  /** The whole table, for a data plane that has nothing yet, for the disk or for a successor. */
  snapshot(): TableSnapshot {
    return {
      type: 'snapshot',
      generation: this.#generation,
      localSources: this.#localSources,
      servicePorts: [...this.#table.values()],
      asOf: this.#firstSynced ? this.#options.wallClock() : this.#asOf,
      healthChecked: this.healthChecked(),
    }
  }

  /** Takes a seed over. All of its Services are stale: what isn't listed again is gone. */
  #plant(seed: TableSnapshot): void {
    this.#generation = seed.generation
    this.#asOf = seed.asOf
    this.#localSources = seed.localSources
    this.#seeded = seed.healthChecked
    // Until the node's own object is known.
    this.#vipMarks.setPodCidrs(podRanges(seed.localSources))
    for (const each of seed.servicePorts) {
      const port = safeServicePort(each, {
        allowLoopback: this.#options.allowLoopbackEndpoints,
        place: (kind, ip) => this.#vipMarks.place(kind, ip),
      })
      const service = nameKey(port)
      this.#applyToTable({ changed: [port], removed: [] })
      this.#built.set(service, [...(this.#built.get(service) ?? []), port])
      this.#dirty.add(service)
    }
  }

  #applyToTable(diff: TableDiff): void {
    applyDiff(this.#table, diff)
    for (const key of diff.removed) this.#withLocalList.delete(key)
    for (const port of diff.changed) {
      if (port.local === null) this.#withLocalList.delete(port.key)
      else this.#withLocalList.set(port.key, port)
    }
  }

  #touch(services: Iterable<string>): void {
    let touched = false
    for (const service of services) {
      this.#dirty.add(service)
      touched = true
    }
    if (touched) this.#options.onChange()
  }

  /** Something that all Services depend on, and the local sources too, with or without Services. */
  #touchAll(): void {
    for (const service of this.#services.keys()) this.#dirty.add(service)
    this.#options.onChange()
  }

  /** An object's key; null, and a line in the log, for a name that could pass for another object's. */
  #keyOf(kind: string, object: KubeObject): string | null {
    const name = objectName(object)
    if (isNamespacedName(name)) return nameKey(name)
    this.#problems.report(`${kind} ${describe(nameKey(name))}`, [
      'metadata.namespace or metadata.name is missing or malformed: ignored',
    ])
    return null
  }

  /** Brings a Service's claims up to date; returns the Services that are to be built again because of that. */
  #claim(key: string): ReadonlySet<string> {
    const service = this.#services.get(key)
    const { changed, affected } = this.#claims.update(
      { service: key, createdAt: service?.createdAt ?? '' },
      service === undefined ? new Map() : claimedFrontends(service, this.#contextFor(key)),
    )
    return new Set([...affected, ...changed.flatMap(frontend => [...this.#slices.servicesNear(frontend)])])
  }

  #build(key: string): readonly ServicePort[] {
    const service = this.#services.get(key)
    if (service === undefined) {
      this.#problems.report(`Service ${key}`, [])
      return []
    }
    const { ports, problems } = buildServicePorts(service, this.#contextFor(key))
    this.#problems.report(`Service ${key}`, [...service.problems, ...problems])
    return ports
  }

  #contextFor(key: string): BuildContext {
    const { nodeName, nodePortAddresses, defaults } = this.#options
    const { zone, ips } = placeOf(this.#node)
    return {
      nodeName,
      zone,
      defaults,
      localIps: this.#localIps,
      nodePortIps: (family, protocol) => nodePortAddresses.select(family, protocol, [...this.#localIps], ips),
      endpoints: (family, portName, protocol) => this.#slices.endpoints(key, family, portName, protocol),
      refusal: (endpoint, protocol) => this.#refusal(endpoint, protocol),
      place: (kind, ip) => this.#vipMarks.place(kind, ip),
      owner: frontend => this.#claims.owner(frontend),
    }
  }

  /** What counts as a source on this node. */
  #findLocalSources(): readonly string[] {
    const { clusterCidrs } = this.#options
    const pods = clusterCidrs.length > 0 ? clusterCidrs : placeOf(this.#node).podCidrs
    return ['127.0.0.0/8', '::1/128', ...[...this.#localIps].map(singleAddress), ...pods]
  }

  /** An endpoint that is one of our own frontends would be dialed by us, for ever, until descriptors run out. */
  #refusal({ ip, port }: Endpoint, protocol: Protocol): string | null {
    const unsafe = unsafeEndpoint(ip, this.#options.allowLoopbackEndpoints)
    if (unsafe !== null) return unsafe
    if (!this.#isOnNode(ip)) return null
    const wildcard = ip.includes(':') ? '::' : '0.0.0.0'
    const own =
      this.#claims.owner({ protocol, ip, port }) ?? this.#claims.owner({ protocol, ip: wildcard, port })
    return own === undefined ? null : `a frontend of Service ${own} (a loop)`
  }

  /** Whether a listener of ours may answer on the address. VIPs are local too, so a wildcard one does there. */
  #isOnNode(ip: string): boolean {
    return this.#localIps.has(ip) || this.#claims.hasIp(ip) || ip.startsWith('127.') || ip === '::1'
  }
}

/** The part of a Node that decides how Services are served there. */
function placeOf(node: NodeInfo | null): Pick<NodeInfo, 'zone' | 'ips' | 'podCidrs'> {
  return { zone: node?.zone ?? '', ips: node?.ips ?? [], podCidrs: node?.podCidrs ?? [] }
}
