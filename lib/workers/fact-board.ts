// What the workers have found out so far, for one that starts later: which endpoint each client has, which endpoints are
// set aside, which clients have many connections. Bounded per service port and in all; what is out of date is dropped.

import type { SharedFact } from '../dataplane/shared-facts.ts'
import type { ServicePortKey } from '../model/proxy-table.ts'
import type { Clock } from '../ops/clock.ts'
import { maxAffinityClients } from '../policy/affinity.ts'

type AffinityFact = Extract<SharedFact, { readonly kind: 'affinity' }>
type HealthFact = Extract<SharedFact, { readonly kind: 'health' }>
type ClientFact = Extract<SharedFact, { readonly kind: 'client' }>

interface KnownAffinity {
  readonly endpoint: string
  readonly since: number
}

interface KnownHealth {
  readonly fact: HealthFact
  readonly until: number
}

/** Over all service ports: some 50 MB at most. */
const maxAffinities = 262_144
const maxClients = 65_536

export class FactBoard {
  readonly #clock: Clock
  readonly #maxAffinities: number
  /** By service port and client, the one that was heard of longest ago first. */
  readonly #affinities = new Map<ServicePortKey, Map<string, KnownAffinity>>()
  #affinityCount = 0
  readonly #health = new Map<ServicePortKey, Map<string, KnownHealth>>()
  /** By worker and client. */
  readonly #clients = new Map<number, Map<string, number>>()

  constructor(clock: Clock, max = maxAffinities) {
    this.#clock = clock
    this.#maxAffinities = max
  }

  learn(facts: Iterable<SharedFact>): void {
    for (const fact of facts) {
      if (fact.kind === 'affinity') this.#learnAffinity(fact)
      else if (fact.kind === 'health') this.#learnHealth(fact)
      else this.#learnClient(fact)
    }
  }

  /** Keeps only what is about the service ports for which `affinityTimeoutMs` isn't undefined; null: has no affinity. */
  prune(affinityTimeoutMs: (key: ServicePortKey) => number | null | undefined): void {
    const now = this.#clock.now()
    for (const [key, clients] of this.#affinities) {
      const timeoutMs = affinityTimeoutMs(key)
      for (const [client, { since }] of clients) {
        if (typeof timeoutMs === 'number' && now - since < timeoutMs) continue
        clients.delete(client)
        this.#affinityCount--
      }
      if (clients.size === 0) this.#affinities.delete(key)
    }
    for (const [key, endpoints] of this.#health) {
      for (const [endpoint, { until }] of endpoints) {
        // Kept for a while after its end: how often an endpoint was set aside decides how long it is the next time.
        if (affinityTimeoutMs(key) === undefined || now > until + rememberHealthMs) endpoints.delete(endpoint)
      }
      if (endpoints.size === 0) this.#health.delete(key)
    }
  }

  /** The worker is gone, its connections with it: what the others have to be told. */
  forgetWorker(worker: number): readonly SharedFact[] {
    const clients = [...(this.#clients.get(worker)?.keys() ?? [])]
    this.#clients.delete(worker)
    return clients.map((client): ClientFact => ({ kind: 'client', worker, client, connections: 0 }))
  }

  /** All that is known, with ages and durations as of now. */
  *facts(): Generator<SharedFact> {
    const now = this.#clock.now()
    for (const [servicePort, endpoints] of this.#health) {
      for (const { fact, until } of endpoints.values()) {
        yield { ...fact, servicePort, setAsideForMs: Math.max(0, until - now) }
      }
    }
    for (const [worker, clients] of this.#clients) {
      for (const [client, connections] of clients) yield { kind: 'client', worker, client, connections }
    }
    for (const [servicePort, clients] of this.#affinities) {
      for (const [client, { endpoint, since }] of clients) {
        yield { kind: 'affinity', servicePort, client, endpoint, ageMs: now - since }
      }
    }
  }

  #learnAffinity({ servicePort, client, endpoint, ageMs }: AffinityFact): void {
    const clients = this.#affinities.get(servicePort) ?? new Map<string, KnownAffinity>()
    if (clients.delete(client)) this.#affinityCount--
    const isFull = clients.size >= maxAffinityClients || this.#affinityCount >= this.#maxAffinities
    if (isFull) {
      const [oldest] = clients.keys()
      // Others' clients don't make room for this service port's.
      if (oldest === undefined) return
      clients.delete(oldest)
      this.#affinityCount--
    }
    clients.set(client, { endpoint, since: this.#clock.now() - ageMs })
    this.#affinityCount++
    this.#affinities.set(servicePort, clients)
  }

  #learnHealth(fact: HealthFact): void {
    const endpoints = this.#health.get(fact.servicePort) ?? new Map<string, KnownHealth>()
    if (fact.setAsideForMs === 0 && fact.timesSetAside === 0) endpoints.delete(fact.endpoint)
    else endpoints.set(fact.endpoint, { fact, until: this.#clock.now() + fact.setAsideForMs })
    if (endpoints.size > 0) this.#health.set(fact.servicePort, endpoints)
    else this.#health.delete(fact.servicePort)
  }

  #learnClient({ worker, client, connections }: ClientFact): void {
    const clients = this.#clients.get(worker) ?? new Map<string, number>()
    clients.delete(client)
    if (connections > 0) clients.set(client, connections)
    const [oldest] = clients.keys()
    if (clients.size > maxClients && oldest !== undefined) clients.delete(oldest)
    this.#clients.set(worker, clients)
  }
}

const rememberHealthMs = 600_000
