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
  const range = ipaddr.parse(ip).range()
  if (range === 'loopback' && allowLoopback) return null
  return unsafeRanges[range] ?? null
}
