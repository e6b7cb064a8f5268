// On which of the node's addresses NodePorts are opened: all of them, or those that --nodeport-addresses selects.
// TCP on all addresses is one wildcard listener. UDP never is: a reply from a wildcard socket leaves from
// whatever address the route prefers, not from the one the client wrote to, so UDP gets a socket per address.

import ipaddr from 'ipaddr.js'
import { canonicalIp, familyOf, type IpFamily, type Protocol } from '../model/address.ts'
import { RelayError } from '../model/error.ts'

export interface Cidr {
  readonly family: IpFamily
  readonly contains: (ip: string) => boolean
  /** "0.0.0.0/0" or "::/0". */
  readonly isEverything: boolean
}

/** Parses a CIDR such as "10.0.0.0/8"; throws INVALID_CONFIG naming the flag or field it came from. */
export function parseCidr(text: string, source: string): Cidr {
  const [address, bits = '', ...rest] = text.trim().split('/')
  const ip = canonicalIp(address)
  const parsed = ip === null ? null : ipaddr.parse(ip)
  const length = Number(bits)
  const longest = parsed?.kind() === 'ipv4' ? 32 : 128
  if (parsed === null || ip === null || !/^(0|[1-9]\d*)$/.test(bits) || length > longest || rest.length > 0) {
    throw new RelayError(
      'INVALID_CONFIG',
      `${source}: ${JSON.stringify(text)} is not a CIDR such as 10.0.0.0/8`,
    )
  }
  const family = familyOf(ip)
  return {
    family,
    isEverything: length === 0,
    contains: other => familyOf(other) === family && ipaddr.parse(other).match(parsed, length),
  }
}

const wildcard: Readonly<Record<IpFamily, string>> = { IPv4: '0.0.0.0', IPv6: '::' }

export class NodePortAddresses {
  readonly #cidrs: readonly Cidr[]

  /** An empty list selects every address; so does a family that no CIDR of the list belongs to. */
  constructor(cidrs: readonly Cidr[]) {
    this.#cidrs = cidrs
  }

  /** The addresses to listen on, given the node's own ones. */
  select(family: IpFamily, protocol: Protocol, localIps: readonly string[]): readonly string[] {
    const cidrs = this.#cidrs.filter(cidr => cidr.family === family)
    const all = cidrs.length === 0 || cidrs.some(cidr => cidr.isEverything)
    if (all && protocol === 'TCP') return [wildcard[family]]
    const ofFamily = localIps.filter(ip => familyOf(ip) === family)
    return all ? ofFamily : ofFamily.filter(ip => cidrs.some(cidr => cidr.contains(ip)))
  }
}
