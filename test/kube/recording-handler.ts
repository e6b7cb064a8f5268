// A list-watch handler that writes down what it's told, as short strings, and lets a test wait for it.

import type { ListWatchHandler, ListWatchState } from '../../lib/kube/list-watch-state.ts'
import { objectKey, type KubeObject, type ObjectName } from '../../lib/model/objects.ts'

export class RecordingHandler implements ListWatchHandler {
  /** `set ns/name@7`, `delete ns/name`, `synced`. */
  readonly calls: string[] = []
  readonly states: ListWatchState[] = []
  #taken = 0
  #waiting: (() => boolean)[] = []

  set(object: KubeObject): void {
    this.#record(`set ${objectKey(object)}@${object.metadata.resourceVersion ?? '?'}`)
  }

  delete(name: ObjectName): void {
    this.#record(`delete ${name.namespace === '' ? '' : `${name.namespace}/`}${name.name}`)
  }

  synced(): void {
    this.#record('synced')
  }

  status(state: ListWatchState): void {
    this.states.push(state)
    this.#wake()
  }

  /** The next `count` calls, once they have come. */
  async take(count: number): Promise<string[]> {
    await this.#until(() => this.calls.length >= this.#taken + count)
    const calls = this.calls.slice(this.#taken, this.#taken + count)
    this.#taken += count
    return calls
  }

  /** What has come and wasn't taken. */
  get untaken(): string[] {
    return this.calls.slice(this.#taken)
  }

  /** Resolves with the state once the latest one is of this kind. */
  async state<K extends ListWatchState['kind']>(kind: K): Promise<Extract<ListWatchState, { kind: K }>> {
    await this.#until(() => this.states.at(-1)?.kind === kind)
    return this.states.at(-1) as Extract<ListWatchState, { kind: K }>
  }

  /** The state after the failure of this number, counted from the last success. */
  async failure(number: number): Promise<Extract<ListWatchState, { kind: 'backing-off' }>> {
    await this.#until(() => {
      const state = this.states.at(-1)
      return state?.kind === 'backing-off' && state.failures === number
    })
    return this.state('backing-off')
  }

  #until(met: () => boolean): Promise<void> {
    if (met()) return Promise.resolve()
    return new Promise(resolve => {
      this.#waiting.push(() => {
        if (met()) resolve()
        return met()
      })
    })
  }

  #record(call: string): void {
    this.calls.push(call)
    this.#wake()
  }

  #wake(): void {
    this.#waiting = this.#waiting.filter(isMet => !isMet())
  }
}
