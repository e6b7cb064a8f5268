// One UDP frontend: its socket, and its flows by client. The flows outlive the socket: before another process takes the
// frontend over, each gets a socket of its own at the same address, which the kernel prefers for that client; so no
// datagram is lost and no client moves, whoever else listens there.

import type { Log } from '../ops/log.ts'
import type { Engine, UdpListener } from './engine.ts'
import type { FrontendState } from './frontend-state.ts'
import type { SharedState } from './shared-state.ts'
import { isStream, type Flow, type FlowTable } from './udp-flows.ts'

/** Flows by client address and port. Two levels, so that no key is built per datagram. */
type Clients = Map<string, Map<number, Flow>>

/**
 * How many streams of a frontend get sockets of their own though nobody has announced that another process comes: a
 * second agent on this node doesn't. Not all of them: before Linux 6.13 the kernel walks through these at each datagram.
 */
const maxGuardedStreams = 64

export interface UdpFrontendOptions {
  readonly engine: Engine
  readonly log: Log
  readonly flows: FlowTable
  readonly shared: SharedState
  /** A flow for a client that has none, already counted; null if it gets none. */
  readonly openFlow: (clientIp: string, clientPort: number) => Flow | null
}

export class UdpFrontend {
  readonly state: FrontendState
  readonly #options: UdpFrontendOptions
  readonly #clients: Clients = new Map()
  #listener: UdpListener | null = null
  #successorExpected = false
  /** When a client that gets no flow was last told of in the access log. */
  rejectionLoggedAt = -Infinity
  /** Flows with sockets of their own. */
  #guarded = 0

  constructor(state: FrontendState, options: UdpFrontendOptions) {
    this.state = state
    this.#options = options
  }

  /** Opens the socket; rejects with the system's error. */
  async listen(): Promise<void> {
    const { engine, log, shared } = this.#options
    const onError = (error: Error): void =>
      log.debug({ frontend: this.state.address, err: error }, 'UDP socket error')
    this.#listener = await engine.bindUdp(this.state.address, this.#onDatagram, onError)
    shared.budget.takeListener()
  }

  /**
   * Another process opens this frontend soon, or has: from now on every flow has a socket of its own. One that can't get
   * one, for want of descriptors, may move to the other process.
   */
  expectSuccessor(expected: boolean): void {
    this.#successorExpected = expected
    if (!expected) return
    for (const [ip, ports] of this.#clients) for (const [port, flow] of ports) this.#guard(flow, ip, port)
  }

  /** Takes no new client. Flows go on, each with a socket of its own; one that can't get one ends. */
  leave(): void {
    this.expectSuccessor(true)
    for (const ports of this.#clients.values()) {
      for (const flow of ports.values()) if (flow.client === null) this.#options.flows.close(flow, 'local')
    }
    const { budget, onGone } = this.#options.shared
    const listener = this.#listener
    this.#listener = null
    listener?.retire(() => {
      budget.giveBackListener()
      onGone()
    })
  }

  close(): void {
    const { flows, shared } = this.#options
    for (const ports of this.#clients.values())
      for (const flow of ports.values()) flows.close(flow, 'frontend-gone')
    if (this.#listener === null) return
    this.#listener.close()
    this.#listener = null
    shared.budget.giveBackListener()
    shared.onGone()
  }

  reply(flow: Flow, data: Uint8Array, ip: string, port: number): void {
    this.#touch(flow, ip, port)
    if (flow.client === null) this.#listener?.send(data, ip, port)
    else flow.client.send(data)
  }

  forget(ip: string, port: number): void {
    const ports = this.#clients.get(ip)
    if (ports?.get(port)?.client) this.#guarded--
    ports?.delete(port)
    if (ports?.size === 0) this.#clients.delete(ip)
  }

  readonly #onDatagram = (data: Uint8Array, ip: string, port: number): void => {
    let flow = this.#clients.get(ip)?.get(port) ?? null
    if (flow !== null && flow.service !== this.state.owner.service) {
      // The frontend has moved to another service port since.
      this.#options.flows.close(flow, 'frontend-gone')
      flow = null
    }
    flow ??= this.#open(ip, port)
    if (flow === null) return
    this.#touch(flow, ip, port)
    flow.service.counters.bytesIn += data.length
    if (flow.record !== null) flow.record.bytesIn += data.length
    flow.upstream.send(data)
  }

  #open(ip: string, port: number): Flow | null {
    const flow = this.#options.openFlow(ip, port)
    if (flow === null) return null
    const ports = this.#clients.get(ip) ?? new Map<number, Flow>()
    this.#clients.set(ip, ports.set(port, flow))
    if (this.#successorExpected) this.#guard(flow, ip, port)
    if (this.#listener !== null || flow.client !== null) return flow
    // The last of what waited when the frontend was left, and no descriptor for it: nothing could answer it.
    this.#options.flows.close(flow, 'local')
    return null
  }

  #touch(flow: Flow, ip: string, port: number): void {
    if (!this.#options.flows.touch(flow) || flow.client !== null) return
    const { budget } = this.#options.shared
    const plenty = budget.used * 2 < budget.usable
    if (plenty && this.#guarded < maxGuardedStreams && isStream(flow)) this.#guard(flow, ip, port)
  }

  /** Gives the flow a socket of its own, if there is a descriptor for it. */
  #guard(flow: Flow, ip: string, port: number): void {
    const { engine, log, shared } = this.#options
    if (flow.client !== null || !shared.budget.hasRoom) return
    const onError = (error: Error): void =>
      log.debug({ frontend: this.state.address, client: ip, err: error }, 'a UDP client refuses')
    try {
      flow.client = engine.connectUdp(this.state.address, { ip, port }, this.#onDatagram, onError)
    } catch (error) {
      log.debug({ frontend: this.state.address, client: ip, err: error }, 'no socket for a UDP client')
      return
    }
    this.#guarded++
    shared.budget.take(1)
  }
}
