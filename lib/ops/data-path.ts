// Whether clients can be served at all, judged by what the data plane says of itself. Careful on purpose: one frontend
// that can't be bound is that Service's trouble, and must not make a load balancer give up the node for all others.

import type { FrontendStatus, StatusDocument } from './status.ts'

/**
 * Why no client can be served, or null. It is a problem when every frontend that should be open has failed to bind,
 * and when no worker accepts for want of descriptors. Frontends that refuse, for want of endpoints, are as they should be.
 */
export function dataPathProblem({
  services,
  workers,
}: Pick<StatusDocument, 'workers'> & {
  readonly services: readonly { readonly frontends: readonly Pick<FrontendStatus, 'state'>[] }[]
}): string | null {
  const taking = workers.filter(({ draining }) => !draining)
  if (taking.length > 0 && taking.every(({ descriptors }) => !descriptors.accepting)) {
    return 'no connections are accepted: the limit of file descriptors is reached'
  }
  let failed = 0
  for (const { frontends } of services) {
    for (const { state } of frontends) {
      if (state === 'listening' || state === 'binding') return null
      if (state === 'bind-failed') failed++
    }
  }
  return failed === 0 ? null : `none of the ${failed} frontends that should be open could be bound`
}
