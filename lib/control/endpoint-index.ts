// Where the endpoints of EndpointSlices are. It answers one question: when a frontend of ours appears or goes, whose
// endpoints may it turn into a loop, or free from being one? By address and by port alone, each to be checked again.

import type { Protocol } from '../model/address.ts'
import type { EndpointSlice } from '../model/endpoint-slice.ts'

export class EndpointIndex {
  /** The key of a slice where there is but one, as at nearly every IP. */
  readonly #slicesAt = new Map<string, string | Set<string>>()

  /** Keys of the slices with an endpoint at this IP, whatever the port. */
  atIp(ip: string): Iterable<string> {
    return this.#at(ip)
  }

  /** Keys of the slices with endpoints on this port, whatever the IP. */
  atPort(protocol: Protocol, port: number): Iterable<string> {
    return this.#at(placeOf(protocol, port))
  }

  add(key: string, { endpoints, ports }: EndpointSlice): void {
    for (const { ip } of endpoints) this.#add(ip, key)
    for (const { protocol, port } of ports) this.#add(placeOf(protocol, port), key)
  }

  /** The slice must be the one that was added with the key. */
  remove(key: string, { endpoints, ports }: EndpointSlice): void {
    for (const { ip } of endpoints) this.#remove(ip, key)
    for (const { protocol, port } of ports) this.#remove(placeOf(protocol, port), key)
  }

  #at(place: string): Iterable<string> {
    const slices = this.#slicesAt.get(place) ?? []
    return typeof slices === 'string' ? [slices] : slices
  }

  #add(place: string, key: string): void {
    const slices = this.#slicesAt.get(place)
    if (slices === undefined) this.#slicesAt.set(place, key)
    else if (typeof slices !== 'string') slices.add(key)
    else if (slices !== key) this.#slicesAt.set(place, new Set([slices, key]))
  }

  #remove(place: string, key: string): void {
    const slices = this.#slicesAt.get(place)
    if (slices === key) this.#slicesAt.delete(place)
    if (slices === undefined || typeof slices === 'string') return
    slices.delete(key)
    if (slices.size === 0) this.#slicesAt.delete(place)
  }
}

function placeOf(protocol: EndpointSlice['ports'][number]['protocol'], port: number): string {
  return `${protocol}/${port}`
}
