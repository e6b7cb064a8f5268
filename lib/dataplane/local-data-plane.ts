// The data plane in this process: keeps frontends and service ports as the table says, and gives every client
// that arrives to a TCP connection or a UDP flow. A frontend that moves from one service port to another within
// one update is never closed in between.

import { formatAddress, type Protocol } from '../model/address.ts'
import type { ServicePort, ServicePortKey, TableUpdate } from '../model/proxy-table.ts'
import type { Clock, Timer } from '../ops/clock.ts'
import type { Log } from '../ops/log.ts'
import { noRestarts } from '../ops/status.ts'
import type { PassiveHealthRules } from '../policy/passive-health.ts'
import { SourceRanges } from '../policy/source-ranges.ts'
import { ClientLimits } from './client-limits.ts'
import { ConnectionLimits, serviceName, type ServiceName } from './connection-limits.ts'
import type { DataPlane, DataPlaneStatus, FrontendStatus, ServicePortStatus } from './data-plane.ts'
import { DescriptorBudget, descriptorLimit, openDescriptors } from './descriptor-budget.ts'
import type { Engine, ListenAddress } from './engine.ts'
import { isOwn, type Members } from './frontend-placement.ts'
import { FrontendState, type FrontendSocket } from './frontend-state.ts'
import { ServiceState } from './service-state.ts'
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
  /** Overrides the process's own limit of open descriptors. */
  readonly descriptorLimit?: number
}

/** How often the budget is compared with what the process really has open. */
const observeEveryMs = 1000

/** At its limit a busy data plane stops and goes on with every few connections: not a line each. */
const warnEveryMs = 60_000

/** How long a frontend that goes to another worker stays open here, so that the other one is listening before. */
const handOverMs = 2000

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
  #observer: Timer
  /** As the engine numbers the one that VIPs are in. */
  #vipNetwork: number | null
  #generation = 0
  #limitTurns = 0
  #warnedAt = -Infinity
  /** Settled when every update so far is applied in full. */
  #applied: Promise<unknown> = Promise.resolve()
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
    if (this.#closed) return
    this.#nodeSources = new SourceRanges(update.localSources)
    const snapshot = update.type === 'snapshot'
    const changed = snapshot ? update.servicePorts : update.changed
    const kept = new Set(changed.map(port => port.key))
    const removed = snapshot ? [...this.#services.keys()].filter(key => !kept.has(key)) : update.removed
    const released = this.#release(removed, changed)
    for (const port of changed) this.#limits.setLimit(serviceName(port), port.settings.maxConnections)
    const touched = changed.flatMap(port => this.#claim(port, released))
    for (const [key, frontend] of released) this.#drop(key, frontend)
    // The table is this update's from here on. It is applied in full when the ones before it are, too.
    this.#applied = Promise.all([this.#applied, ...touched.map(frontend => frontend.settle())])
    await this.#applied
    this.#generation = update.generation
  }

  async status(): Promise<DataPlaneStatus> {
    const open = this.#tcp.bytesByService()
    const own = {
      pid: process.pid,
      engine: this.#options.engine.name,
      generation: this.#generation,
      activeConnections: this.#tcp.size,
      udpFlows: this.#udp.size,
      descriptors: {
        used: this.#budget.used,
        limit: this.#budget.limit,
        accepting: !this.#budget.exhausted,
      },
    }
    return {
      ...own,
      workers: [{ ...own, index: 0, draining: false, responding: true }],
      workerRestarts: noRestarts,
      servicePorts: [...this.#services.values()].map(service =>
        this.#serviceStatus(service, open.get(service)),
      ),
    }
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
    if (this.#closed) return
    this.#members = { own, all: members }
    this.#clients?.setMembers(this.#members)
    for (const [key, frontend] of this.#frontends) this.#place(key, frontend)
    const settled = [...this.#frontends.values()].map(frontend => frontend.settle())
    this.#applied = Promise.all([this.#applied, ...settled])
    await this.#applied
  }

  /** Takes over what other workers have found out. */
  learn(facts: readonly SharedFact[]): void {
    for (const fact of facts) {
      if (fact.kind === 'client') this.#clients?.learn(fact.worker, fact.client, fact.connections)
      else this.#services.get(fact.servicePort)?.learn(fact)
    }
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

  /** Takes the frontends that their owner no longer has out of use, without closing them yet. */
  #release(removed: readonly ServicePortKey[], changed: readonly ServicePort[]): Map<string, FrontendState> {
    const released = new Map<string, FrontendState>()
    const release = (old: ServicePort): void => {
      for (const { key } of ownFrontends(old)) {
        const frontend = this.#frontends.get(key)
        if (frontend?.owner.service.port.key === old.key) released.set(key, frontend)
      }
    }
    for (const key of removed) {
      const service = this.#services.get(key)
      if (service === undefined) continue
      release(service.port)
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
      if (service !== undefined) release(service.port)
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
    } else {
      service.update(port)
      this.#udp.cutUnserved(service)
    }
    const owned: FrontendState[] = []
    for (const { key, frontend } of ownFrontends(port)) {
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
      .flatMap(state => ownFrontends(state.port))
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

  #serviceStatus(
    service: ServiceState,
    open: { in: number; out: number } = { in: 0, out: 0 },
  ): ServicePortStatus {
    const { counters, port } = service
    return {
      key: port.key,
      frontends: ownFrontends(port).map(({ key }): FrontendStatus => {
        const frontend = this.#frontends.get(key)
        const address = key.slice(key.indexOf('/') + 1)
        return { address, ...describeState(frontend) }
      }),
      setAside: service.setAside(),
      connections: {
        ...counters,
        failures: { ...counters.failures },
        bytesIn: counters.bytesIn + open.in,
        bytesOut: counters.bytesOut + open.out,
      },
    }
  }
}

function describeState(frontend: FrontendState | undefined): Pick<FrontendStatus, 'state' | 'reason'> {
  if (frontend === undefined) return { state: 'refusing' }
  const { state } = frontend
  return state.name === 'bind-failed' ? { state: state.name, reason: state.reason } : { state: state.name }
}

/** The frontends of a service port that are its to open, each with its key in the data plane. */
function ownFrontends(port: ServicePort): { key: string; frontend: ServicePort['frontends'][number] }[] {
  return port.frontends
    .filter(frontend => frontend.conflict === undefined)
    .map(frontend => ({ key: frontendKey(port.protocol, frontend), frontend }))
}

/** An address that becomes a VIP, or ceases to be one, is another frontend from then on: its listener is elsewhere. */
function frontendKey(protocol: Protocol, { ip, port, vip }: ListenAddress): string {
  return `${protocol}${vip ? ' VIP' : ''}/${formatAddress(ip, port)}`
}
