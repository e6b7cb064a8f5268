// The UDP flows of the whole data plane: a client's address and a frontend on one side, an endpoint's socket on
// the other. Bounded in number (the least recently used goes first) and in time. A flow belongs to a frontend
// and dies with it.

import type { AccessRecord } from '../ops/access-record.ts'
import type { Clock, Timer } from '../ops/clock.ts'
import type { UdpPeer } from './engine.ts'
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

/** The order of last use is renewed at most this often per flow. */
const renewMs = 1000

/** How many flows are looked at to find the one that is silent the longest, where many were used within `renewMs`. */
const maxLooks = 64

/**
 * Why a flow ends: it was silent, or made room for another; its endpoint serves no more, or refused a datagram; its
 * frontend was closed or is another Service's; it needs a descriptor that there isn't; everything ends.
 */
export type FlowEnd =
  'idle' | 'evicted' | 'endpoint-gone' | 'refused' | 'frontend-gone' | 'local' | 'shutdown'

/** One client's conversation with one endpoint through one frontend. */
export interface Flow {
  readonly service: ServiceState
  readonly endpoint: EndpointState
  readonly upstream: UdpPeer
  /** The client's own socket at the frontend's address; null: the frontend's own serves it. */
  client: UdpPeer | null
  readonly startedAt: number
  /** Takes the flow out of its frontend's index. */
  readonly forget: () => void
  /** For the access log; null where there is none. */
  readonly record: AccessRecord | null
  answered: boolean
  lastUsedAt: number
  /** Its place in the order of last use is right as of this time. */
  orderedAt: number
}

/** Traffic both ways for a while: more than one question and its answer. */
export function isStream({ answered, lastUsedAt, startedAt }: Flow): boolean {
  return answered && lastUsedAt - startedAt > streamAfterMs
}

export class FlowTable {
  /** In order of `orderedAt`: re-inserting keeps a Set sorted. A flow has been used less than `renewMs` after that. */
  readonly #flows = new Set<Flow>()
  readonly #clock: Clock
  readonly #timeouts: FlowTimeouts
  readonly #maxFlows: number
  readonly #onClosed: (flow: Flow, end: FlowEnd) => void
  #sweeper: Timer | null = null

  constructor(
    clock: Clock,
    timeouts: FlowTimeouts,
    maxFlows: number,
    onClosed: (flow: Flow, end: FlowEnd) => void,
  ) {
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
    let oldest: Flow | null = null
    let looks = 0
    for (const flow of this.#flows) {
      if (oldest !== null && (flow.orderedAt > oldest.lastUsedAt || looks === maxLooks)) break
      if (oldest === null || flow.lastUsedAt < oldest.lastUsedAt) oldest = flow
      looks++
    }
    if (oldest !== null) this.close(oldest, 'evicted')
    return oldest !== null
  }

  add(flow: Flow): void {
    this.#flows.add(flow)
    this.#sweeper ??= this.#clock.after(sweepMs, () => this.#sweep())
  }

  /** The flow was used. True where that is its first use for a while: a time to look at it, not at each datagram. */
  touch(flow: Flow): boolean {
    const now = this.#clock.now()
    flow.lastUsedAt = now
    if (now - flow.orderedAt < renewMs) return false
    flow.orderedAt = now
    this.#flows.delete(flow)
    this.#flows.add(flow)
    return true
  }

  close(flow: Flow, end: FlowEnd): void {
    if (!this.#flows.delete(flow)) return
    flow.upstream.close()
    flow.client?.close()
    flow.forget()
    this.#onClosed(flow, end)
  }

  closeAll(): void {
    for (const flow of this.#flows) this.close(flow, 'shutdown')
    this.#sweeper?.cancel()
    this.#sweeper = null
  }

  #sweep(): void {
    const now = this.#clock.now()
    for (const flow of this.#flows) {
      // Sorted by it: nothing behind this one has been idle for longer.
      if (now - flow.orderedAt < Math.min(this.#timeouts.idleMs, this.#timeouts.streamIdleMs)) break
      const limitMs = isStream(flow) ? this.#timeouts.streamIdleMs : this.#timeouts.idleMs
      if (now - flow.lastUsedAt >= limitMs) this.close(flow, 'idle')
    }
    this.#sweeper = this.#flows.size > 0 ? this.#clock.after(sweepMs, () => this.#sweep()) : null
  }
}
