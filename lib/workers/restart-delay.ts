// How long a worker's place stays empty when its workers keep ending soon after their start: the first time not at all,
// for one end may be chance, then twice as long each time, so that a worker that can't live costs next to nothing.

const firstMs = 100
const longestMs = 30_000

/** `shortLives`: how many in a row have ended soon; 0 for one that had lived for a while. */
export function restartDelayMs(shortLives: number): number {
  return shortLives <= 1 ? 0 : Math.min(firstMs * 2 ** (shortLives - 2), longestMs)
}
