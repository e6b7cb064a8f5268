// Services, EndpointSlices and Pods after the schema has checked them: a field is of its type or absent. Only the
// fields that the control plane itself reads or writes are here; objects carry more. What the agent reads from an
// API server is another matter (lib/model), because it can't trust what it gets.

import type { KubeObject } from '../../model/objects.ts'

export type ServiceType = 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName'

export interface ServicePort {
  readonly name?: string
  readonly protocol?: string
  readonly appProtocol?: string
  readonly port?: number
  readonly targetPort?: number | string
  readonly nodePort?: number
}

export interface ServiceSpec {
  readonly type?: string
  readonly ports?: readonly ServicePort[]
  readonly selector?: Readonly<Record<string, string>>
  readonly clusterIP?: string
  readonly clusterIPs?: readonly string[]
  readonly ipFamilies?: readonly string[]
  readonly ipFamilyPolicy?: string
  readonly externalIPs?: readonly string[]
  readonly externalName?: string
  readonly sessionAffinity?: string
  readonly sessionAffinityConfig?: { readonly clientIP?: { readonly timeoutSeconds?: number } }
  readonly loadBalancerIP?: string
  readonly loadBalancerClass?: string
  readonly loadBalancerSourceRanges?: readonly string[]
  readonly externalTrafficPolicy?: string
  readonly internalTrafficPolicy?: string
  readonly healthCheckNodePort?: number
  readonly allocateLoadBalancerNodePorts?: boolean
  readonly publishNotReadyAddresses?: boolean
  readonly trafficDistribution?: string
}

export interface LoadBalancerIngress {
  readonly ip?: string
  readonly ipMode?: string
  readonly hostname?: string
}

export interface Service extends KubeObject {
  readonly spec: ServiceSpec
  readonly status?: { readonly loadBalancer?: { readonly ingress?: readonly LoadBalancerIngress[] } }
}

export interface EndpointHints {
  readonly forZones?: readonly { readonly name?: string }[]
  readonly forNodes?: readonly { readonly name?: string }[]
}

export interface Endpoint {
  readonly addresses?: readonly string[]
  readonly conditions?: {
    readonly ready?: boolean
    readonly serving?: boolean
    readonly terminating?: boolean
  }
  readonly hostname?: string
  readonly nodeName?: string
  readonly zone?: string
  readonly hints?: EndpointHints
  readonly targetRef?: Readonly<Record<string, string>>
}

export interface EndpointPort {
  readonly name?: string
  readonly protocol?: string
  readonly port?: number
  readonly appProtocol?: string
}

export interface EndpointSlice extends KubeObject {
  readonly addressType?: string
  /** The server writes null where there are none. */
  readonly endpoints?: readonly Endpoint[] | null
  readonly ports?: readonly EndpointPort[] | null
}

export interface EndpointAddress {
  readonly ip?: string
  readonly hostname?: string
  readonly nodeName?: string
  readonly targetRef?: Readonly<Record<string, string>>
}

export interface EndpointSubset {
  readonly addresses?: readonly EndpointAddress[]
  readonly notReadyAddresses?: readonly EndpointAddress[]
  readonly ports?: readonly EndpointPort[]
}

export interface Endpoints extends KubeObject {
  readonly subsets?: readonly EndpointSubset[]
}

export interface ContainerPort {
  readonly name?: string
  readonly containerPort?: number
  readonly protocol?: string
}

export interface Container {
  readonly name?: string
  readonly image?: string
  /** Of an init container that goes on running: "Always". */
  readonly restartPolicy?: string
  readonly ports?: readonly ContainerPort[]
}

export interface PodCondition {
  readonly type?: string
  readonly status?: string
  readonly lastTransitionTime?: string
}

/** Where a process listens in place of one of its pod's ports. */
export interface ListeningPort {
  readonly protocol: string
  readonly containerPort: number
  readonly port: number
}

export interface Pod extends KubeObject {
  readonly spec?: {
    readonly nodeName?: string
    readonly hostname?: string
    readonly subdomain?: string
    readonly containers?: readonly Container[]
    readonly initContainers?: readonly Container[]
  }
  readonly status?: {
    readonly phase?: string
    readonly podIP?: string
    readonly podIPs?: readonly { readonly ip?: string }[]
    readonly conditions?: readonly PodCondition[]
    /** Ours: see pod-ports.ts. */
    readonly listening?: readonly ListeningPort[]
  }
}
