// A service port of an earlier run under the rules of this one: whoever wrote an endpoint may have been allowed more
// then (--allow-loopback-endpoints), VIPs may have been made local by somebody else (--vip-mode), and nothing else
// checks either again before it is used.

import { parseAddress } from '../model/address.ts'
import type { Frontend, ServicePort } from '../model/proxy-table.ts'
import { unsafeEndpoint } from '../policy/endpoint-safety.ts'
import type { BuildContext } from './service-ports.ts'

/**
 * The service port without the endpoints that may not be dialed, and with each frontend's address placed anew. One that
 * was in conflict stays so: why, only the Services and the node together can tell.
 */
export function safeServicePort(
  port: ServicePort,
  { allowLoopback, place }: Pick<BuildContext, 'place'> & { readonly allowLoopback: boolean },
): ServicePort {
  const isSafe = (endpoint: string): boolean =>
    unsafeEndpoint(parseAddress(endpoint).ip, allowLoopback) === null
  const { cluster, local, serving, unserving, frontends } = port
  return {
    ...port,
    cluster: cluster === null ? null : cluster.filter(isSafe),
    local: local === null ? null : local.filter(isSafe),
    serving: serving.filter(isSafe),
    unserving: unserving.filter(isSafe),
    frontends: frontends.map((frontend): Frontend => {
      const { vip: _, ...unplaced } = frontend
      return { ...place(frontend.kind, frontend.ip), ...unplaced }
    }),
  }
}
