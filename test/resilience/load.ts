// The loads that a traffic process can make, and what each has in common: a list of targets, a pace that doesn't
// depend on the answers (open loop), and a stop after which everything sent is accounted for.

import type { Outcomes } from './outcomes.ts'

export type Load = ConnectionsLoad | RequestsLoad | BulkLoad | DatagramsLoad

interface LoadBase {
  readonly name: string
  /** "ip:port" of frontends, used in turn. */
  readonly to: readonly string[]
  /** How many client addresses there are; used in turn. */
  readonly clients: number
  /** Keep when each answer was asked for, and who gave it. */
  readonly journal?: boolean
}

/** Connect, one request, one response, close (netperf's TCP_CRR). */
export interface ConnectionsLoad extends LoadBase {
  readonly kind: 'connections'
  readonly perSecond: number
  /** A client address must always meet the same endpoint of a target (session affinity). */
  readonly sticky?: boolean
}

/** Connections that stay open, with a request on each every so often (TCP_RR). */
export interface RequestsLoad extends LoadBase {
  readonly kind: 'requests'
  readonly connections: number
  readonly everyMs: number
  /** Each makes room for a new one after this time; absent: it stays until the load stops. */
  readonly lastsMs?: number
}

/** Transfers that come back as an echo and are compared by checksum (TCP_STREAM both ways). */
export interface BulkLoad extends LoadBase {
  readonly kind: 'bulk'
  readonly streams: number
  readonly bytesPerSecond: number
  /** Each stream's transfers, one after the other; null: one that lasts until the load stops. */
  readonly bytesPerTransfer: number | null
}

/** Numbered datagrams, each with an answer and none sent twice (UDP_RR). */
export interface DatagramsLoad extends LoadBase {
  readonly kind: 'datagrams'
  readonly flows: number
  readonly everyMs: number
  /** Each makes room for a new one, from another port, after this time; absent: it stays until the load stops. */
  readonly lastsMs?: number
}

export interface LoadRun {
  readonly outcomes: Outcomes
  /** "client ip:port" of each connection that is established now and meant to stay. */
  openConnections(): readonly string[]
  /** Begins nothing more; resolves when everything that was begun has ended. */
  stop(): Promise<void>
}

/**
 * Keeps `count` of something running until the stop: each `keep` goes on until its signal is aborted, and has its
 * established connections in `open`, as `openConnections` tells them.
 */
export function keepRunning(
  outcomes: Outcomes,
  count: number,
  keep: (n: number, open: Set<string>, stop: AbortSignal) => Promise<void>,
): LoadRun {
  const stop = new AbortController()
  const open = new Set<string>()
  const running = Array.from({ length: count }, (_, n) => keep(n, open, stop.signal))
  return {
    outcomes,
    openConnections: () => [...open],
    async stop() {
      stop.abort()
      await Promise.all(running)
    },
  }
}

/** How long an answer may take before it counts as a failure: longer than any pause a busy machine makes. */
export const answerTimeoutMs = 15_000

/** The nth client's address: 10.200.0.1 onwards. */
export function clientAddress(n: number): string {
  return `10.200.${Math.floor(n / 250)}.${(n % 250) + 1}`
}

export function splitAddress(text: string): { readonly ip: string; readonly port: number } {
  const at = text.lastIndexOf(':')
  return { ip: text.slice(0, at), port: Number(text.slice(at + 1)) }
}

/** The item in turn; `items` is never empty. */
export function inTurn<T>(items: readonly T[], n: number): T {
  return items[n % items.length] as T
}
