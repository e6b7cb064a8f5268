// What kube-relay reads from an EndpointSlice, checked: only the first address of an endpoint counts, missing
// conditions have Kubernetes' defaults, and anything malformed is skipped and named, not fatal to the slice.

import { canonicalIp, familyOf, isPort, type IpFamily } from './address.ts'
import { asBoolean, asFields, asList, asString, asStringMap, describe } from './fields.ts'
import type { KubeObject } from './objects.ts'

export const serviceNameLabel = 'kubernetes.io/service-name'
export const lastChangeTriggerTime = 'endpoints.kubernetes.io/last-change-trigger-time'

/** One endpoint's address with all that policy needs to know of it, whichever of the slice's ports is used. */
export interface SliceEndpoint {
  readonly ip: string
  readonly nodeName: string
  readonly ready: boolean
  readonly serving: boolean
  readonly terminating: boolean
  readonly zoneHints: readonly string[]
  readonly nodeHints: readonly string[]
}

export interface SlicePort {
  readonly name: string
  readonly protocol: 'TCP' | 'UDP' | 'SCTP'
  readonly port: number
}

export interface EndpointSlice {
  readonly namespace: string
  readonly name: string
  readonly serviceName: string
  readonly family: IpFamily
  readonly ports: readonly SlicePort[]
  readonly endpoints: readonly SliceEndpoint[]
  readonly problems: readonly string[]
}

/** Reads an EndpointSlice. Null where it has nothing for a proxy: no service label, or addressType FQDN. */
export function readEndpointSlice(object: KubeObject): EndpointSlice | null {
  const serviceName = asStringMap(object.metadata.labels)[serviceNameLabel]
  const family = object['addressType']
  if (!serviceName || (family !== 'IPv4' && family !== 'IPv6')) return null
  const problems: string[] = []
  return {
    namespace: asString(object.metadata.namespace),
    name: asString(object.metadata.name),
    serviceName,
    family,
    ports: readPorts(object['ports']),
    endpoints: asList(object['endpoints']).flatMap(entry => readEndpoint(entry, family, problems)),
    problems,
  }
}

/** A port without a name, a number or a protocol we know is ignored, as in kube-proxy; "" is a valid name. */
function readPorts(value: unknown): readonly SlicePort[] {
  return asList(value).flatMap(entry => {
    const { name, protocol = 'TCP', port } = asFields(entry)
    if (typeof name !== 'string' || !isPort(port)) return []
    return protocol === 'TCP' || protocol === 'UDP' || protocol === 'SCTP' ? [{ name, protocol, port }] : []
  })
}

function readEndpoint(value: unknown, family: IpFamily, problems: string[]): readonly SliceEndpoint[] {
  const fields = asFields(value)
  const first = asList(fields['addresses'])[0]
  const ip = canonicalIp(first)
  if (ip === null || familyOf(ip) !== family) {
    problems.push(`endpoint address ${describe(first)} is not an ${family} address`)
    return []
  }
  const conditions = asFields(fields['conditions'])
  const hints = asFields(fields['hints'])
  return [
    {
      ip,
      nodeName: asString(fields['nodeName']),
      ready: asBoolean(conditions['ready'], true),
      serving: asBoolean(conditions['serving'], true),
      terminating: asBoolean(conditions['terminating'], false),
      zoneHints: hintNames(hints['forZones']),
      nodeHints: hintNames(hints['forNodes']),
    },
  ]
}

function hintNames(value: unknown): readonly string[] {
  return asList(value)
    .map(hint => asString(asFields(hint)['name']))
    .filter(name => name !== '')
}
