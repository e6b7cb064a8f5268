// A clock that stands still until the test moves it. `armed` tells when the code under test has begun to wait.

import type { Clock, Timer as ClockTimer } from '../../lib/ops/clock.ts'

interface Timer {
  readonly dueAt: number
  readonly delayMs: number
  readonly callback: () => void
}

export class ManualClock implements Clock {
  #now = Date.parse('2026-01-01T00:00:00Z')
  readonly #timers = new Set<Timer>()
  #waiting: { readonly wanted: (delayMs: number) => boolean; readonly found: (delayMs: number) => void }[] =
    []

  now(): number {
    return this.#now
  }

  /** Timers that are running. */
  get running(): number {
    return this.#timers.size
  }

  after(delayMs: number, callback: () => void): ClockTimer {
    const timer = { dueAt: this.#now + delayMs, delayMs, callback }
    this.#timers.add(timer)
    this.#waiting = this.#waiting.filter(({ wanted, found }) => {
      if (!wanted(delayMs)) return true
      found(delayMs)
      return false
    })
    return { cancel: () => void this.#timers.delete(timer) }
  }

  /** Resolves with the delay of a running timer that fits, once there is one. */
  armed(wanted: (delayMs: number) => boolean = () => true): Promise<number> {
    for (const { delayMs } of this.#timers) if (wanted(delayMs)) return Promise.resolve(delayMs)
    return new Promise(found => this.#waiting.push({ wanted, found }))
  }

  /** Moves the time on and fires what is due, in order. */
  advance(byMs: number): void {
    const until = this.#now + byMs
    for (;;) {
      const next = [...this.#timers]
        .filter(timer => timer.dueAt <= until)
        .sort((a, b) => a.dueAt - b.dueAt)[0]
      if (next === undefined) break
      this.#timers.delete(next)
      this.#now = Math.max(this.#now, next.dueAt)
      next.callback()
    }
    this.#now = until
  }
}
