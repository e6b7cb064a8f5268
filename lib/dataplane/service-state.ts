// A service port as the data plane runs it: its endpoints with their connection counts, a balancer for each of
// its lists, and its counters. It lives as long as its key does, through every update of its content.

import { parseAddress, type Address } from '../model/address.ts'
import type { ServicePort } from '../model/proxy-table.ts'
import { createBalancer, type Balancer, type BalancerName } from '../policy/balancer.ts'

/** One endpoint of one service port. The object is the identity: it is kept while the endpoint is listed. */
export interface EndpointState {
  readonly key: string
  readonly address: Address
  active: number
}

export type FailureReason = 'no-endpoints' | 'refused' | 'timeout' | 'local' | 'overload'

/** Counters since start. Bytes of connections that are still open are added when status is asked for. */
export interface ServiceCounters {
  active: number
  total: number
  bytesIn: number
  bytesOut: number
  dialRetries: number
  dialFailures: number
  /** Connections (or UDP flows) that failed, by reason. */
  readonly failures: Record<FailureReason, number>
}

export type ListName = 'cluster' | 'local'

export class ServiceState {
  readonly counters: ServiceCounters = {
    active: 0,
    total: 0,
    bytesIn: 0,
    bytesOut: 0,
    dialRetries: 0,
    dialFailures: 0,
    failures: { 'no-endpoints': 0, refused: 0, timeout: 0, local: 0, overload: 0 },
  }
  #port: ServicePort
  #serving: ReadonlySet<string> = new Set()
  readonly #endpoints = new Map<string, EndpointState>()
  readonly #balancers: Readonly<Record<ListName, Balancer<EndpointState>>>

  constructor(port: ServicePort, balancer: BalancerName, random: () => number) {
    this.#balancers = { cluster: createBalancer(balancer, random), local: createBalancer(balancer, random) }
    this.#port = port
    this.update(port)
  }

  get port(): ServicePort {
    return this.#port
  }

  update(port: ServicePort): void {
    this.#port = port
    this.#serving = new Set(port.serving)
    const listed = new Set([...(port.cluster ?? []), ...(port.local ?? [])])
    for (const key of this.#endpoints.keys()) if (!listed.has(key)) this.#endpoints.delete(key)
    this.#balancers.cluster.update((port.cluster ?? []).map(key => this.#endpoint(key)))
    this.#balancers.local.update((port.local ?? []).map(key => this.#endpoint(key)))
  }

  /** Whether connections to a frontend of this list have somewhere to go. */
  hasEndpoints(list: ListName): boolean {
    return (this.#port[list]?.length ?? 0) > 0
  }

  pick(list: ListName, tried: readonly EndpointState[]): EndpointState | null {
    return this.#balancers[list].pick(tried)
  }

  serves(endpoint: EndpointState): boolean {
    return this.#serving.has(endpoint.key)
  }

  #endpoint(key: string): EndpointState {
    let endpoint = this.#endpoints.get(key)
    if (endpoint === undefined) {
      endpoint = { key, address: parseAddress(key), active: 0 }
      this.#endpoints.set(key, endpoint)
    }
    return endpoint
  }
}
