// The UDP flows of the whole data plane: a client's address and a frontend on one side, an endpoint's socket on
// the other. Bounded in number (the least recently used goes first) and in time. A flow belongs to a frontend
// and dies with it.

import type { Clock, Timer } from '../ops/clock.ts'
import type { UdpUpstream } from './engine.ts'
import type { EndpointState, ServiceState } from './service-state.ts'

export interface FlowTimeouts {
  /** A flow that is no stream yet: one question, one answer. The kernel's nf_conntrack_udp_timeout. */
  readonly idleMs: number
  /** A flow with traffic both ways for more than two seconds. nf_conntrack_udp_timeout_stream. */
  readonly streamIdleMs: number
}

/** From this age on a flow that was answered is a stream, as in the kernel's connection tracking. */
const streamAfterMs = 2000
const sweepMs = 1000

/** One client's conversation with one endpoint through one frontend. */
export interface Flow {
  readonly service: ServiceState
  readonly endpoint: EndpointState
  readonly upstream: UdpUpstream
  readonly startedAt: number
  /** Takes the flow out of its frontend's index. */
  readonly forget: () => void
  answered: boolean
  lastUsedAt: number
}

export class FlowTable {
  /** In order of last use, least recent first: re-inserting on use keeps a Set sorted. */
  readonly #flows = new Set<Flow>()
  readonly #clock: Clock
  readonly #timeouts: FlowTimeouts
  readonly #maxFlows: number
  readonly #onClosed: (flow: Flow) => void
  #sweeper: Timer | null = null

  constructor(clock: Clock, timeouts: FlowTimeouts, maxFlows: number, onClosed: (flow: Flow) => void) {
    this.#clock = clock
    this.#timeouts = timeouts
    this.#maxFlows = maxFlows
    this.#onClosed = onClosed
  }

  get size(): number {
    return this.#flows.size
  }

  [Symbol.iterator](): IterableIterator<Flow> {
    return this.#flows.values()
  }

  /** Makes room for a new flow where the table is full, by closing the least recently used. */
  makeRoom(): void {
    while (this.#flows.size >= this.#maxFlows) if (!this.evictOldest()) return
  }

  /** Closes the least recently used flow; false where there is none. */
  evictOldest(): boolean {
    const [oldest] = this.#flows
    if (oldest !== undefined) this.close(oldest)
    return oldest !== undefined
  }

  add(flow: Flow): void {
    this.#flows.add(flow)
    this.#sweeper ??= this.#clock.after(sweepMs, () => this.#sweep())
  }

  touch(flow: Flow): void {
    flow.lastUsedAt = this.#clock.now()
    this.#flows.delete(flow)
    this.#flows.add(flow)
  }

  close(flow: Flow): void {
    if (!this.#flows.delete(flow)) return
    flow.upstream.close()
    flow.forget()
    this.#onClosed(flow)
  }

  closeAll(): void {
    for (const flow of this.#flows) this.close(flow)
    this.#sweeper?.cancel()
    this.#sweeper = null
  }

  #sweep(): void {
    const now = this.#clock.now()
    for (const flow of this.#flows) {
      const idleMs = now - flow.lastUsedAt
      // Sorted by last use: nothing behind this one has been idle for longer.
      if (idleMs < Math.min(this.#timeouts.idleMs, this.#timeouts.streamIdleMs)) break
      const isStream = flow.answered && flow.lastUsedAt - flow.startedAt > streamAfterMs
      if (idleMs >= (isStream ? this.#timeouts.streamIdleMs : this.#timeouts.idleMs)) this.close(flow)
    }
    this.#sweeper = this.#flows.size > 0 ? this.#clock.after(sweepMs, () => this.#sweep()) : null
  }
}
