// From a pod's change to its being served: kube-proxy's network programming latency. The EndpointSlice controller writes
// the time of the oldest change behind an update into an annotation; here these times are kept until the sync that
// brings the change to the data plane. A Service that changes many times before a sync counts once, from the oldest.

import type { IpFamily } from '../model/address.ts'

export interface PendingChange {
  /** "namespace/name". */
  readonly service: string
  readonly family: IpFamily
  /** Milliseconds since 1970. */
  readonly triggeredAtMs: number
}

export class ChangeLatency {
  readonly #startedAtMs: number
  /** The last trigger time of each slice: one that comes again (a relist, another field) is no new change. */
  readonly #seen = new Map<string, string>()
  readonly #pending = new Map<string, PendingChange>()

  /**
   * Changes up to `startedAtMs` (milliseconds since 1970) don't count: they waited for this process, not for a sync.
   *
   * The calls: `sliceChanged` from where a slice is set, `sliceDeleted` from where one is deleted; `drain` where a sync
   * takes up the changes; after the data plane has applied it, observe `latencySeconds` of each, or `restore` them if
   * it failed.
   */
  constructor(startedAtMs: number) {
    this.#startedAtMs = startedAtMs
  }

  /** A slice of a Service is new or has changed. `trigger` is its annotation's value, whatever that is. */
  sliceChanged(slice: string, service: string, family: IpFamily, trigger: unknown): void {
    if (typeof trigger !== 'string') {
      this.#seen.delete(slice)
      return
    }
    if (this.#seen.get(slice) === trigger) return
    this.#seen.set(slice, trigger)
    const triggeredAtMs = readTrigger(trigger)
    if (triggeredAtMs !== null && triggeredAtMs > this.#startedAtMs) {
      this.#add({ service, family, triggeredAtMs })
    }
  }

  /** A deletion says nothing about when it was triggered: the annotation is from the update before. */
  sliceDeleted(slice: string): void {
    this.#seen.delete(slice)
  }

  /** Takes out what the sync that begins now will bring: per Service and family, the oldest. */
  drain(): readonly PendingChange[] {
    const changes = [...this.#pending.values()]
    this.#pending.clear()
    return changes
  }

  /** Puts back what a failed sync had drained. */
  restore(changes: readonly PendingChange[]): void {
    for (const change of changes) this.#add(change)
  }

  #add(change: PendingChange): void {
    const key = `${change.service}/${change.family}`
    const known = this.#pending.get(key)
    if (known === undefined || change.triggeredAtMs < known.triggeredAtMs) this.#pending.set(key, change)
  }
}

/** How long a change took until now. Never negative: the clock of the control plane may be ahead of ours. */
export function latencySeconds({ triggeredAtMs }: PendingChange, nowMs: number): number {
  return Math.max(0, nowMs - triggeredAtMs) / 1000
}

/** RFC 3339, with any number of digits behind the second. */
const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/

function readTrigger(text: string): number | null {
  if (text.length > 40 || !time.test(text)) return null
  const ms = Date.parse(text)
  return Number.isNaN(ms) ? null : ms
}
