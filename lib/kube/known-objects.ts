// What the handler has been told, as key → resourceVersion: enough to tell a change from a repetition and to find
// what was deleted while nobody watched, without keeping the objects. Invariant: the handler is told each
// change once, and a delete only of what it was told of and a complete list doesn't have any more.

import type { Log } from '../ops/log.ts'
import { objectKey, type KubeObject, type ObjectName } from '../model/objects.ts'
import type { ListWatchHandler } from './list-watch-state.ts'

export class KnownObjects {
  readonly #handler: ListWatchHandler
  readonly #log: Log
  /** Of the resource, for log lines. */
  readonly #kind: string
  readonly #versions = new Map<string, string>()
  /** While a list arrives: the known keys that it hasn't brought yet. */
  #unseen: Set<string> | null = null

  constructor(handler: ListWatchHandler, kind: string, log: Log) {
    this.#handler = handler
    this.#kind = kind
    this.#log = log
  }

  get size(): number {
    return this.#versions.size
  }

  /** A list starts, or starts over: what an earlier one had brought so far doesn't count as seen. */
  beginList(): void {
    this.#unseen = new Set(this.#versions.keys())
  }

  /** The list is complete: what it hasn't brought is gone. */
  endList(): void {
    const gone = this.#unseen ?? new Set<string>()
    this.#unseen = null
    for (const key of gone) this.#forget(key)
  }

  set(object: KubeObject): void {
    const key = objectKey(object)
    this.#unseen?.delete(key)
    const version = object.metadata.resourceVersion ?? ''
    // Without a resourceVersion there is no telling, so it counts as changed.
    if (version !== '' && this.#versions.get(key) === version) return
    this.#versions.set(key, version)
    this.#call(key, 'set', () => this.#handler.set(object))
  }

  delete(object: KubeObject): void {
    this.#forget(objectKey(object))
  }

  #forget(key: string): void {
    this.#unseen?.delete(key)
    if (!this.#versions.delete(key)) return
    this.#call(key, 'delete', () => this.#handler.delete(nameOf(key)))
  }

  #call(key: string, what: string, call: () => void): void {
    try {
      call()
    } catch (error) {
      this.#log.error({ err: error, kind: this.#kind, object: key }, `the handler failed on ${what}`)
    }
  }
}

function nameOf(key: string): ObjectName {
  const slash = key.indexOf('/')
  return slash === -1
    ? { namespace: '', name: key }
    : { namespace: key.slice(0, slash), name: key.slice(slash + 1) }
}
