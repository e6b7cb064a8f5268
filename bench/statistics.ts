// The little statistics that a benchmark of few rounds bears: medians, the range of the rounds, and a verdict on two
// runs that calls only what stands out of that range a difference.

/** What several rounds gave. */
export interface Summary {
  readonly median: number
  readonly min: number
  readonly max: number
  readonly rounds: number
}

/** Null for no values at all. */
export function summarize(values: readonly number[]): Summary | null {
  if (values.length === 0) return null
  const sorted = values.toSorted((a, b) => a - b)
  return {
    median: median(sorted),
    min: sorted[0] ?? NaN,
    max: sorted.at(-1) ?? NaN,
    rounds: sorted.length,
  }
}

/** Of at least one value; of an even number of them, the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? NaN
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? NaN)) / 2
}

/** How far the rounds are apart, as a part of their median: 0.1 is ±5 %. */
export function spread({ median, min, max }: Summary): number {
  return median === 0 ? 0 : (max - min) / Math.abs(median)
}

/** "unclear": fewer than three rounds on a side, which don't show how noisy they are. */
export type Verdict = 'better' | 'worse' | 'same' | 'unclear'

/** Less than this isn't worth a word, however quiet the machine is. */
const negligible = 0.02

/**
 * A difference counts if the medians are further apart than the rounds of the noisier side are among themselves. With
 * five rounds of pure noise that happens less than once in a hundred times.
 */
export function verdict(before: Summary, after: Summary, better: 'higher' | 'lower'): Verdict {
  const difference = after.median - before.median
  if (Math.abs(difference) <= negligible * Math.abs(before.median)) return 'same'
  if (before.rounds < 3 || after.rounds < 3) return 'unclear'
  const noise = Math.max(before.max - before.min, after.max - after.min)
  if (Math.abs(difference) <= noise) return 'same'
  return difference > 0 === (better === 'higher') ? 'better' : 'worse'
}
