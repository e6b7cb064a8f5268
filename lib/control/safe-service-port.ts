// A service port of an earlier run under the rules of this one: whoever wrote an endpoint may have been allowed more
// then (--allow-loopback-endpoints), and nothing else checks endpoints again before they are dialed.

import { parseAddress } from '../model/address.ts'
import type { ServicePort } from '../model/proxy-table.ts'
import { unsafeEndpoint } from '../policy/endpoint-safety.ts'

/** The service port without the endpoints that may not be dialed; itself where all of them may. */
export function safeServicePort(port: ServicePort, allowLoopback: boolean): ServicePort {
  const isSafe = (endpoint: string): boolean =>
    unsafeEndpoint(parseAddress(endpoint).ip, allowLoopback) === null
  const { cluster, local, serving, unserving } = port
  const lists = [cluster, local, serving, unserving]
  if (lists.every(list => list === null || list.every(isSafe))) return port
  return {
    ...port,
    cluster: cluster === null ? null : cluster.filter(isSafe),
    local: local === null ? null : local.filter(isSafe),
    serving: serving.filter(isSafe),
    unserving: unserving.filter(isSafe),
  }
}
