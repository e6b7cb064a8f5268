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

/**
 * Why a list passes an endpoint by: it doesn't serve (`terminating` where that is its end), it serves until its end and
 * others are ready (`last-resort`), it isn't on this node, or its hints keep it for other nodes or zones.
 */
export type Ineligibility =
  'not-ready' | 'terminating' | 'last-resort' | 'other-node' | 'node-hints' | 'zone-hints'

/** null: the endpoint is eligible. */
export type Judge<E> = (endpoint: E) => Ineligibility | null

/** Judges of the endpoints they were made for, one for each list; null where the service port doesn't use it. */
export interface EndpointJudges<E> {
  readonly cluster: Judge<E> | null
  readonly local: Judge<E> | null
}

export function eligibleEndpoints<E extends SliceEndpoint>(
  endpoints: readonly E[],
  rules: EligibilityRules,
): EligibleEndpoints<E> {
  const { cluster, local } = endpointJudges(endpoints, rules)
  const chosen = (judge: Judge<E> | null): readonly E[] | null =>
    judge === null ? null : endpoints.filter(endpoint => judge(endpoint) === null)
  return { cluster: chosen(cluster), local: chosen(local), hasAny: endpoints.some(isUsable) }
}

/** The same decision, endpoint by endpoint, with its reasons. */
export function endpointJudges<E extends SliceEndpoint>(
  endpoints: readonly E[],
  rules: EligibilityRules,
): EndpointJudges<E> {
  const { usesCluster, usesLocal, nodeName } = rules
  const offNode = (endpoint: E): Ineligibility | null =>
    endpoint.nodeName !== '' && endpoint.nodeName === nodeName ? null : 'other-node'
  return {
    cluster: usesCluster ? judge(endpoints, hintsFor(endpoints, rules)) : null,
    local: usesLocal ? judge(endpoints, offNode) : null,
  }
}

/** Ready endpoints that nothing keeps out; without any, those that serve until their end. */
function judge<E extends SliceEndpoint>(endpoints: readonly E[], keptOut: Judge<E>): Judge<E> {
  const someReady = endpoints.some(endpoint => endpoint.ready && keptOut(endpoint) === null)
  return endpoint => {
    if (!isUsable(endpoint)) return endpoint.terminating ? 'terminating' : 'not-ready'
    return keptOut(endpoint) ?? (endpoint.ready || !someReady ? null : 'last-resort')
  }
}

function isUsable({ ready, serving, terminating }: SliceEndpoint): boolean {
  return ready || (serving && terminating)
}

/**
 * Hints count only where all ready endpoints have them and one of them names this node or zone: a partly
 * hinted set is one that the controller is still changing, and sending all traffic to its hinted part would
 * overload it. The last resort has no hints to heed.
 */
function hintsFor<E extends SliceEndpoint>(
  endpoints: readonly E[],
  { nodeName, zone }: EligibilityRules,
): Judge<E> {
  const ready = endpoints.filter(endpoint => endpoint.ready)
  const namesNode = (endpoint: E): boolean => endpoint.nodeHints.includes(nodeName)
  if (nodeName !== '' && ready.every(endpoint => endpoint.nodeHints.length > 0) && ready.some(namesNode)) {
    return endpoint => (!endpoint.ready || namesNode(endpoint) ? null : 'node-hints')
  }
  const namesZone = (endpoint: E): boolean => endpoint.zoneHints.includes(zone)
  if (zone !== '' && ready.every(endpoint => endpoint.zoneHints.length > 0) && ready.some(namesZone)) {
    return endpoint => (!endpoint.ready || namesZone(endpoint) ? null : 'zone-hints')
  }
  return () => null
}
