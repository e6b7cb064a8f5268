// What kube-relay reads from its own Node object: the topology labels and the addresses.

import { canonicalIp } from './address.ts'
import { asFields, asList, asString } from './fields.ts'
import { objectName, type KubeObject } from './objects.ts'

/** This node as policy sees it. `zone` is "" where the node has none or isn't known yet. */
export interface NodeInfo {
  readonly name: string
  readonly zone: string
  /** Canonical IPs from status.addresses, InternalIP before ExternalIP; the first is the primary one. */
  readonly ips: readonly string[]
}

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
  }
}
