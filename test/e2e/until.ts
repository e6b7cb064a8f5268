// Waiting for something to become true by asking again and again, with a deadline. For what can't be awaited
// as an event from outside: another process's state.

import { setTimeout as delay } from 'node:timers/promises'

export interface UntilOptions {
  /** Default 60 s: a slow machine must not fail a test. */
  readonly deadlineMs?: number
  readonly everyMs?: number
  /** Says why there is no point in waiting any longer, if so. */
  readonly hopeless?: () => string | undefined
  /** What to add to the message when the deadline passes. */
  readonly detail?: () => string
}

/**
 * Calls `attempt` until it resolves to something other than undefined, which is the result. An attempt that
 * throws counts as "not yet". Rejects when the deadline passes, with `what` and the last error.
 */
export async function until<T>(
  what: string,
  attempt: () => T | undefined | Promise<T | undefined>,
  options: UntilOptions = {},
): Promise<T> {
  const { deadlineMs = 60_000, everyMs = 50, hopeless, detail } = options
  const deadline = performance.now() + deadlineMs
  let lastError: unknown
  let reason = `${deadlineMs / 1000} s have passed`
  while (performance.now() < deadline) {
    try {
      const result = await attempt()
      if (result !== undefined) return result
    } catch (error) {
      lastError = error
    }
    const end = hopeless?.()
    if (end !== undefined) {
      reason = end
      break
    }
    await delay(everyMs)
  }
  const extra = detail === undefined ? '' : `\n${detail()}`
  throw new Error(`still not: ${what}; ${reason}${extra}`, { cause: lastError })
}
