// Builders for the objects of a scenario: the usual shape, with overrides. Each is of one IP family.

import type { Family, Protocol } from './place-protocol.ts'
import { specAnnotation } from './newer-fields.ts'
import { podPort, type Addresses } from './topology.ts'

export interface KubeObject {
  readonly apiVersion: string
  readonly kind: 'Service' | 'EndpointSlice'
  readonly metadata: {
    readonly name: string
    readonly namespace: string
    readonly labels?: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
  }
  readonly [field: string]: unknown
}

export interface PortOptions {
  /** Default: the protocol in lower case with the port, such as "tcp-80". */
  readonly name?: string
  /** Default TCP. */
  readonly protocol?: Protocol
  /** Default 80. */
  readonly port?: number
  /** Of the pods; default 8080. */
  readonly targetPort?: number
  readonly nodePort?: number
}

export interface ServiceOptions {
  readonly name: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  /** Default: TCP 80 to the pods' 8080. */
  readonly ports?: readonly PortOptions[]
  /** Anything else of the spec, as Kubernetes names it: type, externalIPs, sessionAffinity … */
  readonly spec?: Readonly<Record<string, unknown>>
}

/** Fields of newer Kubernetes versions than the API server's: they reach the agents by way of an annotation. */
const newerSpecFields = ['internalTrafficPolicy', 'trafficDistribution', 'loadBalancerClass']

export function service(namespace: string, family: Family, options: ServiceOptions): KubeObject {
  const { name, labels = {}, annotations = {}, ports = [{}], spec = {} } = options
  const newer = Object.entries(spec).filter(([field]) => newerSpecFields.includes(field))
  const known = Object.entries(spec).filter(([field]) => !newerSpecFields.includes(field))
  const newerAnnotation =
    newer.length === 0 ? {} : { [specAnnotation]: JSON.stringify(Object.fromEntries(newer)) }
  const external = spec['type'] === 'ExternalName'
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace, labels, annotations: { ...annotations, ...newerAnnotation } },
    spec: {
      ...(external ? {} : { ipFamilyPolicy: 'SingleStack', ipFamilies: [family] }),
      ports: ports.map(port => ({
        name: portName(port),
        protocol: port.protocol ?? 'TCP',
        port: port.port ?? 80,
        targetPort: port.targetPort ?? podPort,
        ...(port.nodePort === undefined ? {} : { nodePort: port.nodePort }),
      })),
      ...Object.fromEntries(known),
    },
  }
}

/** A pod, or a pod with hostNetwork, which has its node's addresses. */
export interface EndpointPod {
  readonly name: string
  readonly addresses: Addresses
  readonly node: string
}

export interface EndpointOptions {
  readonly pod: EndpointPod
  /** Defaults as for a pod that serves: ready, serving, not terminating. */
  readonly ready?: boolean
  readonly serving?: boolean
  readonly terminating?: boolean
  /** Zones of a topology hint. */
  readonly forZones?: readonly string[]
}

export interface EndpointSliceOptions {
  readonly service: string
  /** Default: the service's name with "-1". */
  readonly name?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly endpoints: readonly (EndpointOptions | EndpointPod)[]
  /** As the Service's; each leads to its targetPort. */
  readonly ports?: readonly PortOptions[]
}

/** As the endpoint slice controller would write it. */
export function endpointSlice(namespace: string, family: Family, options: EndpointSliceOptions): KubeObject {
  const { service: serviceName, name = `${serviceName}-1`, labels = {}, ports = [{}] } = options
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name, namespace, labels: { 'kubernetes.io/service-name': serviceName, ...labels } },
    addressType: family,
    endpoints: options.endpoints.map(each => endpoint(family, 'pod' in each ? each : { pod: each })),
    ports: ports.map(port => ({
      name: portName(port),
      protocol: port.protocol ?? 'TCP',
      port: port.targetPort ?? podPort,
    })),
  }
}

function endpoint(family: Family, options: EndpointOptions): object {
  const { pod, terminating = false, forZones } = options
  const { serving = options.ready ?? true, ready = serving && !terminating } = options
  return {
    addresses: [pod.addresses[family]],
    conditions: { ready, serving, terminating },
    nodeName: pod.node,
    ...(forZones === undefined ? {} : { hints: { forZones: forZones.map(name => ({ name })) } }),
  }
}

function portName({ name, protocol = 'TCP', port = 80 }: PortOptions): string {
  return name ?? `${protocol.toLowerCase()}-${port}`
}
