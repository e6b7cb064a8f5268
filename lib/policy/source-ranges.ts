// Sets of client addresses: who may use a frontend, and who counts as this node.

import { readCidr, type Cidr } from '../model/cidr.ts'
import type { Frontend } from '../model/proxy-table.ts'

/** A set of sources, given as CIDRs. Whole addresses are looked up, ranges are walked. */
export class SourceRanges {
  readonly #ips = new Set<string>()
  readonly #ranges: Cidr[] = []

  /** Texts that aren't CIDRs are left out. */
  constructor(cidrs: readonly string[]) {
    for (const cidr of cidrs.map(readCidr)) {
      if (cidr === null) continue
      const [ip = '', bits] = cidr.text.split('/')
      if (bits === (cidr.family === 'IPv4' ? '32' : '128')) this.#ips.add(ip)
      else this.#ranges.push(cidr)
    }
  }

  contains(ip: string): boolean {
    return this.#ips.has(ip) || this.#ranges.some(range => range.contains(ip))
  }
}

/**
 * Which endpoint list a client's connection to a frontend takes. Under externalTrafficPolicy Local, traffic of this
 * node and its pods takes the cluster list: the policy is about traffic that comes from outside (KEP-1669). A node that
 * connects to an address that is local to it appears under that very address.
 */
export function listFor(
  frontend: Pick<Frontend, 'ip' | 'list' | 'shortCircuit'>,
  clientIp: string,
  nodeSources: SourceRanges,
): Frontend['list'] {
  const fromHere =
    frontend.shortCircuit === true && (clientIp === frontend.ip || nodeSources.contains(clientIp))
  return fromHere ? 'cluster' : frontend.list
}
