// The proxy table: frontends → service ports → endpoints, as the data plane gets it. It is plain JSON, so that
// it can cross a process boundary or go to disk as it is, and every part of it is canonical (addresses sorted
// and unique), so that equal content is equal text.

import type { IpFamily, Protocol } from './address.ts'
import type { ProxySettings } from './proxy-settings.ts'
import type { ServiceType } from './service.ts'

export type FrontendKind = 'ClusterIP' | 'NodePort' | 'ExternalIP' | 'LoadBalancerIP'

/** An address that clients connect to. `ip` may be a wildcard ("0.0.0.0", "::") for NodePorts. */
export interface Frontend {
  readonly kind: FrontendKind
  readonly ip: string
  readonly port: number
  /** Which of the service port's endpoint lists its connections take. */
  readonly list: 'cluster' | 'local'
  /** Connections from this node and its pods take the cluster list instead, whatever the policy (KEP-1669). */
  readonly shortCircuit?: true
  /** The only sources that may connect, as CIDRs; absent: everyone may. */
  readonly sourceRanges?: readonly string[]
  /** The address isn't the node's own: it has to be made local, and may be so in a namespace of its own. */
  readonly vip?: true
  /** Why this frontend must not be opened: "held by default/other", "inside the pods' range 10.244.1.0/24". */
  readonly conflict?: string
}

/** Identity of a service port within one IP family: "namespace/name:portName/TCP/IPv4". */
export type ServicePortKey = string & { readonly brand: 'ServicePortKey' }

export function servicePortKey(
  namespace: string,
  name: string,
  portName: string,
  protocol: Protocol,
  family: IpFamily,
): ServicePortKey {
  return `${namespace}/${name}:${portName}/${protocol}/${family}` as ServicePortKey
}

/** One port of one Service in one IP family, with the endpoints ("ip:port") that may serve it now. */
export interface ServicePort {
  readonly key: ServicePortKey
  readonly namespace: string
  readonly name: string
  readonly portName: string
  readonly protocol: Protocol
  readonly family: IpFamily
  readonly type: ServiceType
  readonly affinityTimeoutSeconds: number | null
  /** Eligible endpoints by policy. null: no frontend of this service port uses the list. */
  readonly cluster: readonly string[] | null
  readonly local: readonly string[] | null
  /** Every endpoint that still serves, eligible or not: UDP flows to any other are cut. */
  readonly serving: readonly string[]
  /** Endpoints that exist but neither serve nor are eligible: their connections aren't drained yet. */
  readonly unserving: readonly string[]
  readonly settings: ProxySettings
  readonly frontends: readonly Frontend[]
}

/** What the control plane sends to a data plane. Generations grow by one; a delta follows the one before it. */
export type TableUpdate = {
  readonly generation: number
  /** CIDRs of the sources that count as this node: its own addresses and its pods. */
  readonly localSources: readonly string[]
} & (
  | { readonly type: 'snapshot'; readonly servicePorts: readonly ServicePort[] }
  | {
      readonly type: 'delta'
      readonly changed: readonly ServicePort[]
      readonly removed: readonly ServicePortKey[]
    }
)

/** A whole table, with what the agent itself answers for it: what is kept on disk, and handed to a successor. */
export type TableSnapshot = Extract<TableUpdate, { readonly type: 'snapshot' }> & {
  /** Milliseconds since 1970 at which this was what the API server said. */
  readonly asOf: number
  readonly healthChecked: readonly HealthCheckedService[]
}

/** A Service whose load balancer asks this node for its health. */
export interface HealthCheckedService {
  readonly namespace: string
  readonly name: string
  readonly uid: string
  /** Its healthCheckNodePort. */
  readonly port: number
  /** Its ready endpoints on this node, by IP. */
  readonly localEndpoints: number
}
