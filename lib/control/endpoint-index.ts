// Where the endpoints of EndpointSlices are. It answers one question: when a frontend of ours appears or goes, whose
// endpoints may it turn into a loop, or free from being one? By address and by port alone, each to be checked again.

import type { Protocol } from '../model/address.ts'
import type { EndpointSlice } from '../model/endpoint-slice.ts'

export class EndpointIndex {
  readonly #slicesAt = new Map<string, Set<string>>()

  /** Keys of the slices with an endpoint at this IP, whatever the port. */
  atIp(ip: string): Iterable<string> {
    return this.#slicesAt.get(ip) ?? []
  }

  /** Keys of the slices with endpoints on this port, whatever the IP. */
  atPort(protocol: Protocol, port: number): Iterable<string> {
    return this.#slicesAt.get(`${protocol}/${port}`) ?? []
  }

  add(key: string, slice: EndpointSlice): void {
    for (const place of placesOf(slice)) {
      const slices = this.#slicesAt.get(place)
      if (slices === undefined) this.#slicesAt.set(place, new Set([key]))
      else slices.add(key)
    }
  }

  /** The slice must be the one that was added with the key. */
  remove(key: string, slice: EndpointSlice): void {
    for (const place of placesOf(slice)) {
      const slices = this.#slicesAt.get(place)
      slices?.delete(key)
      if (slices?.size === 0) this.#slicesAt.delete(place)
    }
  }
}

function placesOf({ endpoints, ports }: EndpointSlice): Iterable<string> {
  return new Set([
    ...endpoints.map(({ ip }) => ip),
    ...ports.map(({ protocol, port }) => `${protocol}/${port}`),
  ])
}
