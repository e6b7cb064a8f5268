// What kube-relay reads from its own Node object: the topology labels, the addresses, and whether it is about to go.

import { canonicalIp } from './address.ts'
import { readCidr } from './cidr.ts'
import { asFields, asList, asString, type Fields } from './fields.ts'
import { objectName, type KubeObject } from './objects.ts'

/** This node as policy sees it. `zone` is "" where the node has none or isn't known yet. */
export interface NodeInfo {
  readonly name: string
  readonly zone: string
  /** Canonical IPs from status.addresses, InternalIP before ExternalIP; the first is the primary one. */
  readonly ips: readonly string[]
  /** CIDRs of the pods that run on this node. */
  readonly podCidrs: readonly string[]
}

/** The taint by which the cluster autoscaler announces that it will delete the node; its value and effect don't matter. */
export const toBeDeletedTaint = 'ToBeDeletedByClusterAutoscaler'

const zoneLabel = 'topology.kubernetes.io/zone'

export function readNode(object: KubeObject): NodeInfo {
  const addresses = asList(asFields(object['status'])['addresses']).map(asFields)
  const ofType = (type: string): (string | null)[] =>
    addresses.filter(entry => entry['type'] === type).map(entry => canonicalIp(entry['address']))
  const ips = [...ofType('InternalIP'), ...ofType('ExternalIP')].filter(ip => ip !== null)
  return {
    name: objectName(object).name,
    zone: asString(asFields(asFields(object.metadata)['labels'])[zoneLabel]),
    ips: [...new Set(ips)],
    podCidrs: readPodCidrs(asFields(object['spec'])),
  }
}

function readPodCidrs(spec: Fields): readonly string[] {
  const listed = asList(spec['podCIDRs'])
  const cidrs = (listed.length > 0 ? listed : [spec['podCIDR']]).map(readCidr)
  return cidrs.filter(cidr => cidr !== null).map(cidr => cidr.text)
}

/**
 * Whether load balancers may send traffic to the node: it is neither being deleted nor tainted for it (KEP-3836).
 * kube-proxy's rule for its /healthz.
 */
export function isNodeEligible(object: KubeObject): boolean {
  const taints = asList(asFields(object['spec'])['taints']).map(asFields)
  if (taints.some(taint => taint['key'] === toBeDeletedTaint)) return false
  return asString(asFields(object.metadata)['deletionTimestamp']) === ''
}
