// What kube-relay reads from an EndpointSlice, checked: only the first address of an endpoint counts, missing
// conditions have Kubernetes' defaults, and anything malformed is skipped and named, not fatal to the slice.

import { canonicalIp, familyOf, isPort, type IpFamily } from './address.ts'
import { asBoolean, asFields, asList, asString, describe } from './fields.ts'
import { objectName, type KubeObject } from './objects.ts'
import { headlessLabel, serviceProxyNameLabel } from './service.ts'

export const serviceNameLabel = 'kubernetes.io/service-name'
export const lastChangeTriggerTime = 'endpoints.kubernetes.io/last-change-trigger-time'

/** One endpoint's address with all that policy needs to know of it, whichever of the slice's ports is used. */
export interface SliceEndpoint {
  readonly ip: string
  readonly nodeName: string
  /** Only told: hints decide, not this. */
  readonly zone: string
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
}

/**
 * Reads an EndpointSlice. Null where it has nothing for a proxy: another proxy's, a headless Service's, one of DNS
 * names, or malformed. What is left out is added to `problems`, one sentence each.
 */
export function readEndpointSlice(object: KubeObject, problems: string[] = []): EndpointSlice | null {
  const labels = asFields(asFields(object.metadata)['labels'])
  const family = object['addressType']
  if (serviceProxyNameLabel in labels || headlessLabel in labels || family === 'FQDN') return null
  const serviceName = asString(labels[serviceNameLabel])
  if (serviceName === '') {
    problems.push(`no label ${serviceNameLabel}: ignored`)
    return null
  }
  if (family !== 'IPv4' && family !== 'IPv6') {
    problems.push(`addressType ${describe(family)} is neither IPv4 nor IPv6: ignored`)
    return null
  }
  return {
    ...objectName(object),
    serviceName,
    family,
    ports: readPorts(object['ports'], problems),
    endpoints: asList(object['endpoints']).flatMap(entry => readEndpoint(entry, family, problems)),
  }
}

/** A port without a name or a number is ignored, as in kube-proxy; "" is a valid name. */
function readPorts(value: unknown, problems: string[]): readonly SlicePort[] {
  return asList(value).flatMap(entry => {
    const { name, port, ...rest } = asFields(entry)
    const protocol = rest['protocol'] ?? 'TCP'
    if ((name ?? null) === null || (port ?? 0) === 0) return []
    if (typeof name !== 'string' || !isPort(port)) {
      problems.push(`port ${describe(port)} with name ${describe(name)} is not a port`)
      return []
    }
    if (protocol === 'TCP' || protocol === 'UDP' || protocol === 'SCTP') return [{ name, protocol, port }]
    problems.push(`port ${port} has the unknown protocol ${describe(protocol)}`)
    return []
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
      zone: asString(fields['zone']),
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
