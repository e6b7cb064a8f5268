// All TCP connections of this data plane: accepting them on frontends, within the descriptor budget, and
// reaping those that died half-closed.

import type { Address } from '../model/address.ts'
import { Bag } from '../model/bag.ts'
import { newAccessRecord, type AccessRecord, type AccessSink } from '../ops/access-record.ts'
import type { Clock, Timer } from '../ops/clock.ts'
import { DialCounter } from '../ops/dial-times.ts'
import type { Log } from '../ops/log.ts'
import { listFor } from '../policy/source-ranges.ts'
import type { Conn, Engine } from './engine.ts'
import type { FrontendOwner, FrontendSocket, FrontendState } from './frontend-state.ts'
import type { FailureReason, ServiceState } from './service-state.ts'
import type { SharedState } from './shared-state.ts'
import { TcpConnection, type TcpContext } from './tcp-connection.ts'

export interface TcpProxyOptions {
  readonly engine: Engine
  readonly clock: Clock
  readonly log: Log
  readonly halfClosedTimeoutMs: number
  readonly earlyRetry: boolean
  readonly random: () => number
  /** Told of each connection that has ended; absent: nobody wants to know. */
  readonly accessLog?: AccessSink | undefined
}

/** A connection's descriptors: the client's and the upstream's. */
const perConnection = 2

export class TcpProxy {
  readonly dialTimes = new DialCounter()
  readonly #options: TcpProxyOptions
  readonly #shared: SharedState
  readonly #context: TcpContext
  readonly #connections = new Bag<TcpConnection>()
  readonly #reapEveryMs: number
  #reaper: Timer

  constructor(options: TcpProxyOptions, shared: SharedState) {
    this.#options = options
    this.#shared = shared
    const { budget, limits, clients } = shared
    const { accessLog } = options
    this.#context = {
      engine: options.engine,
      clock: options.clock,
      log: options.log,
      earlyRetry: options.earlyRetry,
      random: options.random,
      dialTimes: this.dialTimes,
      onLocalFailure: () => budget.starved(),
      onClosed: connection => {
        if (connection.place !== null) this.#connections.remove(connection.place)
        budget.giveBack(perConnection)
        limits.giveBack(connection.service.serviceName)
        clients?.giveBack(connection.clientIp)
        shared.onGone()
      },
      onEnded: accessLog && (record => accessLog.ended(record)),
    }
    // Four looks within the limit, so that a connection is reaped at most a quarter late.
    this.#reapEveryMs = Math.max(100, options.halfClosedTimeoutMs / 4)
    this.#reaper = options.clock.after(this.#reapEveryMs, () => this.#reap())
  }

  get size(): number {
    return this.#connections.size
  }

  async listen(frontend: FrontendState): Promise<FrontendSocket> {
    const { engine, log } = this.#options
    const listener = await engine.listenTcp(
      frontend.address,
      (client, peer) => this.#accept(frontend, client, peer),
      error => log.debug({ frontend: frontend.address, err: error }, 'accept failed'),
    )
    this.#shared.budget.takeListener()
    let open = true
    return {
      close: () => {
        listener.close()
        if (!open) return
        open = false
        this.#shared.budget.giveBackListener()
        this.#shared.onGone()
      },
      pause: () => void listener.pause(),
      resume: () => listener.resume(),
    }
  }

  /** Bytes of the connections that are still open, which no counter has yet. */
  bytesByService(): ReadonlyMap<ServiceState, { in: number; out: number }> {
    const sums = new Map<ServiceState, { in: number; out: number }>()
    for (const connection of this.#connections) {
      const sum = sums.get(connection.service) ?? { in: 0, out: 0 }
      sum.in += connection.bytesIn
      sum.out += connection.bytesOut
      sums.set(connection.service, sum)
    }
    return sums
  }

  /** Ends every connection: politely where it is established. */
  endAll(): void {
    for (const connection of this.#connections) connection.endOrAbort('shutdown')
  }

  close(): void {
    this.#reaper.cancel()
    for (const connection of this.#connections) connection.abort('shutdown')
  }

  #accept(frontend: FrontendState, client: Conn, peer: Address): void {
    const { service, frontend: owned } = frontend.owner
    const record = this.#record(frontend, client, peer)
    const refusal = this.#refusal(frontend.owner, peer)
    if (refusal !== null) {
      service.counters.failures[refusal]++
      this.#options.log.debug({ service: service.port.key, client: peer.ip, reason: refusal }, 'client reset')
      if (record !== null) this.#context.onEnded?.({ ...record, end: 'rejected', reason: refusal })
      return this.#options.engine.reset(client)
    }
    const { budget, limits, clients, nodeSources } = this.#shared
    const list = listFor(owned, peer.ip, nodeSources())
    const connection = new TcpConnection(this.#context, service, list, client, peer, record)
    connection.place = this.#connections.add(connection)
    budget.take(perConnection)
    limits.take(service.serviceName)
    clients?.take(peer.ip)
    connection.start()
  }

  /** null where there is no access log. */
  #record(frontend: FrontendState, client: Conn, peer: Address): AccessRecord | null {
    const { accessLog, clock, engine } = this.#options
    if (accessLog === undefined) return null
    const { address, owner } = frontend
    // The address that the client took, where any will do.
    const isAny = address.ip === '0.0.0.0' || address.ip === '::'
    const at = isAny ? (engine.localAddress(client) ?? address) : address
    return newAccessRecord('TCP', peer, at, owner.service.port, clock.now())
  }

  /** Why a client that was accepted isn't served. */
  #refusal({ service, sources }: FrontendOwner, peer: Address): FailureReason | null {
    if (sources !== null && !sources.contains(peer.ip)) return 'source-range'
    if (this.#shared.clients?.isFull(peer.ip)) return 'client-limit'
    // The next two only where the engine can't hold connections in the backlog: fail fast instead of later.
    if (!this.#shared.budget.hasRoom) return 'overload'
    return this.#shared.limits.isFull(service.serviceName) ? 'max-connections' : null
  }

  #reap(): void {
    for (const connection of this.#connections) {
      connection.reapIfHalfClosedSince(this.#options.halfClosedTimeoutMs)
    }
    this.#reaper = this.#options.clock.after(this.#reapEveryMs, () => this.#reap())
  }
}
