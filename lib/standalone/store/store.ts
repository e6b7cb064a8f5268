// The embedded control plane's objects, in memory, with one resourceVersion counter for all of them. Every write
// is one event in its resource's bounded history, so that a watch can replay from a resourceVersion and a list can
// be rebuilt as of one. Objects are frozen: whoever holds one holds that version for good. Watchers see the events
// of all resources in resourceVersion order, also when a watcher writes in turn.

import { isDeepStrictEqual } from 'node:util'
import { objectKey, type KubeObject } from '../../model/objects.ts'
import type { ResourceType } from '../kinds/resources.ts'
import {
  alreadyExists,
  conflict,
  notFound,
  tooLargeResourceVersion,
  tooOldResourceVersion,
} from '../kinds/status.ts'

export interface StoreEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  /** The object after the change; for DELETED its last state, with the deletion's resourceVersion. */
  readonly object: KubeObject
  /** The object before the change; undefined for ADDED. */
  readonly previous: KubeObject | undefined
  readonly resourceVersion: number
}

export interface Snapshot {
  readonly resourceVersion: number
  /** Sorted by key, "namespace/name". */
  readonly items: readonly KubeObject[]
}

export interface StoreOptions {
  /** Events kept for each resource. */
  readonly historyLimit?: number
  /**
   * Where the counter starts. A server whose objects don't outlive it starts each life above the last one, so
   * that a client which comes back with an old resourceVersion is told to relist, and not left waiting.
   */
  readonly firstResourceVersion?: number
}

interface Collection {
  readonly type: ResourceType
  readonly objects: Map<string, KubeObject>
  readonly watchers: Set<(event: StoreEvent) => void>
  sorted: readonly KubeObject[] | undefined
  history: StoreEvent[]
  /** The newest resourceVersion whose event is no longer in the history. */
  compactedThrough: number
}

export class Store {
  readonly #collections = new Map<ResourceType, Collection>()
  readonly #undelivered: { readonly collection: Collection; readonly event: StoreEvent }[] = []
  readonly #historyLimit: number
  readonly #firstResourceVersion: number
  #resourceVersion: number
  #delivering = false

  constructor(options: StoreOptions = {}) {
    this.#historyLimit = options.historyLimit ?? 10_000
    this.#firstResourceVersion = options.firstResourceVersion ?? 1
    this.#resourceVersion = this.#firstResourceVersion
  }

  /** The newest resourceVersion. */
  get resourceVersion(): number {
    return this.#resourceVersion
  }

  /** Key: "namespace/name", or the name of a cluster-scoped object. */
  get(type: ResourceType, key: string): KubeObject | undefined {
    return this.#collection(type).objects.get(key)
  }

  /** Stores a new object as it is, save for its resourceVersion. Throws 409 AlreadyExists. */
  create(type: ResourceType, object: KubeObject): KubeObject {
    const key = objectKey(object)
    if (this.get(type, key)) throw alreadyExists(type, object.metadata.name ?? '')
    return this.#write(type, key, object)
  }

  /**
   * Replaces an object. A resourceVersion in it must be the stored one's (409 Conflict). An update that changes
   * nothing is no event and keeps the resourceVersion, as with etcd.
   */
  update(type: ResourceType, object: KubeObject): KubeObject {
    const key = objectKey(object)
    const current = this.get(type, key)
    if (!current) throw notFound(type, object.metadata.name ?? '')
    const expected = object.metadata.resourceVersion
    if (expected !== undefined && expected !== '' && expected !== current.metadata.resourceVersion) {
      throw conflict(
        type,
        object.metadata.name ?? '',
        'the object has been modified; please apply your changes to the latest version and try again',
      )
    }
    const { resourceVersion } = current.metadata
    const unversioned = {
      ...object,
      metadata: { ...object.metadata, ...(resourceVersion === undefined ? {} : { resourceVersion }) },
    }
    return isDeepStrictEqual(unversioned, current) ? current : this.#write(type, key, object)
  }

  /** Removes an object and returns its last state. Throws 404. */
  delete(type: ResourceType, key: string): KubeObject {
    const collection = this.#collection(type)
    const previous = collection.objects.get(key)
    if (!previous) throw notFound(type, key.slice(key.indexOf('/') + 1))
    const object = this.#versioned(previous)
    collection.objects.delete(key)
    this.#record(collection, { type: 'DELETED', object, previous, resourceVersion: this.#resourceVersion })
    return object
  }

  /** All objects of a resource as of now, or as of an earlier resourceVersion (410 once that is compacted). */
  list(type: ResourceType, resourceVersion = this.#resourceVersion): Snapshot {
    const collection = this.#collection(type)
    if (resourceVersion > this.#resourceVersion) {
      throw tooLargeResourceVersion(resourceVersion, this.#resourceVersion)
    }
    this.#checkNotCompacted(collection, resourceVersion)
    if ((collection.history.at(-1)?.resourceVersion ?? 0) <= resourceVersion) {
      collection.sorted ??= sortedByKey(collection.objects)
      return { resourceVersion, items: collection.sorted }
    }
    const objects = new Map(collection.objects)
    for (let i = collection.history.length - 1; i >= 0; i--) {
      const event = collection.history[i]
      if (!event || event.resourceVersion <= resourceVersion) break
      const key = objectKey(event.object)
      if (event.previous) objects.set(key, event.previous)
      else objects.delete(key)
    }
    return { resourceVersion, items: sortedByKey(objects) }
  }

  /**
   * Calls `onEvent` for each change after `from`: past ones before this returns, later ones as they happen. Throws
   * 410 when `from` is older than the history. Returns what ends the watch.
   */
  watch(type: ResourceType, from: number, onEvent: (event: StoreEvent) => void): () => void {
    const collection = this.#collection(type)
    this.#checkNotCompacted(collection, from)
    let watching = true
    let seen = from
    const watcher = (event: StoreEvent): void => {
      if (!watching || event.resourceVersion <= seen) return
      seen = event.resourceVersion
      onEvent(event)
    }
    const past = collection.history.slice(firstAfter(collection.history, from))
    collection.watchers.add(watcher)
    for (const event of past) watcher(event)
    return () => {
      watching = false
      collection.watchers.delete(watcher)
    }
  }

  /** Resolves once everything written before now would survive a crash of this machine. */
  committed(): Promise<void> {
    return Promise.resolve()
  }

  /** Forgets all history, as etcd's compaction does: watches and continue tokens from before now get 410. */
  compact(): void {
    for (const collection of this.#collections.values()) {
      collection.history = []
      collection.compactedThrough = this.#resourceVersion
    }
  }

  #write(type: ResourceType, key: string, object: KubeObject): KubeObject {
    const collection = this.#collection(type)
    const previous = collection.objects.get(key)
    const stored = this.#versioned(object)
    collection.objects.set(key, stored)
    this.#record(collection, {
      type: previous ? 'MODIFIED' : 'ADDED',
      object: stored,
      previous,
      resourceVersion: this.#resourceVersion,
    })
    return stored
  }

  #versioned(object: KubeObject): KubeObject {
    const resourceVersion = String(++this.#resourceVersion)
    return deepFreeze(structuredClone({ ...object, metadata: { ...object.metadata, resourceVersion } }))
  }

  #record(collection: Collection, event: StoreEvent): void {
    collection.sorted = undefined
    collection.history.push(event)
    // Dropping a quarter at a time keeps the cost of a write constant.
    if (collection.history.length > this.#historyLimit * 1.25) {
      const dropped = collection.history.splice(0, collection.history.length - this.#historyLimit)
      collection.compactedThrough = dropped.at(-1)?.resourceVersion ?? collection.compactedThrough
    }
    this.#undelivered.push({ collection, event })
    // A watcher that writes gets here again: its events wait until everyone has seen the present one.
    if (this.#delivering) return
    this.#delivering = true
    try {
      for (let next = this.#undelivered.shift(); next; next = this.#undelivered.shift()) {
        for (const watcher of next.collection.watchers) watcher(next.event)
      }
    } finally {
      this.#delivering = false
    }
  }

  #checkNotCompacted(collection: Collection, resourceVersion: number): void {
    if (resourceVersion < collection.compactedThrough) {
      throw tooOldResourceVersion(resourceVersion, collection.compactedThrough)
    }
  }

  #collection(type: ResourceType): Collection {
    let collection = this.#collections.get(type)
    if (!collection) {
      collection = {
        type,
        objects: new Map(),
        watchers: new Set(),
        sorted: undefined,
        history: [],
        compactedThrough: this.#firstResourceVersion,
      }
      this.#collections.set(type, collection)
    }
    return collection
  }
}

function sortedByKey(objects: ReadonlyMap<string, KubeObject>): readonly KubeObject[] {
  return [...objects].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, object]) => object)
}

/** Index of the first event after a resourceVersion; the history is in resourceVersion order. */
function firstAfter(history: readonly StoreEvent[], resourceVersion: number): number {
  let low = 0
  let high = history.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((history[middle]?.resourceVersion ?? Infinity) <= resourceVersion) low = middle + 1
    else high = middle
  }
  return low
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const inner of Object.values(value)) deepFreeze(inner)
  }
  return value
}
