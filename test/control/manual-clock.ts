// A clock that stands still until the test moves it.

import type { Clock, Timer } from '../../lib/ops/clock.ts'

interface Pending {
  readonly dueAt: number
  readonly action: () => void
}

export class ManualClock implements Clock {
  #now = 1000
  readonly #pending = new Set<Pending>()

  now(): number {
    return this.#now
  }

  /** Timers that neither fired nor were cancelled. */
  get pending(): number {
    return this.#pending.size
  }

  after(delayMs: number, action: () => void): Timer {
    const timer = { dueAt: this.#now + delayMs, action }
    this.#pending.add(timer)
    return { cancel: () => this.#pending.delete(timer) }
  }

  /** Moves the time on and fires what is due, in order, promises settled after each. */
  async advance(byMs: number): Promise<void> {
    const until = this.#now + byMs
    for (;;) {
      const [next] = [...this.#pending]
        .filter(timer => timer.dueAt <= until)
        .sort((a, b) => a.dueAt - b.dueAt)
      if (next === undefined) break
      this.#pending.delete(next)
      this.#now = next.dueAt
      next.action()
      await settled()
    }
    this.#now = until
    await settled()
  }
}

/** Resolves when all microtasks have run, those that they started included. */
export function settled(): Promise<void> {
  return new Promise(resolve => {
    setImmediate(resolve)
  })
}
