// How long endpoints take to answer a dial, as the counts of a histogram: plain numbers, which each data plane counts up
// on a connection's way, and which are added up over workers.

export interface DialTimes {
  /** Dials that took no longer than each of `dialBoundsSeconds`, but longer than the one before; last, longer than all. */
  readonly counts: readonly number[]
  readonly totalSeconds: number
}

/** Of a pod on the same node to the greatest time that a dial has. */
export const dialBoundsSeconds: readonly number[] = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2,
]

const boundsMs = dialBoundsSeconds.map(seconds => seconds * 1000)

export const noDialTimes: DialTimes = { counts: [...boundsMs.map(() => 0), 0], totalSeconds: 0 }

export class DialCounter {
  readonly #counts = [...noDialTimes.counts]
  #totalMs = 0

  /** Called for each connection: nothing is made here. */
  answeredAfter(ms: number): void {
    let bucket = 0
    while (bucket < boundsMs.length && ms > (boundsMs[bucket] as number)) bucket++
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1
    this.#totalMs += ms
  }

  times(): DialTimes {
    return { counts: [...this.#counts], totalSeconds: this.#totalMs / 1000 }
  }
}

export function addDialTimes(a: DialTimes, b: DialTimes): DialTimes {
  return {
    counts: a.counts.map((count, bucket) => count + (b.counts[bucket] ?? 0)),
    totalSeconds: a.totalSeconds + b.totalSeconds,
  }
}
