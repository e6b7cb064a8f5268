// Which Service addresses are made local to the node, and which must not be. External IPs are written by tenants: whoever
// names a pod's address, the API server's or a cloud's metadata service must not get the node's traffic to it
// (CVE-2020-8554 is about the same).

import ipaddr from 'ipaddr.js'
import type { Cidr } from '../model/cidr.ts'
import type { Frontend } from '../model/proxy-table.ts'

/** What is around the VIPs; every address in it canonical. */
export interface VipSurroundings {
  readonly localIps: ReadonlySet<string>
  readonly podCidrs: readonly Cidr[]
  /** What the administrator keeps from becoming local. */
  readonly excluded: readonly Cidr[]
  /** The address by which the agent reaches the API server; null: it has a name. */
  readonly apiServerIp: string | null
  /** The name of the other node that has each address, and the ranges of pods besides this node's. */
  readonly otherNodes: ReadonlyMap<string, string>
  readonly otherPodCidrs: readonly Cidr[]
}

const unsafeRanges: Readonly<Record<string, string>> = {
  unspecified: 'an unspecified address',
  linkLocal: 'a link-local address',
  multicast: 'a multicast address',
  broadcast: 'the broadcast address',
}

/** Those outside of 169.254.0.0/16: Azure's (with its DNS), Alibaba's, and AWS's over IPv6. */
const metadataServices: ReadonlySet<string> = new Set(['168.63.129.16', '100.100.100.200', 'fd00:ec2::254'])

/**
 * Whether the frontend's address is to be made local. Loopback is so anyway, and an external address that is the node's
 * own is served there as it is, which is common without a cloud.
 */
export function needsVip(kind: Frontend['kind'], ip: string, localIps: ReadonlySet<string>): boolean {
  if (kind === 'NodePort' || ip.startsWith('127.') || ip === '::1') return false
  return kind === 'ClusterIP' || !localIps.has(ip)
}

/**
 * Why an address that needs it must not be made local, to be said after "is", or null if it may. A ClusterIP comes from
 * the cluster's own range, so that it may be the API server's: in a pod, that is how it is reached.
 */
export function unsafeVip(
  kind: Frontend['kind'],
  ip: string,
  { localIps, podCidrs, excluded, apiServerIp, otherNodes, otherPodCidrs }: VipSurroundings,
): string | null {
  const range = unsafeRanges[ipaddr.parse(ip).range()]
  if (range !== undefined) return range
  if (localIps.has(ip)) return 'an address of this node'
  const exclusion = excluded.find(each => each.contains(ip))
  if (exclusion !== undefined) return `excluded by --vip-exclude ${exclusion.text}`
  const pods = podCidrs.find(each => each.contains(ip))
  if (pods !== undefined) return `inside the pods' range ${pods.text}`
  // From here on, what others say of themselves: no node may switch off a Service by taking its ClusterIP for its own.
  if (kind === 'ClusterIP') return null
  const node = otherNodes.get(ip)
  if (node !== undefined) return `an address of node ${node}`
  // Thousands of ranges in a large cluster, but only tenants' addresses are looked for in them.
  const otherPods = otherPodCidrs.find(each => each.contains(ip))
  if (otherPods !== undefined) return `inside the pods' range ${otherPods.text}`
  if (ip === apiServerIp) return "the API server's address"
  return metadataServices.has(ip) ? "the address of a cloud's metadata service" : null
}
