// How many descriptors this process may still use. Everything that opens a socket for a client takes from the
// budget first and gives back when the socket is closed, so that running out is a decision of ours (accepting
// pauses, the backlog holds) and not an EMFILE in the middle of something.

import { readFileSync } from 'node:fs'

/** Kept back for what isn't counted: the API server, health and status clients, logs, Node's own. */
const reserved = 128

/** Descriptors where the limit can't be read: POSIX's customary soft limit. */
const fallbackLimit = 1024

/** Accepting starts again when this share of what clients may use is free, so that it doesn't flap. */
const resumeShare = 0.05

/** The soft limit of open descriptors of this process (Linux), which Node raises to the hard one at start. */
export function descriptorLimit(): number {
  try {
    const line = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))
    return line ? Number(line[1]) : fallbackLimit
  } catch {
    return fallbackLimit
  }
}

export class DescriptorBudget {
  readonly limit: number
  readonly #usable: number
  readonly #onExhausted: () => void
  readonly #onAvailable: () => void
  #used = 0
  #exhausted = false

  /** The callbacks run at each change from available to exhausted and back. */
  constructor(limit: number, onExhausted: () => void, onAvailable: () => void) {
    this.limit = limit
    this.#usable = Math.max(1, limit - Math.min(reserved, Math.floor(limit / 4)))
    this.#onExhausted = onExhausted
    this.#onAvailable = onAvailable
  }

  get used(): number {
    return this.#used
  }

  get exhausted(): boolean {
    return this.#exhausted
  }

  /** Whether another client (two descriptors) fits. */
  get hasRoom(): boolean {
    return this.#used + 2 <= this.#usable
  }

  take(count: number): void {
    this.#used += count
    if (!this.#exhausted && !this.hasRoom) {
      this.#exhausted = true
      this.#onExhausted()
    }
  }

  giveBack(count: number): void {
    this.#used -= count
    if (this.#exhausted && this.#used + 2 <= this.#usable * (1 - resumeShare)) {
      this.#exhausted = false
      this.#onAvailable()
    }
  }
}
