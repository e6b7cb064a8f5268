// What a scenario is, and what its body gets: the cluster, a Kubernetes namespace of its own, and one IP family. All
// that it makes through its context is taken away after it, and what it stopped is started again.

import type { Test } from 'tap'
import type { VipMode } from '../../../lib/model/vip-mode.ts'
import type { ServiceStatus } from '../../../lib/ops/status.ts'
import type { Api } from '../api.ts'
import type { Cluster } from './cluster.ts'
import type { NodeAgent } from './node-agent.ts'
import type {
  EndpointOptions,
  EndpointPod,
  EndpointSliceOptions,
  KubeObject,
  ServiceOptions,
} from './objects.ts'
import type { Place } from './place.ts'
import type { Family, ProbeOptions, ProbeResult, ProbeTarget, Protocol } from './place-protocol.ts'
import type { Node, Pod } from './topology.ts'

export interface Scenario {
  /** Its usual name in Kubernetes' own tests of Services. */
  readonly name: string
  /** Where it applies; default: in each. */
  readonly modes?: readonly VipMode[]
  /** Default: both, one after the other. */
  readonly families?: readonly Family[]
  /** Default two minutes. */
  readonly timeoutMs?: number
  readonly body: (context: ScenarioContext) => Promise<void>
}

export interface ScenarioContext {
  readonly t: Test
  readonly mode: VipMode
  readonly family: Family
  /** The Kubernetes namespace. */
  readonly namespace: string
  readonly cluster: Cluster
  readonly api: Api
  readonly nodes: readonly [Node, Node]
  readonly agents: readonly [NodeAgent, NodeAgent]
  /** Two on the first node, two on the second. */
  readonly pods: Cluster['pods']
  /** Outside the cluster. */
  readonly client: Place

  /** A Service of this namespace and family; not written yet. */
  readonly service: (options: ServiceOptions) => KubeObject
  /** An EndpointSlice of this namespace and family; not written yet. */
  readonly slice: (options: EndpointSliceOptions) => KubeObject
  /** Creates each, or replaces the one that is there. */
  readonly apply: (...objects: readonly KubeObject[]) => Promise<void>
  /** Deletes each; one that is gone already is fine. */
  readonly remove: (...objects: readonly KubeObject[]) => Promise<void>
  /** Writes a Service and an EndpointSlice with the same ports, and resolves once both nodes serve it. */
  readonly serve: (
    options: ServiceOptions,
    endpoints: readonly (EndpointOptions | EndpointPod)[],
  ) => Promise<Served>
  /** A Service as the API server has it now. */
  readonly read: (name: string) => Promise<Served>
  /**
   * Resolves once both agents have applied everything that was written before: to the ports of this namespace's
   * Services in their status, in the agents' order.
   */
  readonly settled: () => Promise<readonly (readonly ServiceStatus[])[]>

  /** One more pod. */
  readonly startPod: (node: Node) => Promise<Pod>
  /** A pod with hostNetwork: it serves TCP and UDP at this port of the node's address. */
  readonly startHostPod: (node: Node, port: number) => Promise<EndpointPod>
  /**
   * One more agent for a node, as while a DaemonSet is rolled out; not started yet. It has metrics at 11249, healthz at
   * 11256, and the first one's state directory.
   */
  readonly secondAgent: (node: Node) => NodeAgent
  /** What a load balancer's controller does: writes the Service's status. */
  readonly setLoadBalancer: (service: string, ips: readonly string[]) => Promise<void>
  /** The events about objects of this namespace, oldest first. */
  readonly events: () => Promise<readonly KubeEvent[]>
  /** Clients outside reach this address by way of the node, as with a load balancer or a route of their network's. */
  readonly routeFromClient: (ip: string, node: Node) => Promise<void>
  /** Runs after the scenario, last one first. */
  readonly after: (undo: () => Promise<unknown>) => void

  /**
   * From each place, asks often enough to meet every endpoint, and asserts that these answer, all of them and nobody
   * else. Returns the answers' results.
   */
  readonly answers: (
    from: Place | readonly Place[],
    target: ProbeTarget,
    servers: readonly { readonly name: string }[],
    options?: ProbeOptions & { readonly times?: number },
  ) => Promise<readonly ProbeResult[]>
  /** From each place, asserts that one request has this outcome. */
  readonly fails: (
    from: Place | readonly Place[],
    target: ProbeTarget,
    outcome: Exclude<ProbeResult['outcome'], 'answered'>,
    options?: ProbeOptions,
  ) => Promise<void>
}

export interface KubeEvent {
  readonly type: string
  readonly reason: string
  readonly note: string
  readonly regarding: { readonly kind: string; readonly name: string }
}

/** A Service as it is written. */
export interface Served {
  readonly clusterIp: string
  readonly healthCheckNodePort: number | null
  /** At its cluster IP; default: its only port. */
  target(port?: PortChoice): ProbeTarget
  /** The same port at another address: an external IP, a load balancer's. */
  targetAt(ip: string, port?: PortChoice): ProbeTarget
  /** Its node port at a node's own address. */
  nodePort(node: Node, port?: PortChoice): ProbeTarget
}

export interface PortChoice {
  readonly port?: number
  readonly protocol?: Protocol
}
