// From a Service and its endpoints to the entries of the proxy table. Pure: what is needed besides comes in as
// functions, so that one Service can be rebuilt alone.

import { formatAddress, familyOf, type IpFamily, type Protocol } from '../model/address.ts'
import { servicePortKey, type Frontend, type ServicePort } from '../model/proxy-table.ts'
import type { Service, ServicePortSpec } from '../model/service.ts'
import { eligibleEndpoints, type Endpoint } from '../policy/eligible-endpoints.ts'
import { frontendKey, type FrontendAddress, type FrontendKey } from './frontend-claims.ts'

export interface BuildContext {
  readonly nodeName: string
  readonly zone: string
  readonly nodePortIps: (family: IpFamily, protocol: Protocol) => readonly string[]
  readonly endpoints: (family: IpFamily, portName: string, protocol: Protocol) => readonly Endpoint[]
  /** Why an endpoint must not be dialed, or null. */
  readonly refusal: (endpoint: Endpoint, protocol: Protocol) => string | null
  /** The Service that owns a frontend. */
  readonly owner: (frontend: FrontendAddress) => string | undefined
}

const families: readonly IpFamily[] = ['IPv4', 'IPv6']

/** One service port in one family, with the addresses it wants. SCTP ones have none: nobody serves them. */
interface PortInFamily {
  readonly port: ServicePortSpec & { readonly protocol: Protocol }
  readonly family: IpFamily
}

/** Every frontend that the Service wants to open, whether or not it gets them. */
export function claimedFrontends(
  service: Service,
  context: Pick<BuildContext, 'nodePortIps'>,
): ReadonlyMap<FrontendKey, FrontendAddress> {
  const claimed = new Map<FrontendKey, FrontendAddress>()
  for (const each of portsByFamily(service)) {
    for (const { ip, port } of frontendsOf(service, each, context.nodePortIps)) {
      const address = { protocol: each.port.protocol, ip, port }
      claimed.set(frontendKey(address), address)
    }
  }
  return claimed
}

/** The table entries of a Service, and a sentence for each endpoint, frontend or port that is refused. */
export function buildServicePorts(
  service: Service,
  context: BuildContext,
): { readonly ports: readonly ServicePort[]; readonly problems: readonly string[] } {
  const problems = service.ports
    .filter(({ protocol }) => protocol === 'SCTP')
    .map(port => `port ${port.port} is SCTP, which kube-relay can't proxy`)
  const taken = new Map<FrontendKey, string>()
  const ports = portsByFamily(service).map(each => buildServicePort(service, each, context, taken, problems))
  return { ports, problems }
}

function portsByFamily(service: Service): readonly PortInFamily[] {
  return families
    .filter(family => service.clusterIps[family] !== undefined)
    .flatMap(family =>
      service.ports.flatMap(port =>
        port.protocol === 'SCTP' ? [] : [{ port: { ...port, protocol: port.protocol }, family }],
      ),
    )
}

function buildServicePort(
  service: Service,
  each: PortInFamily,
  context: BuildContext,
  taken: Map<FrontendKey, string>,
  problems: string[],
): ServicePort {
  const { port, family } = each
  const { namespace, name } = service
  const { nodeName, zone } = context
  const dialable = context.endpoints(family, port.name, port.protocol).filter(endpoint => {
    const refusal = context.refusal(endpoint, port.protocol)
    if (refusal !== null) {
      problems.push(`endpoint ${formatAddress(endpoint.ip, endpoint.port)} is ${refusal}: not dialed`)
    }
    return refusal === null
  })
  const eligible = eligibleEndpoints(dialable, { nodeName, zone, ...usedLists(service, each) })
  return {
    key: servicePortKey(namespace, name, port.name, port.protocol, family),
    namespace,
    name,
    portName: port.name,
    protocol: port.protocol,
    family,
    type: service.type,
    affinityTimeoutSeconds: service.affinityTimeoutSeconds,
    cluster: addressesOf(eligible.cluster),
    local: addressesOf(eligible.local),
    serving: addressesOf(dialable.filter(endpoint => endpoint.serving)) ?? [],
    frontends: frontendsOf(service, each, context.nodePortIps).map(frontend => {
      const conflict = conflictOf(frontend, service, port, context, taken)
      if (conflict === null) return frontend
      const address = formatAddress(frontend.ip, frontend.port)
      problems.push(`${frontend.kind} ${address} (${port.protocol}) belongs to ${conflict}: not served`)
      return { ...frontend, conflict }
    }),
  }
}

/** Who else has the frontend: an older Service, or an earlier port of the same one. */
function conflictOf(
  { ip, port: number }: Frontend,
  { namespace, name }: Service,
  port: PortInFamily['port'],
  context: BuildContext,
  taken: Map<FrontendKey, string>,
): string | null {
  const address = { protocol: port.protocol, ip, port: number }
  const owner = context.owner(address)
  if (owner !== undefined && owner !== `${namespace}/${name}`) return owner
  const key = frontendKey(address)
  const earlier = taken.get(key)
  if (earlier !== undefined) return earlier
  taken.set(key, `${namespace}/${name}:${port.name}`)
  return null
}

function addressesOf(endpoints: readonly Endpoint[] | null): readonly string[] | null {
  return endpoints?.map(({ ip, port }) => formatAddress(ip, port)) ?? null
}

function usedLists(
  service: Service,
  { port, family }: PortInFamily,
): { usesCluster: boolean; usesLocal: boolean } {
  const ofFamily = (ips: readonly string[]): boolean => ips.some(ip => familyOf(ip) === family)
  const external = port.nodePort !== 0 || ofFamily(service.loadBalancerIps) || ofFamily(service.externalIps)
  return {
    usesCluster: !service.internalPolicyLocal || external,
    usesLocal: service.internalPolicyLocal || (service.externalPolicyLocal && external),
  }
}

function frontendsOf(
  service: Service,
  { port, family }: PortInFamily,
  nodePortIps: BuildContext['nodePortIps'],
): readonly Frontend[] {
  const internal = service.internalPolicyLocal ? 'local' : 'cluster'
  const external = service.externalPolicyLocal ? 'local' : 'cluster'
  const clusterIp = service.clusterIps[family]
  const ofFamily = (ips: readonly string[]): readonly string[] => ips.filter(ip => familyOf(ip) === family)
  const frontends = new Map<string, Frontend>()
  const add = (kind: Frontend['kind'], ip: string, number: number, list: Frontend['list']): void => {
    const address = formatAddress(ip, number)
    // An address may be named twice, as an external IP and by the load balancer: it is opened once.
    if (!frontends.has(address)) frontends.set(address, { kind, ip, port: number, list })
  }
  if (clusterIp !== undefined) add('ClusterIP', clusterIp, port.port, internal)
  if (port.nodePort !== 0) {
    for (const ip of nodePortIps(family, port.protocol)) add('NodePort', ip, port.nodePort, external)
  }
  for (const ip of ofFamily(service.externalIps)) add('ExternalIP', ip, port.port, external)
  for (const ip of ofFamily(service.loadBalancerIps)) add('LoadBalancerIP', ip, port.port, external)
  return [...frontends.values()]
}
