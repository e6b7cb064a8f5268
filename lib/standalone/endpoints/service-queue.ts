// The Services whose endpoints are to be looked at again: each once, however often it was asked for, in turns of
// bounded length, so that a burst costs one pass per Service and requests are answered in between. A pass that fails is
// tried again later, each time later than before.

import type { Clock, Timer } from '../../ops/clock.ts'

export interface ServiceQueueOptions {
  /** Throws when it is to be tried again. */
  readonly work: (serviceKey: string) => void
  readonly failed: (serviceKey: string, error: unknown) => void
  readonly clock: Clock
}

const servicesPerTurn = 100
const firstRetryMs = 1000
const longestRetryMs = 60_000

export class ServiceQueue {
  readonly #options: ServiceQueueOptions
  readonly #queued = new Set<string>()
  readonly #retries = new Map<string, { readonly delayMs: number; readonly timer: Timer }>()
  #scheduled: NodeJS.Immediate | undefined
  #waiting: (() => void)[] = []
  #working: string | undefined
  #closed = false

  constructor(options: ServiceQueueOptions) {
    this.#options = options
  }

  /** Asks for a pass, except from within that very pass: what it writes needs no second look. */
  add(serviceKey: string): void {
    if (this.#closed || serviceKey === this.#working) return
    this.#queued.add(serviceKey)
    this.#scheduled ??= setImmediate(() => this.#workOff())
  }

  /** Resolves once nothing is queued. Passes that failed aren't waited for. */
  settled(): Promise<void> {
    return this.#scheduled ? new Promise(resolve => this.#waiting.push(resolve)) : Promise.resolve()
  }

  close(): void {
    this.#closed = true
    if (this.#scheduled) clearImmediate(this.#scheduled)
    for (const { timer } of this.#retries.values()) timer.cancel()
    this.#retries.clear()
    this.#idle()
  }

  #workOff(): void {
    let left = servicesPerTurn
    for (const key of this.#queued) {
      if (left-- === 0) break
      this.#queued.delete(key)
      this.#pass(key)
    }
    if (this.#closed) return
    if (this.#queued.size > 0) this.#scheduled = setImmediate(() => this.#workOff())
    else this.#idle()
  }

  #pass(key: string): void {
    this.#working = key
    try {
      this.#options.work(key)
      this.#retries.get(key)?.timer.cancel()
      this.#retries.delete(key)
    } catch (error) {
      this.#options.failed(key, error)
      this.#retryLater(key)
    } finally {
      this.#working = undefined
    }
  }

  #retryLater(key: string): void {
    const before = this.#retries.get(key)
    before?.timer.cancel()
    const delayMs = Math.min(longestRetryMs, before ? before.delayMs * 2 : firstRetryMs)
    const timer = this.#options.clock.after(delayMs, () => this.add(key))
    this.#retries.set(key, { delayMs, timer })
  }

  #idle(): void {
    this.#scheduled = undefined
    const waiting = this.#waiting
    this.#waiting = []
    for (const resolve of waiting) resolve()
  }
}
