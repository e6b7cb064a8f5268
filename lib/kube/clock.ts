// Time as lib/kube sees it, so that tests can move it by hand: nothing in this folder that waits for seconds
// or minutes (backoff, silent streams) uses another clock. HTTP timeouts are undici's and stay real.

/** A source of time. `after` calls back once after `delayMs` and returns a function that cancels it. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
  after(delayMs: number, callback: () => void): () => void
}

export const systemClock: Clock = {
  now: Date.now,
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs)
    return () => clearTimeout(timer)
  },
}

/** Waits for `delayMs` or for the signal, whichever comes first; never rejects and leaves no timer behind. */
export function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise(resolve => {
    const finish = () => {
      cancel()
      signal.removeEventListener('abort', finish)
      resolve()
    }
    const cancel = clock.after(delayMs, finish)
    signal.addEventListener('abort', finish)
  })
}
