// Waiting for something that has no event to wait for: a counter, the state of another process.

import { setImmediate, setTimeout } from 'node:timers/promises'

/** Resolves as soon as the condition holds; fails, naming it, after a time that no machine is too slow for. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  everyMs = 0,
): Promise<void> {
  const deadline = Date.now() + 30_000
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}`)
    await (everyMs === 0 ? setImmediate() : setTimeout(everyMs))
  }
}
