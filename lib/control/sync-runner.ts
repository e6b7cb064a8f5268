// When to apply changes: a lone change at once, a burst at most once per interval, and never two runs at a time.
// A run that fails is tried again, whether or not something else changes.

import { reasonOf } from '../model/error.ts'
import type { Clock, Timer } from '../ops/clock.ts'
import type { Log } from '../ops/log.ts'

/** A run that fails at once must not be repeated as fast as it fails. */
const retryMs = 1000

export class SyncRunner {
  readonly #run: () => Promise<void>
  readonly #minIntervalMs: number
  readonly #clock: Clock
  readonly #log: Log
  #lastStart = Number.NEGATIVE_INFINITY
  #timer: Timer | null = null
  #running = false
  #requested = false
  #closed = false

  constructor(run: () => Promise<void>, minIntervalMs: number, clock: Clock, log: Log) {
    this.#run = run
    this.#minIntervalMs = minIntervalMs
    this.#clock = clock
    this.#log = log
  }

  /** Something has changed. Cheap, and may be called any number of times. */
  request(): void {
    if (this.#requested || this.#closed) return
    this.#requested = true
    if (!this.#running) this.#schedule(this.#minIntervalMs)
  }

  /** No run starts after this. */
  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  #schedule(intervalMs: number): void {
    const waitMs = this.#lastStart + intervalMs - this.#clock.now()
    // A microtask, not a call: events that arrived in one read are taken together.
    if (waitMs <= 0) queueMicrotask(() => void this.#start())
    else this.#timer = this.#clock.after(waitMs, () => void this.#start())
  }

  async #start(): Promise<void> {
    if (this.#closed) return
    this.#requested = false
    this.#running = true
    this.#lastStart = this.#clock.now()
    let intervalMs = this.#minIntervalMs
    try {
      await this.#run()
    } catch (error) {
      this.#log.error({ err: error }, `sync failed, trying again: ${reasonOf(error)}`)
      this.#requested = true
      intervalMs = Math.max(intervalMs, retryMs)
    }
    this.#running = false
    if (this.#requested && !this.#closed) this.#schedule(intervalMs)
  }
}
