// A Pod as an endpoint of a Service: whether it is one, at which address, in which state, and for whom it is meant.
// After the real controller (staging/src/k8s.io/endpointslice: utils.go, util/controller_utils.go, trafficdist).

import { canonicalIp, familyOf } from '../../model/address.ts'
import type { Endpoint, EndpointHints, Pod, PodCondition, Service } from '../kinds/api-types.ts'
import { FieldErrors } from '../kinds/field-errors.ts'
import { checkPublicIp } from '../kinds/metadata-validation.ts'

/** A node's zone; undefined where it has none, or where there is no such Node. */
export type ZoneOf = (nodeName: string) => string | undefined

/**
 * The endpoint that a selected Pod is in this family; undefined for a Pod that is finished or has no usable address.
 * One that terminates stays an endpoint until it is gone. Unlike on a real cluster, the Pod's Node needn't exist:
 * Pods of a manifest folder may be anywhere.
 */
export function podEndpoint(
  service: Service,
  pod: Pod,
  family: string,
  zoneOf: ZoneOf,
): Endpoint | undefined {
  const ip = podIpOf(pod, family)
  if (ip === undefined || pod.status?.phase === 'Failed' || pod.status?.phase === 'Succeeded')
    return undefined
  const terminating = pod.metadata.deletionTimestamp !== undefined
  const serving = readyCondition(pod)?.status === 'True'
  const ready = service.spec.publishNotReadyAddresses === true || (serving && !terminating)
  const { nodeName, hostname, subdomain } = pod.spec ?? {}
  const zone = nodeName ? zoneOf(nodeName) : undefined
  const { name = '', namespace = '', uid = '' } = pod.metadata
  const hints = ready ? hintsFor(service, nodeName, zone) : undefined
  return {
    addresses: [ip],
    conditions: { ready, serving, terminating },
    ...(hostname && subdomain === service.metadata.name ? { hostname } : {}),
    targetRef: { kind: 'Pod', namespace, name, uid },
    ...(nodeName ? { nodeName } : {}),
    ...(zone ? { zone } : {}),
    ...(hints ? { hints } : {}),
  }
}

export function readyCondition(pod: Pod): PodCondition | undefined {
  return pod.status?.conditions?.find(({ type }) => type === 'Ready')
}

/**
 * What `trafficDistribution` asks for. The annotation for topology aware hints, which needs the nodes' CPUs to share
 * traffic out, switches that off, and gives no hints here, as on a cluster whose nodes don't tell their CPUs.
 */
function hintsFor(
  { metadata, spec }: Service,
  nodeName: string | undefined,
  zone: string | undefined,
): EndpointHints | undefined {
  const { trafficDistribution = '' } = spec
  if (!['PreferClose', 'PreferSameZone', 'PreferSameNode'].includes(trafficDistribution)) return undefined
  const { annotations } = metadata
  const mode =
    annotations?.['service.kubernetes.io/topology-aware-hints'] ??
    annotations?.['service.kubernetes.io/topology-mode']
  if (mode === 'Auto' || mode === 'auto') return undefined
  const forZones = zone ? [{ name: zone }] : undefined
  const forNodes = nodeName && trafficDistribution === 'PreferSameNode' ? [{ name: nodeName }] : undefined
  if (!forZones && !forNodes) return undefined
  return { ...(forZones ? { forZones } : {}), ...(forNodes ? { forNodes } : {}) }
}

/** An address that no slice may have would keep all others of the Service from being written, so it is passed over. */
function podIpOf(pod: Pod, family: string): string | undefined {
  const { podIP, podIPs } = pod.status ?? {}
  for (const text of [...(podIPs ?? []).map(entry => entry.ip), podIP]) {
    const ip = canonicalIp(text)
    if (ip === null || familyOf(ip) !== family) continue
    const errors = new FieldErrors()
    checkPublicIp(ip, 'status.podIP', errors)
    if (errors.causes.length === 0) return ip
  }
  return undefined
}
