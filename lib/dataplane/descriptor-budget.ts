// How many descriptors this process may still use. Everything that opens a socket for a client takes from the
// budget first and gives back when the socket is closed, so that running out is a decision of ours (accepting
// pauses, the backlog holds) and not an EMFILE in the middle of something. That matters more than it seems: under
// EMFILE libuv accepts what waits in the backlog and closes it at once, without a word to us.

import { readFileSync, statSync } from 'node:fs'

/** Kept back for what isn't counted: the API server, health and status clients, logs, Node's own. */
const reserved = 128

/** Descriptors where the limit can't be read: POSIX's customary soft limit. */
const fallbackLimit = 1024

/** Accepting starts again when this share of what clients may use is free, so that it doesn't flap. */
const resumeShare = 0.05

/** What one more client needs: its own socket and the upstream's. */
const perClient = 2

/** The soft limit of open descriptors of this process (Linux), which Node raises to the hard one at start. */
export function descriptorLimit(): number {
  try {
    const line = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))
    return line ? Number(line[1]) : fallbackLimit
  } catch {
    return fallbackLimit
  }
}

/**
 * How many descriptors this process has open, whoever opened them; null where the system doesn't tell. Linux
 * reports it as the size of this directory since 6.2, which costs one system call at any number of descriptors.
 */
export function openDescriptors(): number | null {
  try {
    return statSync('/proc/self/fd').size || null
  } catch {
    return null
  }
}

export class DescriptorBudget {
  readonly limit: number
  readonly #reserved: number
  readonly #onExhausted: () => void
  readonly #onAvailable: () => void
  #clients = 0
  #listeners = 0
  /** Open descriptors that nobody took from this budget. */
  #others = 0
  #exhausted = false

  /** The callbacks run at each change from available to exhausted and back. */
  constructor(limit: number, onExhausted: () => void, onAvailable: () => void) {
    this.limit = limit
    this.#reserved = Math.min(reserved, Math.floor(limit / 4))
    this.#onExhausted = onExhausted
    this.#onAvailable = onAvailable
  }

  get used(): number {
    return this.#clients + this.#listeners
  }

  get exhausted(): boolean {
    return this.#exhausted
  }

  /** What clients and listeners may use together. Others may fill three quarters of the reserve unnoticed. */
  get usable(): number {
    return this.limit - Math.max(this.#reserved, this.#others + Math.ceil(this.#reserved / 4))
  }

  /** Whether another client fits. */
  get hasRoom(): boolean {
    return this.used + perClient <= this.usable
  }

  take(count: number): void {
    this.#clients += count
    this.#update()
  }

  giveBack(count: number): void {
    this.#clients -= count
    this.#update()
  }

  takeListener(): void {
    this.#listeners++
    this.#update()
  }

  giveBackListener(): void {
    this.#listeners--
    this.#update()
  }

  /** Corrects the budget by what the process really has open; null where that isn't known. */
  observe(open: number | null): void {
    this.#others = open === null ? 0 : Math.max(0, open - this.used)
    this.#update()
  }

  /** The system has just refused a descriptor. There is no room until the next `observe`. */
  starved(): void {
    this.#others = this.limit
    this.#update()
  }

  #update(): void {
    if (!this.#exhausted && !this.hasRoom) {
      this.#exhausted = true
      this.#onExhausted()
    } else if (this.#exhausted && this.#hasRoomToResume) {
      this.#exhausted = false
      this.#onAvailable()
    }
  }

  /** Listeners stay open whatever clients do: the share is one of the rest, or it might never be reached. */
  get #hasRoomToResume(): boolean {
    const forClients = this.usable - this.#listeners
    return this.#clients + perClient + Math.floor(forClients * resumeShare) <= forClients
  }
}
