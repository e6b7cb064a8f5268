// How long to wait before asking the API server again: exponential with jitter between 0.8 s and 30 s, the
// bounds that client-go's reflector uses. A server that names a time (Retry-After) is never asked earlier.

export interface BackoffOptions {
  /** Uniform in [0, 1). */
  readonly random?: () => number
  readonly minMs?: number
  readonly maxMs?: number
}

/**
 * No server may send us away for longer than this. Retry-After values of real API servers are single seconds;
 * one of hours, from a proxy in between, would look like an outage that never ends.
 */
export const maxRetryAfterMs = 5 * 60_000

export class Backoff {
  readonly #random: () => number
  readonly #minMs: number
  readonly #maxMs: number
  #failures = 0

  constructor(options: BackoffOptions = {}) {
    this.#random = options.random ?? Math.random
    this.#minMs = options.minMs ?? 800
    this.#maxMs = options.maxMs ?? 30_000
  }

  /** Failures since the last reset. */
  get failures(): number {
    return this.#failures
  }

  /**
   * Counts a failure and returns the delay before the next attempt. The n-th delay lies in [c/2, c) where c
   * doubles from twice the minimum up to the maximum: it is jittered at every step, the longest included, so
   * that a thousand nodes don't come back to a restarted API server in the same second.
   */
  next(retryAfterMs: number | null = null): number {
    const ceiling = Math.min(this.#maxMs, this.#minMs * 2 * 2 ** Math.min(this.#failures, 30))
    this.#failures += 1
    const delay = Math.round(ceiling / 2 + (this.#random() * ceiling) / 2)
    if (retryAfterMs === null) return delay
    // Added, not only compared: Retry-After is the same number for every client that was turned away.
    const jitter = Math.round(this.#random() * this.#minMs)
    return Math.max(delay, Math.min(retryAfterMs, maxRetryAfterMs) + jitter)
  }

  /** To be called once an attempt has held long enough to count as a success. */
  reset(): void {
    this.#failures = 0
  }
}
