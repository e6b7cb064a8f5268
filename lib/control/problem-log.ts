// What is wrong with API objects, logged once for as long as it stays wrong: a sync that finds the same again says
// nothing, and neither a tenant's broken object nor a relist can fill the log.

import type { Log } from '../ops/log.ts'

const maxPerLine = 3

export class ProblemLog {
  readonly #log: Log
  readonly #onNew: (subject: string, problem: string) => void
  readonly #known = new Map<string, ReadonlySet<string>>()

  /** `onNew` is told each problem when it appears. */
  constructor(log: Log, onNew: (subject: string, problem: string) => void = () => {}) {
    this.#log = log
    this.#onNew = onNew
  }

  /** Everything that is wrong with the subject now; what isn't in the list any more is forgotten. */
  report(subject: string, problems: readonly string[]): void {
    const known = this.#known.get(subject)
    const added = [...new Set(problems)].filter(problem => !known?.has(problem))
    if (problems.length === 0) this.#known.delete(subject)
    else this.#known.set(subject, new Set(problems))
    if (added.length === 0) return
    for (const problem of added) this.#onNew(subject, problem)
    const more = added.length > maxPerLine ? `; and ${added.length - maxPerLine} more` : ''
    this.#log.warn(`${subject}: ${added.slice(0, maxPerLine).join('; ')}${more}`)
  }
}
