// Which endpoint addresses are never dialed. Endpoints are written by tenants, and kube-relay dials from the
// host's network: a slice that names 127.0.0.1 or 169.254.169.254 must not open the node's own daemons or a
// cloud's metadata service to everyone who reaches the Service.

import ipaddr from 'ipaddr.js'

const unsafeRanges: Readonly<Record<string, string>> = {
  unspecified: 'an unspecified address',
  loopback: 'a loopback address',
  linkLocal: 'a link-local address',
  multicast: 'a multicast address',
  broadcast: 'the broadcast address',
}

/**
 * Why an endpoint with this canonical IP must not be dialed, as the end of a sentence, or null if it may.
 * `allowLoopback` is for test set-ups and `dev`, where the pods themselves live on loopback.
 */
export function unsafeEndpoint(ip: string, allowLoopback: boolean): string | null {
  const range = ip.includes(':') ? withoutNat64(ipaddr.parse(ip)).range() : ipv4Range(ip)
  if (range === 'loopback' && allowLoopback) return null
  return unsafeRanges[range] ?? null
}

/** As ipaddr.js has it, where that is an unsafe one. Tables have tens of thousands of endpoints, nearly all of them IPv4. */
function ipv4Range(ip: string): string {
  const first = Number(ip.slice(0, ip.indexOf('.')))
  if (first === 0) return 'unspecified'
  if (first === 127) return 'loopback'
  if (first >= 224 && first < 240) return 'multicast'
  if (ip.startsWith('169.254.')) return 'linkLocal'
  return ip === '255.255.255.255' ? 'broadcast' : ''
}

/** The IPv4 address that a NAT64 translator dials for 64:ff9b::/96 (RFC 6052): the rules are about that one. */
function withoutNat64(address: ipaddr.IPv4 | ipaddr.IPv6): ipaddr.IPv4 | ipaddr.IPv6 {
  return address.range() === 'rfc6052' ? new ipaddr.IPv4(address.toByteArray().slice(12)) : address
}
