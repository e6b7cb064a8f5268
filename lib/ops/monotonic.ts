// Counters that never go back. A data plane counts per service port since it has known the port: the counts start again
// when a Service is deleted and made anew, and are gone in between. Prometheus would take a sum that drops for a restart
// and count all of the rest a second time, so the increments are added up here instead.

/** Several counters of one thing; one that is missing is 0. */
export type Row = readonly number[]

/** Keys that are absent are remembered up to this number; then the ones absent for longest start again from 0. */
export const maxAbsent = 10_000

interface Known {
  raw: Row
  readonly values: number[]
}

export class Monotonic {
  readonly #present = new Map<string, Known>()
  readonly #absent = new Map<string, number[]>()
  readonly #totals: number[] = []

  /** The sums over all keys that there have ever been. */
  get totals(): Row {
    return this.#totals
  }

  /** What has been added up for the key; never less than before, also after an absence. */
  valuesOf(key: string): Row {
    return this.#present.get(key)?.values ?? this.#absent.get(key) ?? []
  }

  /** Takes in all current counts; the rows are kept. A count below the last one has started again from 0. */
  update(rows: ReadonlyMap<string, Row>): void {
    for (const [key, { values }] of this.#present) {
      if (rows.has(key)) continue
      this.#present.delete(key)
      this.#absent.set(key, values)
    }
    for (const [key, row] of rows) this.#add(key, row)
    for (const key of this.#absent.keys()) {
      if (this.#absent.size <= maxAbsent) break
      this.#absent.delete(key)
    }
  }

  #add(key: string, row: Row): void {
    let known = this.#present.get(key)
    if (known === undefined) {
      known = { raw: [], values: this.#absent.get(key) ?? [] }
      this.#absent.delete(key)
      this.#present.set(key, known)
    }
    for (const [column, count] of row.entries()) {
      const last = known.raw[column] ?? 0
      const increment = count >= last ? count - last : count
      known.values[column] = (known.values[column] ?? 0) + increment
      this.#totals[column] = (this.#totals[column] ?? 0) + increment
    }
    known.raw = row
  }
}
