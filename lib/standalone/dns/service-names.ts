// Which names Services, their endpoints and Pods have: an index over the store that follows its changes, so that a
// question costs a few look-ups however many Services there are.

import { canonicalIp } from '../../model/address.ts'
import type { KubeObject } from '../../model/objects.ts'
import type { EndpointSlice, Pod, Service } from '../kinds/api-types.ts'
import { endpointSlices, namespaces, pods, services } from '../kinds/resources.ts'
import { follow } from '../store/follow.ts'
import type { Store, StoreEvent } from '../store/store.ts'

export interface NamedPort {
  /** In lower case; only named ports have a name in DNS. */
  readonly name: string
  readonly protocol: string
  readonly port: number
}

/** An endpoint of a headless Service. */
export interface NamedEndpoint {
  /** Its own, or its address with dashes. */
  readonly hostname: string
  readonly ip: string
  readonly ports: readonly NamedPort[]
}

interface HeadlessEndpoints {
  readonly endpoints: readonly NamedEndpoint[]
  readonly byHostname: ReadonlyMap<string, readonly NamedEndpoint[]>
}

export type NamedService =
  | { readonly kind: 'cluster-ip'; readonly ips: readonly string[]; readonly ports: readonly NamedPort[] }
  | ({ readonly kind: 'headless' } & HeadlessEndpoints)
  | { readonly kind: 'external'; readonly target: string }

export interface ServiceNames {
  hasNamespace(name: string): boolean
  service(namespace: string, name: string): NamedService | undefined
  /** The names of what has this canonical IP, below the cluster's domain: "web.default.svc". */
  namesOf(ip: string): readonly string[]
  /** Whether a Pod of the namespace has this canonical IP. */
  hasPod(namespace: string, ip: string): boolean
  /** Changes with everything that an answer can depend on. */
  readonly version: number
  close(): void
}

const serviceNameLabel = 'kubernetes.io/service-name'

/** Follows the store from now on, until it is closed. */
export function followServiceNames(store: Store): ServiceNames {
  /** By "namespace/service", by slice. */
  const slicesOf = new Map<string, Map<string, KubeObject>>()
  /** Who has an IP: keys of Services by ClusterIP and by endpoint address, and of Pods. */
  const clusterIps = new Index()
  const endpointIps = new Index()
  const podIps = new Index()
  const headless = new Map<string, HeadlessEndpoints>()

  const onService = ({ object, previous, type }: StoreEvent): void => {
    const key = keyOf(object)
    headless.delete(key)
    for (const ip of previous ? clusterIpsOf(previous as Service) : []) clusterIps.remove(ip, key)
    for (const ip of type === 'DELETED' ? [] : clusterIpsOf(object as Service)) clusterIps.add(ip, key)
  }
  const onSlice = ({ object, previous, type }: StoreEvent): void => {
    const sliceKey = keyOf(object)
    const before = previous && ownerOf(previous)
    if (previous && before !== undefined) {
      headless.delete(before)
      const slices = slicesOf.get(before)
      slices?.delete(sliceKey)
      if (slices?.size === 0) slicesOf.delete(before)
      for (const ip of addressesOf(previous)) endpointIps.remove(ip, `${before} ${sliceKey}`)
    }
    const owner = type === 'DELETED' ? undefined : ownerOf(object)
    if (owner === undefined) return
    headless.delete(owner)
    const slices = slicesOf.get(owner) ?? new Map<string, KubeObject>()
    slicesOf.set(owner, slices.set(sliceKey, object))
    for (const ip of addressesOf(object)) endpointIps.add(ip, `${owner} ${sliceKey}`)
  }
  const onPod = ({ object, previous, type }: StoreEvent): void => {
    const { namespace = '' } = object.metadata
    for (const ip of previous ? podIpsOf(previous) : []) podIps.remove(`${namespace} ${ip}`, keyOf(object))
    for (const ip of type === 'DELETED' ? [] : podIpsOf(object))
      podIps.add(`${namespace} ${ip}`, keyOf(object))
  }
  const stops = [
    follow(store, services, onService),
    follow(store, endpointSlices, onSlice),
    follow(store, pods, onPod),
  ]

  const endpointsOf = (key: string, service: Service): HeadlessEndpoints => {
    const known = headless.get(key)
    if (known) return known
    const endpoints = namedEndpoints(service, [...(slicesOf.get(key)?.values() ?? [])])
    const found = { endpoints, byHostname: Map.groupBy(endpoints, ({ hostname }) => hostname) }
    headless.set(key, found)
    return found
  }
  const named = (key: string): NamedService | undefined => {
    const service = store.get(services, key) as Service | undefined
    if (!service) return undefined
    const { type, externalName, clusterIP } = service.spec
    if (type === 'ExternalName') return { kind: 'external', target: withoutDot(externalName ?? '') }
    if (clusterIP === 'None') return { kind: 'headless', ...endpointsOf(key, service) }
    return { kind: 'cluster-ip', ips: clusterIpsOf(service), ports: namedPorts(service.spec.ports ?? []) }
  }

  return {
    hasNamespace: name => store.get(namespaces, name) !== undefined,
    service: (namespace, name) => named(`${namespace}/${name}`),
    namesOf(ip) {
      const names = new Set<string>()
      for (const key of clusterIps.get(ip)) names.add(nameOf(key))
      for (const holder of endpointIps.get(ip)) {
        const [key = ''] = holder.split(' ')
        const service = named(key)
        if (service?.kind !== 'headless') continue
        for (const endpoint of service.endpoints) {
          if (endpoint.ip === ip) names.add(`${endpoint.hostname}.${nameOf(key)}`)
        }
      }
      return [...names]
    },
    hasPod: (namespace, ip) => podIps.get(`${namespace} ${ip}`).size > 0,
    get version() {
      return store.resourceVersion
    },
    close() {
      for (const stop of stops) stop()
    },
  }
}

/** Sets of keys by what they are found by. */
class Index {
  readonly #keys = new Map<string, Set<string>>()

  get(by: string): ReadonlySet<string> {
    return this.#keys.get(by) ?? none
  }

  add(by: string, key: string): void {
    this.#keys.set(by, (this.#keys.get(by) ?? new Set()).add(key))
  }

  remove(by: string, key: string): void {
    const keys = this.#keys.get(by)
    keys?.delete(key)
    if (keys?.size === 0) this.#keys.delete(by)
  }
}

const none: ReadonlySet<string> = new Set()

/** The ready endpoints, or all of them where the Service says so; one that is in several slices is there once. */
function namedEndpoints(service: Service, slices: readonly KubeObject[]): readonly NamedEndpoint[] {
  const found = new Map<string, NamedEndpoint>()
  for (const slice of slices as readonly EndpointSlice[]) {
    const ports = namedPorts(slice.ports ?? [])
    for (const { addresses = [], conditions, hostname } of slice.endpoints ?? []) {
      if (conditions?.ready === false && service.spec.publishNotReadyAddresses !== true) continue
      for (const address of addresses) {
        const ip = canonicalIp(address)
        if (ip === null) continue
        const label = (hostname ?? '') === '' ? ip.replace(/[.:]/g, '-') : (hostname ?? '').toLowerCase()
        const key = `${label} ${ip}`
        const known = found.get(key)?.ports ?? []
        const more = ports.filter(port => !known.some(other => isSamePort(port, other)))
        found.set(key, { hostname: label, ip, ports: [...known, ...more] })
      }
    }
  }
  return [...found.values()]
}

function namedPorts(
  ports: readonly { readonly name?: string; readonly protocol?: string; readonly port?: number }[],
): readonly NamedPort[] {
  return ports.flatMap(({ name = '', protocol = 'TCP', port }) =>
    name === '' || port === undefined
      ? []
      : [{ name: name.toLowerCase(), protocol: protocol.toLowerCase(), port }],
  )
}

function isSamePort(a: NamedPort, b: NamedPort): boolean {
  return a.name === b.name && a.protocol === b.protocol && a.port === b.port
}

function clusterIpsOf({ spec }: Service): readonly string[] {
  if (spec?.type === 'ExternalName') return []
  const ips = spec?.clusterIPs ?? (spec?.clusterIP === undefined ? [] : [spec.clusterIP])
  return ips.map(canonicalIp).filter(ip => ip !== null)
}

function addressesOf(slice: KubeObject): readonly string[] {
  const { endpoints } = slice as EndpointSlice
  return (endpoints ?? [])
    .flatMap(({ addresses = [] }) => addresses)
    .map(canonicalIp)
    .filter(ip => ip !== null)
}

function podIpsOf(pod: KubeObject): readonly string[] {
  const { podIP, podIPs = [] } = (pod as Pod).status ?? {}
  const ips = [podIP, ...podIPs.map(({ ip }) => ip)].map(canonicalIp).filter(ip => ip !== null)
  return [...new Set(ips)]
}

/** The key of the Service that a slice belongs to. */
function ownerOf({ metadata }: KubeObject): string | undefined {
  const name = metadata.labels?.[serviceNameLabel]
  return name ? `${metadata.namespace ?? ''}/${name}` : undefined
}

/** "web.default.svc" of "default/web". */
function nameOf(key: string): string {
  const slash = key.indexOf('/')
  return `${key.slice(slash + 1)}.${key.slice(0, slash)}.svc`
}

function keyOf({ metadata }: KubeObject): string {
  return `${metadata.namespace ?? ''}/${metadata.name ?? ''}`
}

function withoutDot(name: string): string {
  return name.replace(/\.$/, '').toLowerCase()
}
