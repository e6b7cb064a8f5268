// "Did you mean …?": the known word that a mistyped one most likely stands for.

/**
 * The candidate within a small edit distance of `word`: a third of its length, at least one edit, where another
 * case counts as nothing. Undefined when nothing is that near.
 */
export function closest(word: string, candidates: readonly string[]): string | undefined {
  const lower = word.toLowerCase()
  let limit = Math.max(1, Math.floor(word.length / 3))
  let best: string | undefined
  for (const candidate of candidates) {
    const distance = editDistance(lower, candidate.toLowerCase(), limit)
    if (distance > limit) continue
    best = candidate
    if (distance === 0) break
    limit = distance - 1
  }
  return best
}

/**
 * Levenshtein's distance, with two swapped neighbours counted as one edit. Infinity where it is above the limit, which
 * most of thousands of candidates are at a glance.
 */
export function editDistance(a: string, b: string, limit = Infinity): number {
  if (Math.abs(a.length - b.length) > limit) return Infinity
  let least = 0
  let beforePrevious: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1
      let cost = Math.min((previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (previous[j - 1] ?? 0) + same)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, (beforePrevious[j - 2] ?? 0) + 1)
      }
      row.push(cost)
    }
    // A swap reaches back by two rows.
    const before = least
    least = Math.min(...row)
    if (least > limit && before >= limit) return Infinity
    beforePrevious = previous
    previous = row
  }
  const distance = previous[b.length] ?? 0
  return distance > limit ? Infinity : distance
}
