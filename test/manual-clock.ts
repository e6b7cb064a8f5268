// A clock that stands still until a test moves it: timeouts and backoff are tested without waiting for them.

import type { Clock, Timer } from '../lib/ops/clock.ts'

interface Pending {
  readonly dueAt: number
  readonly delayMs: number
  readonly action: () => void
}

interface Waiting {
  readonly wanted: (delayMs: number) => boolean
  readonly found: (delayMs: number) => void
}

export class ManualClock implements Clock {
  #now = 1000
  readonly #pending = new Set<Pending>()
  #waiting: Waiting[] = []

  now(): number {
    return this.#now
  }

  /** How many timers have neither fired nor been cancelled. */
  get pending(): number {
    return this.#pending.size
  }

  /** What is left of each of them, shortest first. */
  get delays(): readonly number[] {
    return [...this.#pending].map(timer => timer.dueAt - this.#now).sort((a, b) => a - b)
  }

  after(delayMs: number, action: () => void): Timer {
    const timer = { dueAt: this.#now + delayMs, delayMs, action }
    this.#pending.add(timer)
    this.#waiting = this.#waiting.filter(({ wanted, found }) => {
      if (!wanted(delayMs)) return true
      found(delayMs)
      return false
    })
    return { cancel: () => void this.#pending.delete(timer) }
  }

  /** Resolves with the delay of a running timer that fits, once there is one. */
  armed(wanted: (delayMs: number) => boolean = () => true): Promise<number> {
    for (const { delayMs } of this.#pending) if (wanted(delayMs)) return Promise.resolve(delayMs)
    return new Promise(found => this.#waiting.push({ wanted, found }))
  }

  /** Moves the time on and fires what falls due, in order, timers that are set on the way included. */
  advance(byMs: number): void {
    const until = this.#now + byMs
    while (this.#fireNext(until));
    this.#now = until
  }

  /** The same, with all promises settled after each timer. */
  async advanceAndSettle(byMs: number): Promise<void> {
    const until = this.#now + byMs
    while (this.#fireNext(until)) await settled()
    this.#now = until
    await settled()
  }

  #fireNext(until: number): boolean {
    const due = [...this.#pending].filter(({ dueAt }) => dueAt <= until)
    const [next] = due.sort((a, b) => a.dueAt - b.dueAt)
    if (next === undefined) return false
    this.#pending.delete(next)
    this.#now = Math.max(this.#now, next.dueAt)
    next.action()
    return true
  }
}

/** Resolves when all microtasks have run, those that they started included. */
export function settled(): Promise<void> {
  return new Promise(resolve => {
    setImmediate(resolve)
  })
}
