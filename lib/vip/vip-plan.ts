// What is to be done so that what is there becomes what should be. Pure: from what was found and what is
// wanted.

import { familyOf, type IpFamily } from '../model/address.ts'
import type { PlacedVip } from './vip-place.ts'

/** The source of the node's own connections, per family; null: the kernel's choice. */
export type VipSources = Readonly<Record<IpFamily, string | null>>

/** From each VIP to its source. */
export type VipsThere = ReadonlyMap<string, string | null>

/**
 * The first address of each family; loopback addresses mean nothing to anyone else, so they are no sources.
 */
export function sourcesOf(ips: readonly string[]): VipSources {
  const usable = ips.filter(ip => !ip.startsWith('127.') && ip !== '::1')
  const first = (family: IpFamily) => usable.find(ip => familyOf(ip) === family) ?? null
  return { IPv4: first('IPv4'), IPv6: first('IPv6') }
}

export function placed(ip: string, sources: VipSources): PlacedVip {
  return { ip, source: sources[familyOf(ip)] }
}

/** What is missing, or has another source than it should; as long as none is known, any will do. */
export function toAdd(wanted: Iterable<string>, there: VipsThere, sources: VipSources): readonly PlacedVip[] {
  const vips: PlacedVip[] = []
  for (const ip of wanted) {
    const vip = placed(ip, sources)
    const source = there.get(ip)
    if (source === undefined || (vip.source !== null && vip.source !== source)) vips.push(vip)
  }
  return vips
}

/** What is there and nobody wants. */
export function leftovers(there: VipsThere, isWanted: (ip: string) => boolean): readonly string[] {
  return [...there.keys()].filter(ip => !isWanted(ip))
}
