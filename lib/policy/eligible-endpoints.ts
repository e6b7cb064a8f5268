// Which endpoints of a service port may get new connections, by readiness, topology and traffic policy. A pure
// function of what is known now; the rules are kube-proxy's (pkg/proxy/topology.go, KEPs 1669, 2433, 3015).

import type { SliceEndpoint } from '../model/endpoint-slice.ts'

/** An endpoint of one service port: an address of a slice, with the slice's port. */
export interface Endpoint extends SliceEndpoint {
  readonly port: number
}

export interface EligibleEndpoints<E> {
  /** null: the service port doesn't use the list, which is something else than an empty one. */
  readonly cluster: readonly E[] | null
  readonly local: readonly E[] | null
  /** Some endpoint, anywhere, is ready or still serves while it terminates. */
  readonly hasAny: boolean
}

export interface EligibilityRules {
  readonly usesCluster: boolean
  readonly usesLocal: boolean
  readonly nodeName: string
  /** "" where the node has no zone or isn't known yet: hints for zones are then ignored. */
  readonly zone: string
}

export function eligibleEndpoints<E extends SliceEndpoint>(
  endpoints: readonly E[],
  rules: EligibilityRules,
): EligibleEndpoints<E> {
  const ready = endpoints.filter(endpoint => endpoint.ready)
  const fallback = endpoints.filter(endpoint => endpoint.serving && endpoint.terminating)
  const isLocal = (endpoint: E): boolean => endpoint.nodeName !== '' && endpoint.nodeName === rules.nodeName
  const firstNonEmpty = (preferred: readonly E[], otherwise: readonly E[]): readonly E[] =>
    preferred.length > 0 ? preferred : otherwise
  return {
    cluster: rules.usesCluster ? firstNonEmpty(ready.filter(topologyFilter(ready, rules)), fallback) : null,
    local: rules.usesLocal ? firstNonEmpty(ready.filter(isLocal), fallback.filter(isLocal)) : null,
    hasAny: ready.length > 0 || fallback.length > 0,
  }
}

/**
 * Hints count only where all ready endpoints have them and one of them names this node or zone: a partly
 * hinted set is one that the controller is still changing, and sending all traffic to its hinted part would
 * overload it.
 */
function topologyFilter<E extends SliceEndpoint>(
  ready: readonly E[],
  { nodeName, zone }: EligibilityRules,
): (endpoint: E) => boolean {
  const namesNode = (endpoint: E): boolean => endpoint.nodeHints.includes(nodeName)
  if (nodeName !== '' && ready.every(endpoint => endpoint.nodeHints.length > 0) && ready.some(namesNode)) {
    return namesNode
  }
  const namesZone = (endpoint: E): boolean => endpoint.zoneHints.includes(zone)
  if (zone !== '' && ready.every(endpoint => endpoint.zoneHints.length > 0) && ready.some(namesZone)) {
    return namesZone
  }
  return () => true
}
