// A clock that stands still until the test moves it.

import type { Clock, Timer } from '../../lib/ops/clock.ts'

export class ManualClock implements Clock {
  #now = 0
  readonly #timers = new Set<{ readonly dueAt: number; readonly action: () => void }>()

  /** Delays until each running timer, shortest first. */
  get pending(): readonly number[] {
    return [...this.#timers].map(timer => timer.dueAt - this.#now).sort((a, b) => a - b)
  }

  now(): number {
    return this.#now
  }

  after(delayMs: number, action: () => void): Timer {
    const timer = { dueAt: this.#now + delayMs, action }
    this.#timers.add(timer)
    return { cancel: () => this.#timers.delete(timer) }
  }

  /** Moves the time on and fires what falls due, in order. */
  advance(byMs: number): void {
    const until = this.#now + byMs
    for (;;) {
      const [next] = [...this.#timers].filter(({ dueAt }) => dueAt <= until).sort((a, b) => a.dueAt - b.dueAt)
      if (!next) break
      this.#timers.delete(next)
      this.#now = next.dueAt
      next.action()
    }
    this.#now = until
  }
}
