// A service port as the data plane runs it: its endpoints with their connections and health, a balancer for each of
// its lists, session affinity, and its counters. It lives as long as its key does, through every update of its content.

import { parseAddress, type Address } from '../model/address.ts'
import { Bag, type Place } from '../model/bag.ts'
import type { ServicePort } from '../model/proxy-table.ts'
import type { Clock, Timer } from '../ops/clock.ts'
import type {
  AffineEndpoint,
  EndpointTraffic,
  ListName,
  ServicePortInspection,
} from '../ops/endpoint-detail.ts'
import { AffinityTable } from '../policy/affinity.ts'
import { createBalancer, type Balancer } from '../policy/balancer.ts'
import {
  isSetAside,
  newEndpointHealth,
  recordFailure,
  recordSuccess,
  setAside,
  type EndpointHealth,
  type PassiveHealthRules,
} from '../policy/passive-health.ts'
import { hashOf, weight } from '../policy/rendezvous.ts'
import { serviceName, type ServiceName } from './connection-limits.ts'
import { ownFrontends, type OwnFrontend } from './own-frontends.ts'
import type { SharedFact } from './shared-facts.ts'

/** What an endpoint's state needs to know of a TCP connection: how to end it, or its dial. */
export interface Endable {
  end(): void
  /** What it has carried so far. */
  readonly bytesIn: number
  readonly bytesOut: number
}

/** One endpoint of one service port. The object is the identity: it is kept while the endpoint exists. */
export interface EndpointState {
  readonly key: string
  /** Of the key, for rendezvous hashing. */
  readonly hash: number
  readonly address: Address
  readonly health: EndpointHealth
  /** TCP connections that are established, or are dialing it. */
  readonly connections: Bag<Endable>
  /** Connections, dials and UDP flows. */
  active: number
  /** Dials on their way. */
  dials: number
  /** Connections that it has taken, and UDP flows. */
  total: number
  /** Of TCP connections that have ended. */
  bytesIn: number
  bytesOut: number
  /** Dials that failed. */
  readonly failures: Record<EndpointFailure, number>
}

export type EndpointFailure = keyof EndpointTraffic['failures']

/** An endpoint that is gone but still has connections, with the timer that ends them where the service has one. */
interface Draining {
  readonly endpoint: EndpointState
  readonly timer: Timer | null
}

export const failureReasons = [
  'no-endpoints',
  'refused',
  'timeout',
  'local',
  'overload',
  'source-range',
  'max-connections',
  'client-limit',
] as const
export type FailureReason = (typeof failureReasons)[number]

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

export type { ListName }

export interface ServiceStateOptions {
  readonly clock: Clock
  readonly random: () => number
  readonly passiveHealth: PassiveHealthRules
  /** Told what other workers should know. */
  readonly onFact?: (fact: SharedFact) => void
}

/** The share of the affinity timeout after which a renewal is told to the other workers. */
const tellRenewalShare = 1 / 4

export class ServiceState {
  readonly serviceName: ServiceName
  readonly counters: ServiceCounters = {
    active: 0,
    total: 0,
    bytesIn: 0,
    bytesOut: 0,
    dialRetries: 0,
    dialFailures: 0,
    failures: {
      'no-endpoints': 0,
      refused: 0,
      timeout: 0,
      local: 0,
      overload: 0,
      'source-range': 0,
      'max-connections': 0,
      'client-limit': 0,
    },
  }
  readonly #options: ServiceStateOptions
  #port: ServicePort
  #frontends: readonly OwnFrontend[] = []
  #serving: ReadonlySet<string> = none
  #lists: Readonly<Record<ListName, ReadonlySet<string>>> = { cluster: none, local: none }
  readonly #endpoints = new Map<string, EndpointState>()
  readonly #draining = new Map<string, Draining>()
  #balancers: Readonly<Record<ListName, Balancer<EndpointState>>>
  readonly #affinity = new AffinityTable()
  /** False: no endpoint is set aside. True: one was, when that was last looked at or later. */
  #someAside = false

  constructor(port: ServicePort, options: ServiceStateOptions) {
    this.serviceName = serviceName(port)
    this.#options = options
    this.#port = port
    this.#balancers = this.#createBalancers()
    this.update(port)
  }

  get port(): ServicePort {
    return this.#port
  }

  /** The frontends that are its to open: another array after each update. */
  get frontends(): readonly OwnFrontend[] {
    return this.#frontends
  }

  update(port: ServicePort): void {
    const { cluster, local, serving, unserving, settings } = port
    if (settings.balance !== this.#port.settings.balance) {
      this.#balancers = this.#createBalancers(settings.balance)
    }
    this.#port = port
    this.#frontends = ownFrontends(port)
    this.#lists = { cluster: setOf(cluster), local: setOf(local) }
    // Of most service ports all endpoints that serve are eligible.
    this.#serving = cluster !== null && isSameList(cluster, serving) ? this.#lists.cluster : setOf(serving)
    if (this.#endpoints.size > 0) {
      this.#forgetAllBut(new Set([...this.#lists.cluster, ...this.#lists.local, ...serving, ...unserving]))
    }
    this.#balancers.cluster.update((cluster ?? []).map(key => this.#endpoint(key)))
    this.#balancers.local.update((local ?? []).map(key => this.#endpoint(key)))
    if (port.affinityTimeoutSeconds === null) this.#affinity.clear()
  }

  /** Whether the list has an endpoint that isn't one of these. */
  hasOther(list: ListName, endpoints: readonly EndpointState[]): boolean {
    const known = new Set(endpoints.map(({ key }) => key))
    for (const key of this.#lists[list]) if (!known.has(key)) return true
    return false
  }

  /** Whether connections to a frontend of this list have somewhere to go. */
  hasEndpoints(list: ListName): boolean {
    return this.#lists[list].size > 0
  }

  /**
   * An endpoint for a client, other than those it tried. With affinity: the one it had, else the one that its address
   * hashes to, which is the same in every worker. Without: the balancer's choice. Endpoints that are set aside come
   * last, and only if there is no other.
   */
  pick(list: ListName, clientIp: string, tried: readonly EndpointState[] = []): EndpointState | null {
    const now = this.#options.clock.now()
    const isTried = (endpoint: EndpointState): boolean => tried.includes(endpoint)
    const isOut = (endpoint: EndpointState): boolean =>
      isSetAside(endpoint.health, now) || isBeingProbed(endpoint) || isTried(endpoint)
    const seconds = this.#port.affinityTimeoutSeconds
    if (seconds === null) return this.#balancers[list].pick(isOut) ?? this.#balancers[list].pick(isTried)
    const timeoutMs = seconds * 1000
    const endpoint =
      this.#affineEndpoint(list, clientIp, timeoutMs, now, isOut) ??
      this.#newEndpoint(list, clientIp, isOut, isTried)
    if (endpoint !== null) this.#remember(clientIp, endpoint.key, timeoutMs, now)
    return endpoint
  }

  /** An endpoint is dead to a client: with affinity, the client gets another one from now on, if there is one. */
  moveAway(list: ListName, clientIp: string, endpoint: EndpointState): void {
    if (this.#port.affinityTimeoutSeconds !== null) this.pick(list, clientIp, [endpoint])
  }

  /** A TCP connection dials an endpoint, and has it from here on. `leave` wants back what this returns. */
  enter(endpoint: EndpointState, connection: Endable): Place<Endable> {
    endpoint.active++
    endpoint.dials++
    return endpoint.connections.add(connection)
  }

  /** Its dial is over, whatever came of it. */
  dialed(endpoint: EndpointState): void {
    endpoint.dials--
  }

  /** It has ended, or tries another endpoint. */
  leave(endpoint: EndpointState, place: Place<Endable>): void {
    endpoint.active--
    endpoint.connections.remove(place)
    if (endpoint.connections.size > 0) return
    const draining = this.#draining.get(endpoint.key)
    if (draining?.endpoint !== endpoint) return
    draining.timer?.cancel()
    this.#draining.delete(endpoint.key)
  }

  serves(endpoint: EndpointState): boolean {
    return this.#serving.has(endpoint.key)
  }

  /** An endpoint answered a dial. */
  succeeded(endpoint: EndpointState): void {
    const isNews = endpoint.health.timesSetAside > 0
    recordSuccess(endpoint.health)
    if (isNews) this.#tellHealth(endpoint)
  }

  /** An endpoint didn't answer a dial. True if it is set aside by that. */
  failed(endpoint: EndpointState, reason: EndpointFailure = 'refused'): boolean {
    endpoint.failures[reason]++
    if (!this.#isEligible(endpoint)) return false
    const { clock, passiveHealth } = this.#options
    const isNews = recordFailure(endpoint.health, this.#eligibleHealth(), passiveHealth, clock.now())
    if (!isNews) return false
    this.#someAside = true
    this.#tellHealth(endpoint)
    return true
  }

  /** Takes over what another worker found out about this service port. What isn't known here is passed by. */
  learn(fact: Extract<SharedFact, { readonly kind: 'affinity' | 'health' }>): void {
    const now = this.#options.clock.now()
    if (fact.kind === 'affinity') {
      const seconds = this.#port.affinityTimeoutSeconds
      if (seconds === null || fact.ageMs >= seconds * 1000) return
      return this.#affinity.learn(fact.client, fact.endpoint, now - fact.ageMs)
    }
    const endpoint = this.#endpoints.get(fact.endpoint)
    if (endpoint === undefined || this.#options.passiveHealth.failures === 0) return
    if (fact.setAsideForMs <= 0) recordSuccess(endpoint.health)
    else if (this.#isEligible(endpoint)) {
      const { setAsideForMs, timesSetAside } = fact
      if (setAside(endpoint.health, this.#eligibleHealth(), setAsideForMs, timesSetAside, now)) {
        this.#someAside = true
      }
    }
  }

  /** The endpoints ("ip:port") that get no new connections for now because dials to them failed. */
  setAside(): readonly string[] {
    if (!this.#someAside) return nobody
    const now = this.#options.clock.now()
    let aside: string[] | null = null
    for (const { key, health } of this.#endpoints.values())
      if (isSetAside(health, now)) (aside ??= []).push(key)
    this.#someAside = aside !== null
    return aside ?? nobody
  }

  /** Endpoint by endpoint, those included that are gone but have connections left; with what `pick` would do. */
  inspect(clientIp: string | null): ServicePortInspection {
    const now = this.#options.clock.now()
    const seconds = this.#port.affinityTimeoutSeconds
    const draining = [...this.#draining.values()].map(({ endpoint }) => trafficOf(endpoint, now, true))
    return {
      key: this.#port.key,
      endpoints: [...[...this.#endpoints.values()].map(each => trafficOf(each, now, false)), ...draining],
      affinity:
        clientIp === null || seconds === null
          ? null
          : {
              cluster: this.#affineChoice('cluster', clientIp, seconds * 1000, now),
              local: this.#affineChoice('local', clientIp, seconds * 1000, now),
            },
    }
  }

  /** Lets go of what time has made void. Called now and then. */
  expire(): void {
    const seconds = this.#port.affinityTimeoutSeconds
    if (seconds !== null) this.#affinity.expire(seconds * 1000, this.#options.clock.now())
  }

  #affineEndpoint(
    list: ListName,
    clientIp: string,
    timeoutMs: number,
    now: number,
    isOut: (endpoint: EndpointState) => boolean,
  ): EndpointState | null {
    const key = this.#affinity.find(clientIp, timeoutMs, now)
    // Only an endpoint that is eligible now counts; one that isn't dialable either is no better (kubernetes#24648).
    const endpoint = key !== null && this.#lists[list].has(key) ? this.#endpoints.get(key) : undefined
    return endpoint === undefined || isOut(endpoint) ? null : endpoint
  }

  /** As `pick`, but nothing is remembered. */
  #affineChoice(list: ListName, clientIp: string, timeoutMs: number, now: number): AffineEndpoint | null {
    const isOut = (endpoint: EndpointState): boolean =>
      isSetAside(endpoint.health, now) || isBeingProbed(endpoint)
    const had = this.#affineEndpoint(list, clientIp, timeoutMs, now, isOut)
    const endpoint = had ?? this.#newEndpoint(list, clientIp, isOut, () => false)
    return endpoint === null ? null : { endpoint: endpoint.key, remembered: had !== null }
  }

  /** For a client that has none, or whose own is out. */
  #newEndpoint(
    list: ListName,
    clientIp: string,
    isOut: (endpoint: EndpointState) => boolean,
    isTried: (endpoint: EndpointState) => boolean,
  ): EndpointState | null {
    return this.#hashedEndpoint(list, clientIp, isOut) ?? this.#hashedEndpoint(list, clientIp, isTried)
  }

  #hashedEndpoint(
    list: ListName,
    clientIp: string,
    isOut: (endpoint: EndpointState) => boolean,
  ): EndpointState | null {
    const clientHash = hashOf(clientIp)
    let best: EndpointState | null = null
    let heaviest = -1
    // The lists are sorted: of equals, every worker takes the same one.
    for (const key of this.#lists[list]) {
      const endpoint = this.#endpoints.get(key)
      if (endpoint === undefined) continue
      const weighs = weight(clientHash, endpoint.hash)
      if (weighs <= heaviest || isOut(endpoint)) continue
      best = endpoint
      heaviest = weighs
    }
    return best
  }

  #remember(client: string, endpoint: string, timeoutMs: number, now: number): void {
    const usedAt = this.#affinity.remember(client, endpoint, now, timeoutMs * tellRenewalShare)
    if (usedAt === null) return
    const servicePort = this.#port.key
    this.#options.onFact?.({ kind: 'affinity', servicePort, client, endpoint, ageMs: now - usedAt })
  }

  #tellHealth({ key, health }: EndpointState): void {
    this.#options.onFact?.({
      kind: 'health',
      servicePort: this.#port.key,
      endpoint: key,
      setAsideForMs: Math.max(0, health.setAsideUntil - this.#options.clock.now()),
      timesSetAside: health.timesSetAside,
    })
  }

  #createBalancers(policy = this.#port.settings.balance): Record<ListName, Balancer<EndpointState>> {
    const { random } = this.#options
    return { cluster: createBalancer(policy, random), local: createBalancer(policy, random) }
  }

  /** Connections to an endpoint that is gone may go on for the drain timeout, unless the endpoint comes back. */
  #forgetAllBut(existing: ReadonlySet<string>): void {
    for (const endpoint of this.#endpoints.values()) {
      if (existing.has(endpoint.key)) continue
      this.#endpoints.delete(endpoint.key)
      if (endpoint.connections.size > 0) this.#drain(endpoint)
    }
  }

  #drain(endpoint: EndpointState): void {
    const { drainTimeoutMs } = this.#port.settings
    const endAll = (): void => {
      for (const connection of endpoint.connections) connection.end()
    }
    const timer = drainTimeoutMs === null ? null : this.#options.clock.after(drainTimeoutMs, endAll)
    this.#draining.set(endpoint.key, { endpoint, timer })
  }

  #endpoint(key: string): EndpointState {
    const endpoint = this.#endpoints.get(key) ?? this.#comeBack(key) ?? newEndpoint(key)
    this.#endpoints.set(key, endpoint)
    return endpoint
  }

  /** An endpoint that is here again before all its connections have ended. They stay; its health is another's now. */
  #comeBack(key: string): EndpointState | null {
    const draining = this.#draining.get(key)
    if (draining === undefined) return null
    draining.timer?.cancel()
    this.#draining.delete(key)
    recordSuccess(draining.endpoint.health)
    return draining.endpoint
  }

  #isEligible(endpoint: EndpointState): boolean {
    const { cluster, local } = this.#lists
    return (
      this.#endpoints.get(endpoint.key) === endpoint && (cluster.has(endpoint.key) || local.has(endpoint.key))
    )
  }

  /** Of the endpoints that may get connections: half of these may be set aside. */
  *#eligibleHealth(): Iterable<EndpointHealth> {
    for (const endpoint of this.#endpoints.values()) if (this.#isEligible(endpoint)) yield endpoint.health
  }
}

/** What thousands of service ports have in common isn't made for each. */
const none: ReadonlySet<string> = new Set()
const nobody: readonly string[] = []

function setOf(list: readonly string[] | null): ReadonlySet<string> {
  return list === null || list.length === 0 ? none : new Set(list)
}

function isSameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((each, index) => each === b[index])
}

function newEndpoint(key: string): EndpointState {
  return {
    key,
    hash: hashOf(key),
    address: parseAddress(key),
    health: newEndpointHealth(),
    connections: new Bag(),
    active: 0,
    dials: 0,
    total: 0,
    bytesIn: 0,
    bytesOut: 0,
    failures: { refused: 0, timeout: 0 },
  }
}

/** One connection tries an endpoint that was set aside; others needn't wait for what comes of it. */
function isBeingProbed({ health, dials }: EndpointState): boolean {
  return health.timesSetAside > 0 && dials > 0
}

function trafficOf(endpoint: EndpointState, now: number, gone: boolean): EndpointTraffic {
  const { key, active, total, failures, health, connections } = endpoint
  let { bytesIn, bytesOut } = endpoint
  for (const connection of connections) {
    bytesIn += connection.bytesIn
    bytesOut += connection.bytesOut
  }
  const setAsideForMs = isSetAside(health, now) ? health.setAsideUntil - now : null
  return { address: key, active, total, bytesIn, bytesOut, failures: { ...failures }, setAsideForMs, gone }
}
