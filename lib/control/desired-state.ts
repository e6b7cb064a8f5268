// What the data plane should do, from what the API server says. Changes come in one object at a time and mark the
// Services they touch; `sync` rebuilds only those, so that the cost of a change follows its size. Nothing goes out
// before Services and EndpointSlices have both been listed once: half a table would refuse what should be served.

import type { Protocol } from '../model/address.ts'
import { describe } from '../model/fields.ts'
import { applyDiff, diffServicePorts } from '../model/table-diff.ts'
import { isNamespacedName, nameKey, objectName, type KubeObject, type ObjectName } from '../model/objects.ts'
import type { NodeInfo } from '../model/node.ts'
import type { ServicePort, ServicePortKey, TableUpdate } from '../model/proxy-table.ts'
import { readService, type Service } from '../model/service.ts'
import type { Log } from '../ops/log.ts'
import { unsafeEndpoint } from '../policy/endpoint-safety.ts'
import type { Endpoint } from '../policy/eligible-endpoints.ts'
import { EndpointSlices } from './endpoint-slices.ts'
import { FrontendClaims } from './frontend-claims.ts'
import type { NodePortAddresses } from './node-port-addresses.ts'
import { ProblemLog } from './problem-log.ts'
import { buildServicePorts, claimedFrontends, type BuildContext } from './service-ports.ts'

export interface DesiredStateOptions {
  readonly nodeName: string
  readonly nodePortAddresses: NodePortAddresses
  readonly allowLoopbackEndpoints: boolean
  readonly localIps: readonly string[]
  readonly log: Log
  /** Called whenever `sync` may have something to do. */
  readonly onChange: () => void
}

export class DesiredState {
  readonly #options: DesiredStateOptions
  readonly #services = new Map<string, Service>()
  readonly #slices = new EndpointSlices()
  readonly #claims = new FrontendClaims()
  readonly #table = new Map<ServicePortKey, ServicePort>()
  /** What each Service has in the table. */
  readonly #built = new Map<string, readonly ServicePort[]>()
  readonly #problems: ProblemLog
  readonly #dirty = new Set<string>()
  readonly #listed = { services: false, endpointSlices: false }
  #localIps: ReadonlySet<string> = new Set()
  #zone = ''
  #generation = 0

  constructor(options: DesiredStateOptions) {
    this.#options = options
    this.#problems = new ProblemLog(options.log)
    this.setLocalIps(options.localIps)
  }

  /** Both resources have been listed: the table is whole. */
  get synced(): boolean {
    return this.#listed.services && this.#listed.endpointSlices
  }

  get generation(): number {
    return this.#generation
  }

  /** The table as of the last sync. */
  get servicePorts(): Iterable<ServicePort> {
    return this.#table.values()
  }

  setService(object: KubeObject): void {
    const key = this.#keyOf('Service', object)
    if (key === null) return
    const service = readService(object)
    if (service === null) this.#services.delete(key)
    else this.#services.set(key, service)
    this.#touch([key])
  }

  deleteService(name: ObjectName): void {
    const key = nameKey(name)
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

  /** This node's own object; null when it is gone, which leaves the node without a zone. */
  setNode(node: NodeInfo | null): void {
    const zone = node?.zone ?? ''
    if (zone === this.#zone) return
    this.#zone = zone
    this.#touch(this.#services.keys())
  }

  setLocalIps(ips: readonly string[]): void {
    this.#localIps = new Set(ips.toSorted())
    this.#touch(this.#services.keys())
  }

  /** Rebuilds what has changed. Null while not synced, and where the table stays as it is. */
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
    const first = this.#generation === 0
    if (diff !== null) applyDiff(this.#table, diff)
    if (diff === null && !first) return null
    this.#generation++
    return first || diff === null ? this.snapshot() : { type: 'delta', generation: this.#generation, ...diff }
  }

  /** The whole table, for a data plane that has nothing yet. */
  snapshot(): TableUpdate {
    return { type: 'snapshot', generation: this.#generation, servicePorts: [...this.#table.values()] }
  }

  #touch(services: Iterable<string>): void {
    let touched = false
    for (const service of services) {
      this.#dirty.add(service)
      touched = true
    }
    if (touched) this.#options.onChange()
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
    const { nodeName, nodePortAddresses } = this.#options
    return {
      nodeName,
      zone: this.#zone,
      nodePortIps: (family, protocol) => nodePortAddresses.select(family, protocol, [...this.#localIps]),
      endpoints: (family, portName, protocol) => this.#slices.endpoints(key, family, portName, protocol),
      refusal: (endpoint, protocol) => this.#refusal(endpoint, protocol),
      owner: frontend => this.#claims.owner(frontend),
    }
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
