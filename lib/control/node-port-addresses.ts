// On which of the node's addresses NodePorts are opened: all of them, or those that --nodeport-addresses selects.
// TCP on all addresses is one wildcard listener. UDP never is: a reply from a wildcard socket leaves from
// whatever address the route prefers, not from the one the client wrote to, so UDP gets a socket per address.

import { familyOf, type IpFamily, type Protocol } from '../model/address.ts'
import type { NodePortRange } from '../model/node-port-ranges.ts'

const wildcard: Readonly<Record<IpFamily, string>> = { IPv4: '0.0.0.0', IPv6: '::' }

export class NodePortAddresses {
  readonly #ranges: readonly NodePortRange[]

  /**
   * An empty list selects every address; so does a family that no range of the list belongs to. `primary` belongs to
   * both: in a family of which the node has no address of its own, or as long as its Node object is unknown, it
   * selects nothing.
   */
  constructor(ranges: readonly NodePortRange[]) {
    this.#ranges = ranges
  }

  /**
   * The addresses to listen on. `localIps` are those that the node has now, `nodeIps` those that its Node object
   * names, the primary one of each family first.
   */
  select(
    family: IpFamily,
    protocol: Protocol,
    localIps: readonly string[],
    nodeIps: readonly string[] = [],
  ): readonly string[] {
    const ranges = this.#ranges.filter(range => range === 'primary' || range.family === family)
    const all = ranges.length === 0 || ranges.some(range => range !== 'primary' && range.isEverything)
    if (all && protocol === 'TCP') return [wildcard[family]]
    const ofFamily = localIps.filter(ip => familyOf(ip) === family)
    if (all) return ofFamily
    const primary = nodeIps.find(ip => familyOf(ip) === family)
    return ofFamily.filter(ip =>
      ranges.some(range => (range === 'primary' ? ip === primary : range.contains(ip))),
    )
  }
}
