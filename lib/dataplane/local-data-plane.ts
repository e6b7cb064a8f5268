// The data plane in this process: keeps frontends and service ports as the table says, and gives every client
// that arrives to a TCP connection or a UDP flow. A frontend that moves from one service port to another within
// one update is never closed in between; and an update of thousands goes in by pieces, between which clients are served.

import { setImmediate as turn } from 'node:timers/promises'
import type { ServicePort, ServicePortKey, TableUpdate } from '../model/proxy-table.ts'
import type { AccessSink } from '../ops/access-record.ts'
import type { Clock, Timer } from '../ops/clock.ts'
import type { Log } from '../ops/log.ts'
import type { ServicePortInspection } from '../ops/endpoint-detail.ts'
import { noRestarts } from '../ops/status.ts'
import type { PassiveHealthRules } from '../policy/passive-health.ts'
import { SourceRanges } from '../policy/source-ranges.ts'
import { ClientLimits } from './client-limits.ts'
import { ConnectionLimits, serviceName, type ServiceName } from './connection-limits.ts'
import type { DataPlane, DataPlaneStatus } from './data-plane.ts'
import { DescriptorBudget, descriptorLimit, openDescriptors } from './descriptor-budget.ts'
import type { Engine } from './engine.ts'
import { isOwn, type Members } from './frontend-placement.ts'
import { FrontendState, type FrontendSocket } from './frontend-state.ts'
import { ownFrontends } from './own-frontends.ts'
import { ServiceState } from './service-state.ts'
import { ServiceStatuses } from './service-status.ts'
import type { SharedFact } from './shared-facts.ts'
import { TcpProxy } from './tcp-proxy.ts'
import { UdpProxy, type UdpOptions } from './udp-proxy.ts'

export interface DataPlaneOptions {
  readonly engine: Engine
  readonly clock: Clock
  readonly log: Log
  readonly random: () => number
  readonly passiveHealth: PassiveHealthRules
  readonly halfClosedTimeoutMs: number
  /** Whether an endpoint that dies before it has answered is replaced by another, where that can't do harm. */
  readonly earlyRetry: boolean
  readonly udp: UdpOptions
  /** TCP connections of one client address at a time; null: as many as it likes. */
  readonly maxConnectionsPerClient: number | null
  /** Told what the other workers of this node should know. */
  readonly onFact?: (fact: SharedFact) => void
  /** Told of each connection and flow that has ended; absent: nobody wants to know. */
  readonly accessLog?: AccessSink
  /** Overrides the process's own limit of open descriptors. */
  readonly descriptorLimit?: number
}

/** How often the budget is compared with what the process really has open. */
const observeEveryMs = 1000

/** At its limit a busy data plane stops and goes on with every few connections: not a line each. */
const warnEveryMs = 60_000

/** How long a frontend that goes to another worker stays open here, so that the other one is listening before. */
const handOverMs = 2000

/** Service ports that are taken in between two looks at clients: a few milliseconds' work. */
const portsPerTurn = 100

/** How long UDP clients get sockets of their own because another data plane is about to open the same addresses. */
const expectSuccessorMs = 60_000

export class LocalDataPlane implements DataPlane {
  readonly #options: DataPlaneOptions
  readonly #budget: DescriptorBudget
  readonly #clients: ClientLimits | null
  readonly #limits = new ConnectionLimits(service => this.#onLimit(service))
  #nodeSources = new SourceRanges([])
  readonly #tcp: TcpProxy
  readonly #udp: UdpProxy
  readonly #services = new Map<ServicePortKey, ServiceState>()
  /** The service ports of a Service. */
  readonly #portsOf = new Map<ServiceName, Set<ServiceState>>()
  readonly #frontends = new Map<string, FrontendState>()
  readonly #statuses = new ServiceStatuses(this.#frontends)
  #observer: Timer
  /** As the engine numbers the one that VIPs are in. */
  #vipNetwork: number | null
  #generation = 0
  #limitTurns = 0
  #warnedAt = -Infinity
  /** Settled when every frontend that was taken in so far has settled. */
  #applied: Promise<unknown> = Promise.resolve()
  /** While an update goes in by pieces: settled when it is in, and those that wait for it. */
  #takingIn: Promise<void> | null = null
  /** What is known of service ports that are still to come with it. */
  readonly #early = new Map<ServicePortKey, ServiceFact[]>()
  /** null: there is no other worker. */
  #members: Members | null = null
  #expectation: Timer | null = null
  #draining: PromiseWithResolvers<void> | null = null
  #closed = false

  constructor(options: DataPlaneOptions) {
    this.#options = options
    this.#budget = new DescriptorBudget(
      options.descriptorLimit ?? descriptorLimit(),
      () => this.#setAccepting(false),
      () => this.#setAccepting(true),
    )
    const { maxConnectionsPerClient: perClient, clock, onFact } = options
    this.#clients = perClient === null ? null : new ClientLimits(perClient, clock, fact => onFact?.(fact))
    const shared = {
      budget: this.#budget,
      limits: this.#limits,
      clients: this.#clients,
      nodeSources: () => this.#nodeSources,
      onGone: () => this.#checkDrained(),
    }
    this.#tcp = new TcpProxy(options, shared)
    this.#udp = new UdpProxy(options, shared)
    this.#vipNetwork = options.engine.vipNetwork()
    this.#observer = options.clock.after(observeEveryMs, () => this.#lookAround())
  }

  async apply(update: TableUpdate): Promise<void> {
    const takingIn = this.#inTurn(() => this.#takeIn(update))
    if (takingIn !== null) await takingIn
    // It is applied in full when the ones before it are, too.
    await this.#applied
    this.#generation = update.generation
  }

  async status(): Promise<DataPlaneStatus> {
    const open = this.#tcp.bytesByService()
    const { accessLog, engine } = this.#options
    const own = {
      pid: process.pid,
      engine: engine.name,
      generation: this.#generation,
      activeConnections: this.#tcp.size,
      udpFlows: this.#udp.size,
      descriptors: {
        used: this.#budget.used,
        limit: this.#budget.limit,
        accepting: !this.#budget.exhausted,
      },
      dialTimes: this.#tcp.dialTimes.times(),
      ...(accessLog && { accessLog: accessLog.counts() }),
    }
    return {
      ...own,
      workers: [{ ...own, index: 0, draining: false, responding: true }],
      workerRestarts: noRestarts,
      servicePorts: Array.from(this.#services.values(), service =>
        this.#statuses.of(service, open.get(service)),
      ),
    }
  }

  async inspect(
    keys: readonly ServicePortKey[],
    clientIp: string | null,
  ): Promise<readonly ServicePortInspection[]> {
    return keys.flatMap(key => this.#services.get(key)?.inspect(clientIp) ?? [])
  }

  /** Holds for so long, or if null for good: the other data plane may never come. */
  async prepareHandOver(forMs: number | null = expectSuccessorMs): Promise<void> {
    this.#expectation?.cancel()
    const { clock } = this.#options
    this.#expectation = forMs === null ? null : clock.after(forMs, () => this.#udp.expectSuccessor(false))
    this.#udp.expectSuccessor(true)
  }

  /**
   * Which worker this is, and who the others are. Some frontends are opened by one worker only: those that become this
   * one's are opened before it resolves; those that cease to be stay open for a moment, and what is established on them
   * goes on. To lose nothing, tell the workers that lose frontends first.
   */
  async setMembers(own: number, members: readonly number[]): Promise<void> {
    const waiting = this.#inTurn(() => {
      if (this.#closed) return null
      this.#members = { own, all: members }
      this.#clients?.setMembers(this.#members)
      for (const [key, frontend] of this.#frontends) this.#place(key, frontend)
      this.#settle(this.#frontends.values())
      return null
    })
    if (waiting !== null) await waiting
    await this.#applied
  }

  /** Takes over what other workers have found out. */
  learn(facts: readonly SharedFact[]): void {
    for (const fact of facts) {
      if (fact.kind === 'client') this.#clients?.learn(fact.worker, fact.client, fact.connections)
      else this.#learn(fact)
    }
  }

  #learn(fact: ServiceFact): void {
    const service = this.#services.get(fact.servicePort)
    if (service !== undefined) return service.learn(fact)
    // It may be on its way. What isn't is forgotten when the update is in.
    if (this.#takingIn === null) return
    const early = this.#early.get(fact.servicePort) ?? []
    early.push(fact)
    this.#early.set(fact.servicePort, early)
  }

  async drain(timeoutMs: number | null): Promise<void> {
    if (this.#closed) return
    this.#draining ??= Promise.withResolvers<void>()
    const timer =
      timeoutMs === null ? null : this.#options.clock.after(timeoutMs, () => this.#endEstablished())
    await Promise.all([...this.#frontends.values()].map(frontend => frontend.leave()))
    this.#checkDrained()
    await this.#draining.promise
    timer?.cancel()
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#observer.cancel()
    this.#expectation?.cancel()
    for (const [key, frontend] of this.#frontends) this.#drop(key, frontend)
    this.#services.clear()
    this.#portsOf.clear()
    this.#statuses.clear()
    this.#udp.close()
    this.#tcp.close()
    this.#clients?.close()
    this.#checkDrained()
  }

  #endEstablished(): void {
    this.#udp.close()
    this.#tcp.endAll()
  }

  /** Everything that was taken from the budget for frontends and clients is given back when it is really closed. */
  #checkDrained(): void {
    if (this.#draining !== null && this.#budget.used === 0) this.#draining.resolve()
  }

  /** Tells a frontend whether it is this process's to open. */
  #place(key: string, frontend: FrontendState): void {
    const { port } = frontend.owner.service
    const own = this.#draining === null && (this.#members === null || isOwn(this.#members, port, key))
    frontend.setOwn(own, handOverMs)
  }

  /** Does something with the table when no update is half in: at once (null), if none is. */
  #inTurn(work: () => Promise<void> | null): Promise<void> | null {
    const before = this.#takingIn
    const done = before === null ? work() : before.then(work, work).then(() => {})
    if (done === null) return null
    const takingIn = done.finally(() => {
      if (this.#takingIn !== takingIn) return
      this.#takingIn = null
      this.#early.clear()
    })
    this.#takingIn = takingIn
    return takingIn
  }

  /** Makes the table this update's; what is opened by that settles later. A small one is in when it returns (null). */
  #takeIn(update: TableUpdate): Promise<void> | null {
    if (this.#closed) return null
    this.#nodeSources = new SourceRanges(update.localSources)
    const changed = update.type === 'snapshot' ? update.servicePorts : update.changed
    const removed = update.type === 'snapshot' ? this.#servicesBut(changed) : update.removed
    // What changes hands does so at one stroke. All else concerns one service port each.
    const { heirs, losers } = this.#changingHands(changed)
    this.#settle(
      this.#replace(
        removed.filter(key => losers.has(key)),
        [...heirs],
      ),
    )
    const rest: Rest = {
      removed: removed.filter(key => !losers.has(key)),
      changed: heirs.size === 0 ? changed : changed.filter(port => !heirs.has(port)),
    }
    this.#takeInSome(rest, 0)
    return sizeOf(rest) > portsPerTurn ? this.#takeInByTurns(rest) : null
  }

  async #takeInByTurns(rest: Rest): Promise<void> {
    for (let next = portsPerTurn; next < sizeOf(rest); next += portsPerTurn) {
      await turn()
      if (this.#closed) return
      this.#takeInSome(rest, next)
    }
  }

  /** The removed ones come first. */
  #takeInSome({ removed, changed }: Rest, from: number): void {
    const gone = removed.slice(from, from + portsPerTurn)
    const first = Math.max(0, from - removed.length)
    const ports = changed.slice(first, Math.max(0, from + portsPerTurn - removed.length))
    this.#replace(gone, [])
    this.#settle(ports.flatMap(port => this.#replace([], [port])))
  }

  #servicesBut(ports: readonly ServicePort[]): readonly ServicePortKey[] {
    const kept = new Set(ports.map(port => port.key))
    return [...this.#services.keys()].filter(key => !kept.has(key))
  }

  /** The service ports that get a frontend which another one has, and those others. */
  #changingHands(changed: readonly ServicePort[]): {
    readonly heirs: ReadonlySet<ServicePort>
    readonly losers: ReadonlySet<ServicePortKey>
  } {
    const heirs = new Set<ServicePort>()
    const losers = new Set<ServicePortKey>()
    if (this.#frontends.size === 0) return { heirs, losers }
    for (const port of changed) {
      for (const { key } of ownFrontends(port)) {
        const owner = this.#frontends.get(key)?.owner.service.port.key
        if (owner === undefined || owner === port.key) continue
        heirs.add(port)
        losers.add(owner)
      }
    }
    return { heirs, losers }
  }

  /**
   * Brings these service ports up to date; frontends may go from any to any of them and stay open. Returns the frontends
   * that have to settle.
   */
  #replace(removed: readonly ServicePortKey[], changed: readonly ServicePort[]): readonly FrontendState[] {
    const released = this.#release(removed, changed)
    for (const port of changed) this.#limits.setLimit(serviceName(port), port.settings.maxConnections)
    const touched = changed.flatMap(port => this.#claim(port, released))
    for (const [key, frontend] of released) this.#drop(key, frontend)
    return touched
  }

  #settle(frontends: Iterable<FrontendState>): void {
    const settled = Array.from(frontends, frontend => frontend.settle())
    this.#applied = Promise.all([this.#applied, ...settled])
  }

  /** Takes the frontends that their owner no longer has out of use, without closing them yet. */
  #release(removed: readonly ServicePortKey[], changed: readonly ServicePort[]): Map<string, FrontendState> {
    const released = new Map<string, FrontendState>()
    const release = (old: ServiceState): void => {
      for (const { key } of old.frontends) {
        const frontend = this.#frontends.get(key)
        if (frontend?.owner.service === old) released.set(key, frontend)
      }
    }
    for (const key of removed) {
      const service = this.#services.get(key)
      if (service === undefined) continue
      release(service)
      // Empty from now on: nothing it still has open may pick an endpoint, and its UDP flows end.
      service.update({
        ...service.port,
        cluster: null,
        local: null,
        serving: [],
        unserving: [],
        frontends: [],
      })
      this.#udp.cutUnserved(service)
      this.#services.delete(key)
      this.#removeFromService(service)
    }
    for (const port of changed) {
      const service = this.#services.get(port.key)
      if (service !== undefined) release(service)
    }
    return released
  }

  /** Gives a service port its frontends and endpoints; returns the frontends that have to settle. */
  #claim(port: ServicePort, released: Map<string, FrontendState>): readonly FrontendState[] {
    let service = this.#services.get(port.key)
    if (service === undefined) {
      service = new ServiceState(port, this.#options)
      this.#services.set(port.key, service)
      const ports = this.#portsOf.get(service.serviceName) ?? new Set()
      this.#portsOf.set(service.serviceName, ports.add(service))
      for (const fact of this.#early.get(port.key) ?? []) service.learn(fact)
    } else {
      service.update(port)
      this.#udp.cutUnserved(service)
    }
    const owned: FrontendState[] = []
    for (const { key, frontend } of service.frontends) {
      released.delete(key)
      const sources = frontend.sourceRanges === undefined ? null : new SourceRanges(frontend.sourceRanges)
      const owner = { service, frontend, sources }
      const state = this.#frontends.get(key) ?? this.#create(key, owner)
      state.owner = owner
      this.#place(key, state)
      this.#pauseAtLimit(state)
      owned.push(state)
    }
    return owned
  }

  #removeFromService(service: ServiceState): void {
    this.#statuses.forget(service)
    const ports = this.#portsOf.get(service.serviceName)
    ports?.delete(service)
    if (ports?.size !== 0) return
    this.#portsOf.delete(service.serviceName)
    this.#limits.setLimit(service.serviceName, null)
  }

  #create(key: string, owner: FrontendState['owner']): FrontendState {
    const { clock, log } = this.#options
    const listen = (frontend: FrontendState): Promise<FrontendSocket> =>
      frontend.protocol === 'TCP' ? this.#tcp.listen(frontend) : this.#udp.listen(frontend)
    const frontend = new FrontendState(owner, listen, clock, log)
    if (this.#budget.exhausted) frontend.pause('descriptors')
    this.#frontends.set(key, frontend)
    return frontend
  }

  #drop(key: string, frontend: FrontendState): void {
    frontend.close()
    this.#frontends.delete(key)
  }

  #lookAround(): void {
    // A limit that was given is one of what we use ourselves.
    this.#budget.observe(this.#options.descriptorLimit === undefined ? openDescriptors() : null)
    for (const service of this.#services.values()) service.expire()
    this.#followVips()
    this.#observer = this.#options.clock.after(observeEveryMs, () => this.#lookAround())
  }

  /** Somebody has made the namespace of the VIPs anew: nothing reaches what is open in the old one. */
  #followVips(): void {
    const network = this.#options.engine.vipNetwork()
    const before = this.#vipNetwork
    this.#vipNetwork = network
    if (before === null || network === before) return
    const moved = [...this.#frontends.values()].filter(frontend => frontend.address.vip)
    this.#options.log.warn(
      { frontends: moved.length },
      'the VIPs are in a new network namespace: opening them there',
    )
    for (const frontend of moved) void frontend.reopen()
  }

  #setAccepting(accepting: boolean): void {
    const { used, limit } = this.#budget
    const now = this.#options.clock.now()
    if (accepting) this.#options.log.debug({ used, limit }, 'accepting again')
    else if (now - this.#warnedAt >= warnEveryMs) {
      this.#warnedAt = now
      this.#options.log.warn(
        { used, limit },
        'out of file descriptors: new connections wait; raise the limit of open files (LimitNOFILE, ulimit -n)',
      )
    }
    for (const frontend of this.#frontends.values()) {
      if (accepting) frontend.resume('descriptors')
      else frontend.pause('descriptors')
    }
  }

  /**
   * A Service has reached its connection limit, or has room again. The frontend that is resumed first accepts first:
   * another one each time, or the clients of the others would wait for ever.
   */
  #onLimit(service: ServiceName): void {
    const frontends = [...(this.#portsOf.get(service) ?? [])]
      .flatMap(state => state.frontends)
      .flatMap(({ key }) => this.#frontends.get(key) ?? [])
    if (!this.#limits.isFull(service)) this.#limitTurns++
    const first = this.#limitTurns % Math.max(1, frontends.length)
    for (const frontend of frontends.slice(first)) this.#pauseAtLimit(frontend)
    for (const frontend of frontends.slice(0, first)) this.#pauseAtLimit(frontend)
  }

  #pauseAtLimit(frontend: FrontendState): void {
    if (this.#limits.isFull(frontend.owner.service.serviceName)) frontend.pause('max-connections')
    else frontend.resume('max-connections')
  }
}

/** What can be known of a service port. */
type ServiceFact = Exclude<SharedFact, { readonly kind: 'client' }>

/** What is left of an update when nothing changes hands any more. */
interface Rest {
  readonly removed: readonly ServicePortKey[]
  readonly changed: readonly ServicePort[]
}

function sizeOf({ removed, changed }: Rest): number {
  return removed.length + changed.length
}
