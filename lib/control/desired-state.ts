// What the data plane should do, from what the API server says. Changes come in one object at a time and mark the
// Services they touch; `sync` rebuilds only those, so that the cost of a change follows its size. Nothing goes out
// before Services and EndpointSlices have both been listed once: half a table would refuse what should be served.

import { formatAddress, type IpFamily, type Protocol } from '../model/address.ts'
import { applyDiff, diffServicePorts } from '../model/table-diff.ts'
import { objectKey, type KubeObject, type ObjectName } from '../model/objects.ts'
import type { NodeInfo } from '../model/node.ts'
import type { ServicePort, ServicePortKey, TableUpdate } from '../model/proxy-table.ts'
import { readService, type Service } from '../model/service.ts'
import type { Log } from '../ops/log.ts'
import { unsafeEndpoint } from '../policy/endpoint-safety.ts'
import type { Endpoint } from '../policy/eligible-endpoints.ts'
import { EndpointIndex } from './endpoint-index.ts'
import { EndpointSlices } from './endpoint-slices.ts'
import { FrontendClaims, frontendKey, type FrontendKey } from './frontend-claims.ts'
import type { NodePortAddresses } from './node-port-addresses.ts'
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
  readonly #endpointIndex = new EndpointIndex()
  readonly #table = new Map<ServicePortKey, ServicePort>()
  /** What each Service has in the table, and what was last reported as wrong with it. */
  readonly #built = new Map<string, ReadonlyMap<ServicePortKey, ServicePort>>()
  readonly #reported = new Map<string, string>()
  readonly #dirty = new Set<string>()
  readonly #listed = { services: false, endpointSlices: false }
  #localIps: ReadonlySet<string>
  #zone = ''
  #generation = 0

  constructor(options: DesiredStateOptions) {
    this.#options = options
    this.#localIps = new Set(options.localIps)
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
    const key = objectKey(object)
    const service = readService(object)
    this.#report(`Service ${key}`, service?.problems ?? [])
    if (service === null) this.#services.delete(key)
    else this.#services.set(key, service)
    this.#touch([key])
  }

  deleteService({ namespace, name }: ObjectName): void {
    const key = `${namespace}/${name}`
    this.#report(`Service ${key}`, [])
    this.#services.delete(key)
    this.#touch([key])
  }

  setEndpointSlice(object: KubeObject): void {
    const { services, problems } = this.#slices.set(object)
    this.#report(`EndpointSlice ${objectKey(object)}`, problems)
    this.#touch(services)
  }

  deleteEndpointSlice(name: ObjectName): void {
    this.#report(`EndpointSlice ${name.namespace}/${name.name}`, [])
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
    this.#localIps = new Set(ips)
    this.#touch(this.#services.keys())
  }

  /** Rebuilds what has changed. Null while not synced, and where the table stays as it is. */
  sync(): TableUpdate | null {
    if (!this.synced) return null
    const before = new Map<ServicePortKey, ServicePort>()
    const after = new Map<ServicePortKey, ServicePort>()
    // Building a Service can mark others (it took a frontend from them, or made one of their endpoints a loop);
    // a Set visits what is added to it while it is walked, and building twice gives the same.
    for (const key of this.#dirty) {
      this.#dirty.delete(key)
      for (const [portKey, port] of this.#built.get(key) ?? [])
        if (!after.has(portKey)) before.set(portKey, port)
      const ports = this.#build(key)
      for (const portKey of this.#built.get(key)?.keys() ?? []) after.delete(portKey)
      for (const port of ports) after.set(port.key, port)
      if (ports.length === 0) this.#built.delete(key)
      else this.#built.set(key, new Map(ports.map(port => [port.key, port])))
    }
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
    for (const service of services) this.#dirty.add(service)
    if (this.#dirty.size > 0) this.#options.onChange()
  }

  #build(key: string): readonly ServicePort[] {
    const service = this.#services.get(key)
    const context = this.#contextFor(key)
    const claimed = service === undefined ? new Set<FrontendKey>() : claimedFrontends(service, context)
    const { changed, affected } = this.#claims.update(
      { service: key, createdAt: service?.createdAt ?? '' },
      claimed,
    )
    for (const other of affected) this.#dirty.add(other)
    for (const user of this.#endpointUsers(changed)) this.#dirty.add(user)
    if (service === undefined) {
      this.#endpointIndex.update(key, new Set())
      this.#report(`Service ${key} (endpoints)`, [])
      return []
    }
    this.#endpointIndex.update(key, this.#endpointKeys(service, context))
    const { ports, problems } = buildServicePorts(service, context)
    this.#report(`Service ${key} (endpoints)`, problems)
    return ports
  }

  #contextFor(key: string): BuildContext {
    const { nodeName, nodePortAddresses } = this.#options
    const localIps = [...this.#localIps]
    return {
      nodeName,
      zone: this.#zone,
      nodePortIps: (family, protocol) => nodePortAddresses.select(family, protocol, localIps),
      endpoints: (family, portName, protocol) => this.#slices.endpoints(key, family, portName, protocol),
      refusal: (endpoint, protocol) => this.#refusal(endpoint, protocol),
      owner: frontend => this.#claims.owner(frontend),
    }
  }

  /** An endpoint that is one of our own frontends would be dialed by us, for ever, until descriptors run out. */
  #refusal({ ip, port }: Endpoint, protocol: Protocol): string | null {
    const unsafe = unsafeEndpoint(ip, this.#options.allowLoopbackEndpoints)
    if (unsafe !== null) return unsafe
    const own =
      this.#claims.owner(frontendKey(protocol, ip, port)) ??
      (this.#localIps.has(ip) ? this.#claims.owner(frontendKey(protocol, wildcardFor(ip), port)) : undefined)
    return own === undefined ? null : `the address of Service ${own} itself (a loop)`
  }

  #endpointUsers(frontends: readonly FrontendKey[]): ReadonlySet<string> {
    const users = new Set<string>()
    for (const key of frontends) {
      for (const user of this.#endpointIndex.users(key)) users.add(user)
      const match = /^(TCP|UDP)\/(0\.0\.0\.0|\[::\]):(\d+)$/.exec(key)
      if (match === null) continue
      for (const ip of this.#localIps) {
        for (const user of this.#endpointIndex.users(`${match[1]}/${formatAddress(ip, Number(match[3]))}`)) {
          users.add(user)
        }
      }
    }
    return users
  }

  #endpointKeys(service: Service, context: BuildContext): ReadonlySet<string> {
    const keys = new Set<string>()
    for (const family of Object.keys(service.clusterIps) as IpFamily[]) {
      for (const { name, protocol } of service.ports) {
        if (protocol === 'SCTP') continue
        for (const { ip, port } of context.endpoints(family, name, protocol))
          keys.add(frontendKey(protocol, ip, port))
      }
    }
    return keys
  }

  /** Logs what is wrong with an object, once for as long as it is the same. */
  #report(subject: string, problems: readonly string[]): void {
    const text =
      problems.length > 3
        ? `${problems.slice(0, 3).join('; ')}; and ${problems.length - 3} more`
        : problems.join('; ')
    if ((this.#reported.get(subject) ?? '') === text) return
    if (text === '') this.#reported.delete(subject)
    else {
      this.#reported.set(subject, text)
      this.#options.log.warn(`${subject}: ${text}`)
    }
  }
}

function wildcardFor(ip: string): string {
  return ip.includes(':') ? '::' : '0.0.0.0'
}
