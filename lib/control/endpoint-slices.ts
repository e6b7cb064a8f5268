// All EndpointSlices by the Service they belong to, and the endpoints of one service port out of them.

import { formatAddress, type IpFamily, type Protocol } from '../model/address.ts'
import { readEndpointSlice, type EndpointSlice } from '../model/endpoint-slice.ts'
import { nameKey, objectKey, type KubeObject, type ObjectName } from '../model/objects.ts'
import type { Endpoint } from '../policy/eligible-endpoints.ts'
import { EndpointIndex } from './endpoint-index.ts'
import { isWildcard, type FrontendAddress } from './frontend-claims.ts'

export class EndpointSlices {
  readonly #slices = new Map<string, EndpointSlice>()
  readonly #byService = new Map<string, Map<string, EndpointSlice>>()
  readonly #index = new EndpointIndex()

  /** Takes in a slice. Returns the Services ("namespace/name") that it changes, and what was wrong with it. */
  set(object: KubeObject): { services: readonly string[]; problems: readonly string[] } {
    const key = objectKey(object)
    const problems: string[] = []
    const slice = readEndpointSlice(object, problems)
    const before = this.#remove(key)
    if (slice === null) return { services: before, problems }
    const service = serviceOf(slice)
    const slices = this.#byService.get(service) ?? new Map<string, EndpointSlice>()
    this.#byService.set(service, slices.set(key, slice))
    this.#slices.set(key, slice)
    this.#index.add(key, slice)
    return { services: [...new Set([...before, service])], problems }
  }

  delete(name: ObjectName): readonly string[] {
    return this.#remove(nameKey(name))
  }

  /**
   * The endpoints of one service port, sorted by address. Of the same address in two slices the later slice wins
   * unless it says terminating: the pod moved from one slice to the other.
   */
  endpoints(service: string, family: IpFamily, portName: string, protocol: Protocol): readonly Endpoint[] {
    const found = new Map<string, Endpoint>()
    for (const slice of this.of(service)) {
      if (slice.family !== family) continue
      for (const port of slice.ports) {
        if (port.name !== portName || port.protocol !== protocol) continue
        for (const endpoint of slice.endpoints) {
          const key = formatAddress(endpoint.ip, port.port)
          if (!found.has(key) || !endpoint.terminating) found.set(key, { ...endpoint, port: port.port })
        }
      }
    }
    return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, endpoint]) => endpoint)
  }

  /** All that a Service has, sorted by name. */
  of(service: string): readonly EndpointSlice[] {
    const slices = [...(this.#byService.get(service)?.values() ?? [])]
    return slices.sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  /** Different IPs of a Service's endpoints that are ready and on a node. */
  readyIpsOn(service: string, nodeName: string): ReadonlySet<string> {
    const slices = [...(this.#byService.get(service)?.values() ?? [])]
    const endpoints = slices.flatMap(slice => slice.endpoints)
    const onNode = endpoints.filter(each => each.nodeName !== '' && each.nodeName === nodeName)
    return new Set(onNode.filter(each => each.ready).map(({ ip }) => ip))
  }

  /** Services that may have an endpoint where this frontend is reached; some may not, on a closer look. */
  servicesNear(frontend: FrontendAddress): ReadonlySet<string> {
    const keys = isWildcard(frontend.ip)
      ? this.#index.atPort(frontend.protocol, frontend.port)
      : this.#index.atIp(frontend.ip)
    const services = new Set<string>()
    for (const key of keys) {
      const slice = this.#slices.get(key)
      if (slice !== undefined) services.add(serviceOf(slice))
    }
    return services
  }

  #remove(key: string): readonly string[] {
    const slice = this.#slices.get(key)
    if (slice === undefined) return []
    const service = serviceOf(slice)
    const slices = this.#byService.get(service)
    this.#slices.delete(key)
    this.#index.remove(key, slice)
    slices?.delete(key)
    if (slices?.size === 0) this.#byService.delete(service)
    return [service]
  }
}

function serviceOf({ namespace, serviceName }: EndpointSlice): string {
  return nameKey({ namespace, name: serviceName })
}
