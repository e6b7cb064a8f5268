// What a list-watch says: its state to whoever shows it, and its troubles to the log. Invariant: an outage of hours
// is a line when it begins and a line when it ends, not one for each attempt.

import type { RelayError } from '../model/error.ts'
import type { Log } from '../ops/log.ts'
import type { ListWatchHandler, ListWatchState } from './list-watch-state.ts'
import { resourceName, type WatchedResource } from './resource.ts'

export class ListWatchReporter {
  readonly #handler: ListWatchHandler
  readonly #resource: string
  readonly #log: Log
  #state: ListWatchState = { kind: 'idle' }
  #synced = false
  #lastProblem: string | null = null

  constructor(handler: ListWatchHandler, resource: WatchedResource, log: Log) {
    this.#handler = handler
    this.#resource = resourceName(resource)
    this.#log = log
  }

  get state(): ListWatchState {
    return this.#state
  }

  get synced(): boolean {
    return this.#synced
  }

  enter(state: ListWatchState): void {
    this.#state = state
    this.#tell('status', () => this.#handler.status?.(state))
  }

  /** A watch is open, at this time. */
  watching(now: number): void {
    if (this.#lastProblem !== null) this.#log.info({ resource: this.#resource }, 'watching again')
    this.#lastProblem = null
    if (this.#state.kind !== 'watching') this.enter({ kind: 'watching', since: now })
  }

  /** A list is complete; tells the handler the first time. */
  listed(objects: number): void {
    if (this.#synced) return
    this.#synced = true
    this.#log.info({ resource: this.#resource, objects }, 'listed')
    this.#tell('synced', () => this.#handler.synced())
  }

  failed(error: RelayError, retryInMs: number): void {
    const level = error.message === this.#lastProblem ? 'debug' : 'warn'
    this.#log[level]({ resource: this.#resource, retryInMs }, error.message)
    this.#lastProblem = error.message
  }

  /** For the curious: something that is dealt with on the spot. */
  note(what: string, error: RelayError): void {
    this.#log.debug({ resource: this.#resource, err: error }, what)
  }

  skipped(problem: string): void {
    this.#log.debug({ resource: this.#resource }, `skipped: ${problem}`)
  }

  #tell(what: string, call: () => void): void {
    try {
      call()
    } catch (error) {
      this.#log.error({ err: error, resource: this.#resource }, `the handler failed on ${what}`)
    }
  }
}
