// Makes many writers share the disk's slow step: whoever asks while one is under way waits for the next, which then is
// for all of them.

import type { Clock, Timer } from '../../ops/clock.ts'

export interface GroupCommit {
  /** Something was written. It is made safe before long, also when nobody asks. */
  wrote(): void
  /** Everything written before now is safe by other means. */
  safe(): void
  /** Resolves once everything written before now is safe; rejects with what the step failed with. */
  committed(): Promise<void>
  /** Resolves when no step is under way. */
  idle(): Promise<void>
}

interface Waiter {
  readonly until: number
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** `sync` makes everything safe that was written before it is called; it is never called while it is at work. */
export function createGroupCommit(options: {
  readonly sync: () => Promise<void>
  readonly clock: Clock
  /** How long what nobody waits for may take. */
  readonly delayMs: number
}): GroupCommit {
  const { sync, clock, delayMs } = options
  let written = 0
  let safe = 0
  let running: Promise<void> | undefined
  let soon: Timer | undefined
  let waiters: Waiter[] = []

  const settle = (): void => {
    const served = waiters.filter(waiter => waiter.until <= safe)
    waiters = waiters.filter(waiter => waiter.until > safe)
    for (const waiter of served) waiter.resolve()
  }
  const step = async (): Promise<void> => {
    const until = written
    try {
      await sync()
      safe = Math.max(safe, until)
      settle()
    } catch (error) {
      const failed = waiters
      waiters = []
      for (const waiter of failed) waiter.reject(error)
    }
  }
  const start = (): void => {
    if (running !== undefined) return
    soon?.cancel()
    soon = undefined
    running = step().then(() => {
      running = undefined
      if (waiters.length > 0) start()
    })
  }
  return {
    wrote() {
      written++
      soon ??= clock.after(delayMs, start)
    },
    safe() {
      safe = written
      settle()
    },
    committed() {
      if (safe === written) return Promise.resolve()
      return new Promise((resolve, reject) => {
        waiters.push({ until: written, resolve, reject })
        start()
      })
    },
    async idle() {
      for (let step = running; step !== undefined; step = running) await step
      soon?.cancel()
    },
  }
}
