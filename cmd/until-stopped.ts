// Waiting for the end: resolves on SIGINT or SIGTERM. A second signal doesn't wait for a tidy stop any more.

/**
 * A terminal's Ctrl-C reaches the whole process group, and npm passes its own copy on: what arrives this soon after
 * the first signal is the same wish, not impatience.
 */
const sameWishMs = 300

/** Keeps the process alive until a signal asks it to stop. */
export function untilStopped(): Promise<void> {
  return new Promise(resolve => {
    const alive = setInterval(() => {}, 2 ** 30)
    let askedAt: number | null = null
    const stop = (signal: NodeJS.Signals): void => {
      if (askedAt !== null && performance.now() - askedAt > sameWishMs) {
        process.exit(signal === 'SIGINT' ? 130 : 143)
      }
      askedAt ??= performance.now()
      clearInterval(alive)
      resolve()
    }
    process.on('SIGINT', stop)
    process.on('SIGTERM', stop)
  })
}
