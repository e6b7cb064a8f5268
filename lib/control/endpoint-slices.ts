// All EndpointSlices by the Service they belong to, and the endpoints of one service port out of them.

import type { IpFamily, Protocol } from '../model/address.ts'
import { formatAddress } from '../model/address.ts'
import { readEndpointSlice, type EndpointSlice } from '../model/endpoint-slice.ts'
import { objectKey, type KubeObject, type ObjectName } from '../model/objects.ts'
import type { Endpoint } from '../policy/eligible-endpoints.ts'

export class EndpointSlices {
  readonly #byService = new Map<string, Map<string, EndpointSlice>>()
  /** Which Service a slice belongs to, for deletes and for a slice whose label was changed. */
  readonly #serviceOf = new Map<string, string>()

  /** Takes in a slice. Returns the Services ("namespace/name") that it changes, and what was wrong with it. */
  set(object: KubeObject): { services: readonly string[]; problems: readonly string[] } {
    const key = objectKey(object)
    const slice = readEndpointSlice(object)
    const before = this.#remove(key)
    if (slice === null) return { services: before, problems: [] }
    const service = `${slice.namespace}/${slice.serviceName}`
    const slices = this.#byService.get(service) ?? new Map<string, EndpointSlice>()
    this.#byService.set(service, slices.set(key, slice))
    this.#serviceOf.set(key, service)
    return { services: [...new Set([...before, service])], problems: slice.problems }
  }

  delete({ namespace, name }: ObjectName): readonly string[] {
    return this.#remove(`${namespace}/${name}`)
  }

  /**
   * The endpoints of one service port, sorted by address. Of the same address in two slices the later slice wins
   * unless it says terminating: the pod moved from one slice to the other.
   */
  endpoints(service: string, family: IpFamily, portName: string, protocol: Protocol): readonly Endpoint[] {
    const found = new Map<string, Endpoint>()
    for (const slice of this.#sorted(service)) {
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

  #sorted(service: string): readonly EndpointSlice[] {
    const slices = [...(this.#byService.get(service)?.values() ?? [])]
    return slices.sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  #remove(key: string): readonly string[] {
    const service = this.#serviceOf.get(key)
    if (service === undefined) return []
    this.#serviceOf.delete(key)
    const slices = this.#byService.get(service)
    slices?.delete(key)
    if (slices?.size === 0) this.#byService.delete(service)
    return [service]
  }
}
