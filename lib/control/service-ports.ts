// From a Service and its endpoints to the entries of the proxy table. Pure: what is needed besides comes in as
// functions, so that one Service can be rebuilt alone.

import { formatAddress, familyOf, type IpFamily, type Protocol } from '../model/address.ts'
import { readProxySettings, type ProxySettings } from '../model/proxy-settings.ts'
import { servicePortKey, type Frontend, type ServicePort } from '../model/proxy-table.ts'
import type { Service, ServicePortSpec } from '../model/service.ts'
import { eligibleEndpoints, type Endpoint } from '../policy/eligible-endpoints.ts'
import { frontendKey, type FrontendAddress, type FrontendKey } from './frontend-claims.ts'
import type { VipMark } from './vip-marks.ts'

export interface BuildContext {
  readonly nodeName: string
  readonly zone: string
  /** What holds for a Service without annotations. */
  readonly defaults: ProxySettings
  /** This node's own addresses. */
  readonly localIps: ReadonlySet<string>
  readonly nodePortIps: (family: IpFamily, protocol: Protocol) => readonly string[]
  readonly endpoints: (family: IpFamily, portName: string, protocol: Protocol) => readonly Endpoint[]
  /** Why an endpoint must not be dialed, or null. */
  readonly refusal: (endpoint: Endpoint, protocol: Protocol) => string | null
  /** Whether the address has to be made local, or why it must not be; nothing where neither is so. */
  readonly place: (kind: Frontend['kind'], ip: string) => VipMark
  /** The Service that owns a frontend. */
  readonly owner: (frontend: FrontendAddress) => string | undefined
}

const families: readonly IpFamily[] = ['IPv4', 'IPv6']

/** What building one Service's ports shares. */
interface ServiceContext extends BuildContext {
  readonly settings: ProxySettings
  /** The Service's own frontends so far, and the port that has each. */
  readonly taken: Map<FrontendKey, string>
}

/** One service port in one family, with the addresses it wants. SCTP ones have none: nobody serves them. */
interface PortInFamily {
  readonly port: ServicePortSpec & { readonly protocol: Protocol }
  readonly family: IpFamily
}

/** What decides on a Service's frontends alone. */
type FrontendContext = Pick<BuildContext, 'nodePortIps' | 'localIps' | 'place'>

/**
 * Every frontend that the Service wants to open, whether or not it gets them. One that must not be opened isn't claimed:
 * naming an endpoint's address as an external IP must not turn the endpoint into a loop.
 */
export function claimedFrontends(
  service: Service,
  context: FrontendContext,
): ReadonlyMap<FrontendKey, FrontendAddress> {
  const claimed = new Map<FrontendKey, FrontendAddress>()
  for (const each of portsByFamily(service)) {
    for (const { ip, port, conflict } of frontendsOf(service, each, context)) {
      if (conflict !== undefined) continue
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
  const { settings, problems: misread } = readProxySettings(service.annotations, context.defaults)
  const problems = service.ports
    .filter(({ protocol }) => protocol === 'SCTP')
    .map(port => `port ${port.port} is SCTP, which kube-relay can't proxy`)
  const taken = new Map<FrontendKey, string>()
  const ports = portsByFamily(service).map(each =>
    buildServicePort(service, each, { ...context, settings, taken }, problems),
  )
  return { ports, problems: [...misread, ...problems] }
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
  context: ServiceContext,
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
    serving: addressesOf(dialable.filter(isServing)) ?? [],
    unserving: addressesOf(dialable.filter(endpoint => !isServing(endpoint))) ?? [],
    settings: context.settings,
    frontends: frontendsOf(service, each, context).map(frontend => {
      const conflict = frontend.conflict ?? conflictOf(frontend, service, port, context)
      if (conflict === null) return frontend
      const address = formatAddress(frontend.ip, frontend.port)
      problems.push(`${frontend.kind} ${address} (${port.protocol}) is ${conflict}: not served`)
      return { ...frontend, conflict }
    }),
  }
}

/** Who else has the frontend: an older Service, or an earlier port of the same one. */
function conflictOf(
  { ip, port: number }: Frontend,
  { namespace, name }: Service,
  port: PortInFamily['port'],
  context: ServiceContext,
): string | null {
  const address = { protocol: port.protocol, ip, port: number }
  const owner = context.owner(address)
  if (owner !== undefined && owner !== `${namespace}/${name}`) return `held by ${owner}`
  const key = frontendKey(address)
  const earlier = context.taken.get(key)
  if (earlier !== undefined) return `held by ${earlier}`
  context.taken.set(key, `${namespace}/${name}:${port.name}`)
  return null
}

/**
 * Of a Service with publishNotReadyAddresses, every endpoint is ready, whether it serves or not. As it gets new flows,
 * those that it has must not be cut.
 */
function isServing(endpoint: Endpoint): boolean {
  return endpoint.serving || endpoint.ready
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
  { nodePortIps, localIps, place }: FrontendContext,
): readonly Frontend[] {
  const internal: ListChoice = { list: service.internalPolicyLocal ? 'local' : 'cluster' }
  // The policy is for traffic from outside: this node and its pods get to every endpoint even so.
  const external: ListChoice = service.externalPolicyLocal
    ? { list: 'local', shortCircuit: true }
    : { list: 'cluster' }
  const clusterIp = service.clusterIps[family]
  const ofFamily = (ips: readonly string[]): readonly string[] => ips.filter(ip => familyOf(ip) === family)
  const frontends = new Map<string, Frontend>()
  const add = (kind: Frontend['kind'], ip: string, number: number, choice: ListChoice): void => {
    const address = formatAddress(ip, number)
    // An address may be named twice, as a nodePort and a port of a cluster IP: it is opened once.
    if (!frontends.has(address))
      frontends.set(address, { kind, ip, port: number, ...choice, ...place(kind, ip) })
  }
  if (clusterIp !== undefined) add('ClusterIP', clusterIp, port.port, internal)
  if (port.nodePort !== 0) {
    for (const ip of nodePortIps(family, port.protocol)) add('NodePort', ip, port.nodePort, external)
  }
  const loadBalancerIps = ofFamily(service.loadBalancerIps)
  for (const ip of ofFamily(service.externalIps)) {
    // An address that is both must not lose its source ranges by being an external IP as well.
    if (!loadBalancerIps.includes(ip)) add('ExternalIP', ip, port.port, external)
  }
  for (const ip of loadBalancerIps) {
    const sourceRanges = sourceRangesFor(ip, service.sourceRanges, localIps)
    add('LoadBalancerIP', ip, port.port, sourceRanges === null ? external : { ...external, sourceRanges })
  }
  return [...frontends.values()]
}

type ListChoice = Pick<Frontend, 'list' | 'shortCircuit' | 'sourceRanges'>

/**
 * The sources that may reach a load balancer IP; null: all, also where no range is of its family. If this node is
 * among them, so is the IP itself: that is the source the kernel gives a connection from the node to an address that
 * is local to it.
 */
function sourceRangesFor(
  ip: string,
  ranges: Service['sourceRanges'],
  localIps: ReadonlySet<string>,
): readonly string[] | null {
  if (ranges === null) return null
  const ofFamily = ranges.filter(range => range.family === familyOf(ip))
  if (ofFamily.length === 0 && ranges.length > 0) return null
  const texts = ofFamily.map(range => range.text)
  const holdsNode = [...localIps].some(local => ofFamily.some(range => range.contains(local)))
  return holdsNode ? [...texts, singleAddress(ip)] : texts
}

/** An address as the CIDR that holds nothing else. */
export function singleAddress(ip: string): string {
  return `${ip}/${familyOf(ip) === 'IPv4' ? 32 : 128}`
}
