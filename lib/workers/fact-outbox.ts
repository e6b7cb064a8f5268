// Facts on their way to another process: gathered for a moment, sent in batches, one batch at a time. A reader that
// doesn't read costs a bounded memory: of facts about the same thing only the last one waits, and of too many none.

import type { SharedFact } from '../dataplane/shared-facts.ts'
import type { Clock, Timer } from '../ops/clock.ts'

/** How long a fact may wait for others to go with it. */
export const gatherMs = 20
export const factsPerMessage = 1000
const maxWaiting = 65_536

export class FactOutbox {
  readonly #clock: Clock
  readonly #send: (facts: readonly SharedFact[], written: () => void) => void
  readonly #waiting = new Map<string, SharedFact>()
  #timer: Timer | null = null
  /** Batches on their way. */
  #sending = 0

  /** `send` has to call `written` when the other side has taken the facts, or never will. */
  constructor(clock: Clock, send: (facts: readonly SharedFact[], written: () => void) => void) {
    this.#clock = clock
    this.#send = send
  }

  add(facts: Iterable<SharedFact>): void {
    for (const fact of facts) {
      const key = factKey(fact)
      // What is known of a client or an endpoint can be found out again; memory can't.
      if (this.#waiting.size < maxWaiting || this.#waiting.has(key)) this.#waiting.set(key, fact)
    }
    this.#schedule()
  }

  /** Sends what waits now, whatever is still on its way: what comes after it finds it known. */
  flush(): void {
    this.#timer?.cancel()
    this.#timer = null
    while (this.#waiting.size > 0) this.#sendBatch()
  }

  close(): void {
    this.#timer?.cancel()
    this.#timer = null
    this.#waiting.clear()
  }

  #schedule(): void {
    if (this.#sending > 0 || this.#timer !== null || this.#waiting.size === 0) return
    this.#timer = this.#clock.after(gatherMs, () => {
      this.#timer = null
      this.#sendBatch()
    })
  }

  #sendBatch(): void {
    const batch: SharedFact[] = []
    for (const [key, fact] of this.#waiting) {
      this.#waiting.delete(key)
      batch.push(fact)
      if (batch.length === factsPerMessage) break
    }
    this.#sending++
    this.#send(batch, () => {
      this.#sending--
      this.#schedule()
    })
  }
}

/** Facts with the same key are about the same thing: the later one is what holds. */
export function factKey(fact: SharedFact): string {
  if (fact.kind === 'affinity') return `affinity ${fact.servicePort} ${fact.client}`
  if (fact.kind === 'health') return `health ${fact.servicePort} ${fact.endpoint}`
  return `client ${fact.worker} ${fact.client}`
}
