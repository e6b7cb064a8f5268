// Time as a dependency, so that tests of timeouts and backoff need not wait. Everything below the composition
// roots gets a Clock; nothing there calls Date.now or setTimeout by itself.

export interface Timer {
  /** Cancels the timer; nothing happens if it has fired already. */
  cancel(): void
}

export interface Clock {
  /** Milliseconds on a monotonic scale: only differences mean something. */
  now(): number
  /** Runs `action` once, after at least `delayMs`. The timer doesn't keep the process alive. */
  after(delayMs: number, action: () => void): Timer
}

export const systemClock: Clock = {
  now: () => performance.now(),
  after(delayMs, action) {
    let timer: NodeJS.Timeout
    const arm = (leftMs: number): void => {
      const isLast = leftMs <= longestTimeoutMs
      timer = setTimeout(
        isLast ? action : () => arm(leftMs - longestTimeoutMs),
        Math.min(leftMs, longestTimeoutMs),
      )
      timer.unref()
    }
    arm(delayMs)
    return { cancel: () => clearTimeout(timer) }
  },
}

/** Of setTimeout, which takes anything longer for one millisecond. */
const longestTimeoutMs = 2 ** 31 - 1

/** Waits for `delayMs` or for the signal, whichever comes first; never rejects and leaves no timer behind. */
export function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise(resolve => {
    const finish = (): void => {
      timer.cancel()
      signal.removeEventListener('abort', finish)
      resolve()
    }
    const timer = clock.after(delayMs, finish)
    signal.addEventListener('abort', finish)
  })
}
