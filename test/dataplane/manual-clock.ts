// A clock that stands still until a test moves it: timeouts are tested without waiting for them.

import type { Clock, Timer } from '../../lib/ops/clock.ts'

interface Pending {
  readonly at: number
  readonly action: () => void
}

export class ManualClock implements Clock {
  #now = 0
  readonly #pending = new Set<Pending>()

  now(): number {
    return this.#now
  }

  after(delayMs: number, action: () => void): Timer {
    const pending = { at: this.#now + delayMs, action }
    this.#pending.add(pending)
    return { cancel: () => void this.#pending.delete(pending) }
  }

  /** Moves the time on and runs what falls due, in order, timers that are set on the way included. */
  advance(ms: number): void {
    const end = this.#now + ms
    for (;;) {
      const due = [...this.#pending].filter(each => each.at <= end)
      if (due.length === 0) break
      const next = due.reduce((first, each) => (each.at < first.at ? each : first))
      this.#pending.delete(next)
      this.#now = Math.max(this.#now, next.at)
      next.action()
    }
    this.#now = end
  }

  /** How many timers are set. */
  get pending(): number {
    return this.#pending.size
  }
}
