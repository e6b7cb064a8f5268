// What kube-relay reads from a Service, checked. A field that can't be used is left out and named in
// `problems`; the rest of the Service is still served. targetPort is never read: EndpointSlices have the real port.

import { canonicalIp, familyOf, isHostAddress, isPort, type IpFamily } from './address.ts'
import { asFields, asList, asString, describe, type Fields } from './fields.ts'
import { readCidr, type Cidr } from './cidr.ts'
import { objectName, type KubeObject } from './objects.ts'

export type ServiceType = 'ClusterIP' | 'NodePort' | 'LoadBalancer'

export interface ServicePortSpec {
  readonly name: string
  /** SCTP is kept here so that it can be reported by name; nothing serves it. */
  readonly protocol: 'TCP' | 'UDP' | 'SCTP'
  readonly port: number
  /** 0 where the port has none. */
  readonly nodePort: number
}

export interface Service {
  readonly namespace: string
  readonly name: string
  /** "" where it is missing; only events need it. */
  readonly uid: string
  /** RFC 3339 in UTC, as the API server writes it; "" where it is missing. The older of two claimants wins. */
  readonly createdAt: string
  readonly type: ServiceType
  /** At most one address a family. */
  readonly clusterIps: Readonly<Partial<Record<IpFamily, string>>>
  readonly externalIps: readonly string[]
  readonly loadBalancerIps: readonly string[]
  /** The only sources that may reach the load balancer IPs; null: all may. Empty if none could be read: none may. */
  readonly sourceRanges: readonly Cidr[] | null
  readonly internalPolicyLocal: boolean
  readonly externalPolicyLocal: boolean
  /** Where load balancers ask whether this node has an endpoint; 0 where the Service has no such port. */
  readonly healthCheckNodePort: number
  /** null: no affinity. Otherwise ClientIP affinity with this sliding timeout. */
  readonly affinityTimeoutSeconds: number | null
  readonly ports: readonly ServicePortSpec[]
  /** As they are: readProxySettings makes settings of them. */
  readonly annotations: Fields
  /** One sentence per field that was left out, for the log and for an event. */
  readonly problems: readonly string[]
}

/** Kubernetes' default for sessionAffinityConfig.clientIP.timeoutSeconds: three hours. */
const defaultAffinitySeconds = 10_800

/** The label that hands a Service to another proxy, whatever its value (KEP-2447). */
export const serviceProxyNameLabel = 'service.kubernetes.io/service-proxy-name'
export const headlessLabel = 'service.kubernetes.io/headless'

/**
 * Reads a Service. Null for those that no proxy serves: headless, ExternalName, handed to another proxy, or
 * without a usable cluster IP.
 */
export function readService(object: KubeObject): Service | null {
  const spec = asFields(object['spec'])
  const metadata = asFields(object.metadata)
  const labels = asFields(metadata['labels'])
  if (serviceProxyNameLabel in labels || headlessLabel in labels) return null
  const type = spec['type'] ?? 'ClusterIP'
  if (type === 'ExternalName' || spec['clusterIP'] === 'None') return null
  const problems: string[] = []
  const clusterIps = readClusterIps(spec, problems)
  if (clusterIps.IPv4 === undefined && clusterIps.IPv6 === undefined && problems.length === 0) return null
  const externalIps = readIps(spec['externalIPs'], 'spec.externalIPs', problems).toSorted()
  const knownType = type === 'NodePort' || type === 'LoadBalancer' ? type : 'ClusterIP'
  if (type !== knownType) problems.push(`spec.type ${describe(type)} is unknown, served as ClusterIP`)
  return {
    ...objectName(object),
    uid: asString(metadata['uid']),
    createdAt: readTime(metadata['creationTimestamp']),
    type: knownType,
    clusterIps,
    externalIps,
    loadBalancerIps: knownType === 'LoadBalancer' ? readLoadBalancerIps(object['status'], problems) : [],
    sourceRanges: knownType === 'LoadBalancer' ? readSourceRanges(spec, problems) : null,
    internalPolicyLocal: spec['internalTrafficPolicy'] === 'Local',
    externalPolicyLocal:
      spec['externalTrafficPolicy'] === 'Local' && (knownType !== 'ClusterIP' || externalIps.length > 0),
    healthCheckNodePort: readHealthCheckNodePort(spec, knownType, problems),
    affinityTimeoutSeconds: readAffinity(spec, problems),
    ports: readPorts(spec['ports'], knownType, problems),
    annotations: asFields(metadata['annotations']),
    problems,
  }
}

function readClusterIps(spec: Fields, problems: string[]): Partial<Record<IpFamily, string>> {
  const assigned = [...asList(spec['clusterIPs']), spec['clusterIP']].filter(
    candidate => candidate !== undefined && candidate !== null && candidate !== '' && candidate !== 'None',
  )
  const found: Partial<Record<IpFamily, string>> = {}
  for (const ip of readIps(assigned, 'spec.clusterIPs', problems)) found[familyOf(ip)] ??= ip
  return found
}

/** The addresses that a listener can be opened on, each once, in the order of the field. */
function readIps(value: unknown, field: string, problems: string[]): readonly string[] {
  const ips = new Set<string>()
  for (const candidate of new Set(asList(value))) {
    const ip = canonicalIp(candidate)
    if (ip === null) problems.push(`${field} has ${describe(candidate)}, which is not an IP address`)
    else if (!isHostAddress(ip)) problems.push(`${field} has ${ip}, which no host can have`)
    else ips.add(ip)
  }
  return [...ips]
}

function readTime(value: unknown): string {
  return typeof value === 'string' && /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(value) ? value : ''
}

/** Ingress IPs that are ours to serve: ipMode VIP or absent. `Proxy` ones go to the load balancer (KEP-1860). */
function readLoadBalancerIps(status: unknown, problems: string[]): readonly string[] {
  const ingress = asList(asFields(asFields(status)['loadBalancer'])['ingress']).map(asFields)
  const ours = ingress.filter(entry => entry['ip'] && (entry['ipMode'] ?? 'VIP') === 'VIP')
  const ips = ours.map(entry => entry['ip'])
  return readIps(ips, 'status.loadBalancer.ingress', problems).toSorted()
}

/** A range that can't be read is left out, not the restriction: a typing error mustn't open a Service to everyone. */
function readSourceRanges(spec: Fields, problems: string[]): readonly Cidr[] | null {
  const listed = spec['loadBalancerSourceRanges'] ?? []
  if (!Array.isArray(listed)) {
    problems.push(`spec.loadBalancerSourceRanges is ${describe(listed)}, which is not a list`)
    return []
  }
  if (listed.length === 0) return null
  return asList(listed).flatMap(candidate => {
    const cidr = readCidr(candidate)
    if (cidr !== null) return [cidr]
    problems.push(`spec.loadBalancerSourceRanges has ${describe(candidate)}, which is not a CIDR`)
    return []
  })
}

function readAffinity(spec: Fields, problems: string[]): number | null {
  const affinity = spec['sessionAffinity'] ?? 'None'
  if (affinity === 'None' || affinity === '') return null
  if (affinity !== 'ClientIP') {
    problems.push(`spec.sessionAffinity ${describe(affinity)} is unknown, served without affinity`)
    return null
  }
  const clientIp = asFields(asFields(spec['sessionAffinityConfig'])['clientIP'])
  const seconds = clientIp['timeoutSeconds'] ?? defaultAffinitySeconds
  if (typeof seconds === 'number' && Number.isInteger(seconds) && seconds > 0 && seconds <= 86_400)
    return seconds
  problems.push(`sessionAffinityConfig.clientIP.timeoutSeconds ${describe(seconds)} is not within 1 to 86400`)
  return defaultAffinitySeconds
}

function readPorts(value: unknown, type: ServiceType, problems: string[]): readonly ServicePortSpec[] {
  const ports: ServicePortSpec[] = []
  const seen = new Set<string>()
  for (const [index, entry] of asList(value).entries()) {
    const fields = asFields(entry)
    const at = `spec.ports[${index}]`
    const protocol = fields['protocol'] ?? 'TCP'
    const name = fields['name'] ?? ''
    const port = fields['port']
    if (protocol !== 'TCP' && protocol !== 'UDP' && protocol !== 'SCTP') {
      problems.push(`${at}.protocol ${describe(protocol)} is unknown`)
    } else if (!isPortName(name)) {
      problems.push(`${at}.name ${describe(name)} is not a port name`)
    } else if (!isPort(port)) {
      problems.push(`${at}.port ${describe(port)} is not a port (1 to 65535)`)
    } else if (seen.has(`${name}/${protocol}`)) {
      problems.push(`${at} repeats the name ${describe(name)} for ${protocol}`)
    } else {
      seen.add(`${name}/${protocol}`)
      ports.push({ name, protocol, port, nodePort: readNodePort(fields['nodePort'], type, at, problems) })
    }
  }
  return ports
}

/** As the API allows them (RFC 1123 labels), or none; others may hold the separators that keys are made with. */
function isPortName(name: unknown): name is string {
  return typeof name === 'string' && name.length <= 63 && /^[-a-zA-Z0-9]*$/.test(name)
}

function readNodePort(value: unknown, type: ServiceType, at: string, problems: string[]): number {
  if (type === 'ClusterIP' || value === undefined || value === null || value === 0) return 0
  if (isPort(value)) return value
  problems.push(`${at}.nodePort ${describe(value)} is not a port (1 to 65535)`)
  return 0
}

/** The API server keeps the field after a change of type or policy; it counts for load balancers with Local only. */
function readHealthCheckNodePort(spec: Fields, type: ServiceType, problems: string[]): number {
  const value = spec['healthCheckNodePort'] ?? 0
  if (type !== 'LoadBalancer' || spec['externalTrafficPolicy'] !== 'Local' || value === 0) return 0
  if (isPort(value)) return value
  problems.push(`spec.healthCheckNodePort ${describe(value)} is not a port (1 to 65535)`)
  return 0
}
