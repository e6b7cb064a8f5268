// Notices that a stream has gone silent. A connection can be dead without anyone being told: a NAT entry expired,
// a proxy lost its other side, a server's machine was unplugged. A watch that waits on it sees nothing change, for ever.

import type { Clock, Timer } from '../ops/clock.ts'

export interface SilenceGuardOptions {
  readonly clock: Clock
  /** The longest silence that is fine from now on; asked again whenever something was heard. */
  readonly silenceMs: () => number
  /** However much is sent: how long after its start the stream is to end. Asked like `silenceMs`. */
  readonly totalMs: () => number
  /** Called once at most, with the silence in milliseconds. */
  readonly onSilence: (silentMs: number) => void
}

export class SilenceGuard {
  readonly #options: SilenceGuardOptions
  readonly #startedAt: number
  #timer: Timer

  constructor(options: SilenceGuardOptions) {
    this.#options = options
    this.#startedAt = options.clock.now()
    this.#timer = this.#arm()
  }

  /** Something has arrived and was dealt with: counts anew. A timer per chunk is little next to the chunk. */
  heard(): void {
    this.#timer.cancel()
    this.#timer = this.#arm()
  }

  stop(): void {
    this.#timer.cancel()
  }

  #arm(): Timer {
    const { clock, silenceMs, totalMs, onSilence } = this.#options
    const now = clock.now()
    const delayMs = Math.min(silenceMs(), this.#startedAt + totalMs() - now)
    return clock.after(Math.max(0, delayMs), () => onSilence(clock.now() - now))
  }
}
