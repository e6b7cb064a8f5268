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

/** What keeps the changes of a store over restarts. */
export interface Journal {
  /**
   * Keeps a change that is about to happen. When it throws, the change doesn't happen; a change that isn't for this
   * journal to keep is ignored.
   */
  append(type: ResourceType, change: Pick<StoreEvent, 'type' | 'object' | 'resourceVersion'>): void
  /** Resolves once everything appended before now would survive a crash of this machine. */
  committed(): Promise<void>
}

export interface StoreOptions {
  /** Events kept for each resource. */
  readonly historyLimit?: number
  /** And how much memory they may take, about: objects may be a thousand times as large as usual. */
  readonly historyLimitBytes?: number
  /**
   * Where the counter starts. A server whose objects don't outlive it starts each life above the last one, so
   * that a client which comes back with an old resourceVersion is told to relist, and not left waiting.
   */
  readonly firstResourceVersion?: number
  /** Without one, objects live as long as this process. */
  readonly journal?: Journal
}

interface Collection {
  readonly type: ResourceType
  readonly objects: Map<string, KubeObject>
  readonly watchers: Set<(event: StoreEvent) => void>
  sorted: readonly KubeObject[] | undefined
  history: StoreEvent[]
  /** Of the history's objects, in its order, and their sum. */
  historySizes: number[]
  historyBytes: number
  /** The newest resourceVersion whose event is no longer in the history. */
  compactedThrough: number
}

export class Store {
  readonly #collections = new Map<ResourceType, Collection>()
  readonly #undelivered: { readonly collection: Collection; readonly event: StoreEvent }[] = []
  readonly #historyLimit: number
  readonly #historyLimitBytes: number
  readonly #firstResourceVersion: number
  readonly #journal: Journal | undefined
  #resourceVersion: number
  #delivering = false

  constructor(options: StoreOptions = {}) {
    this.#historyLimit = options.historyLimit ?? 10_000
    this.#historyLimitBytes = options.historyLimitBytes ?? 128 * 1024 * 1024
    this.#firstResourceVersion = options.firstResourceVersion ?? 1
    this.#resourceVersion = this.#firstResourceVersion
    this.#journal = options.journal
  }

  /** Puts an object of an earlier life back as it was, before anything else is written; nobody is told. */
  restore(type: ResourceType, object: KubeObject): void {
    const collection = this.#collection(type)
    deepFreeze(object)
    collection.objects.set(objectKey(object), object)
    collection.sorted = undefined
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
    const event = this.#record(collection, { type: 'DELETED', object: previous, previous }, () =>
      collection.objects.delete(key),
    )
    return event.object
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

  /**
   * Resolves once everything written before now would survive a crash of this machine, at once where there is no
   * journal. Rejects with a StatusError when the disk fails.
   */
  committed(): Promise<void> {
    return this.#journal?.committed() ?? Promise.resolve()
  }

  /** Forgets all history, as etcd's compaction does: watches and continue tokens from before now get 410. */
  compact(): void {
    for (const collection of this.#collections.values()) {
      collection.history = []
      collection.historySizes = []
      collection.historyBytes = 0
      collection.compactedThrough = this.#resourceVersion
    }
  }

  #write(type: ResourceType, key: string, object: KubeObject): KubeObject {
    const collection = this.#collection(type)
    const previous = collection.objects.get(key)
    const event = this.#record(
      collection,
      { type: previous ? 'MODIFIED' : 'ADDED', object, previous },
      stored => collection.objects.set(key, stored),
    )
    return event.object
  }

  /** Gives a change the next resourceVersion, keeps it, makes it with `apply`, and tells the watchers. */
  #record(
    collection: Collection,
    change: Omit<StoreEvent, 'resourceVersion'>,
    apply: (object: KubeObject) => void,
  ): StoreEvent {
    const resourceVersion = this.#resourceVersion + 1
    const metadata = { ...change.object.metadata, resourceVersion: String(resourceVersion) }
    const object = structuredClone({ ...change.object, metadata })
    const size = deepFreeze(object)
    const event: StoreEvent = { ...change, object, resourceVersion }
    this.#journal?.append(collection.type, event)
    this.#resourceVersion = resourceVersion
    apply(object)
    collection.sorted = undefined
    this.#remember(collection, event, size)
    this.#undelivered.push({ collection, event })
    // A watcher that writes gets here again: its events wait until everyone has seen the present one.
    if (this.#delivering) return event
    this.#delivering = true
    const failures: unknown[] = []
    for (let next = this.#undelivered.shift(); next; next = this.#undelivered.shift()) {
      for (const watcher of next.collection.watchers) {
        try {
          watcher(next.event)
        } catch (error) {
          failures.push(error) // one watcher's failure keeps nothing from the others
        }
      }
    }
    this.#delivering = false
    if (failures.length > 0) throw failures[0]
    return event
  }

  #remember(collection: Collection, event: StoreEvent, size: number): void {
    const { history, historySizes } = collection
    history.push(event)
    historySizes.push(size)
    collection.historyBytes += size
    // Dropping a quarter at a time keeps the cost of a write constant.
    const isOver = (slack: number, count: number, bytes: number): boolean =>
      count > this.#historyLimit * slack || bytes > this.#historyLimitBytes * slack
    if (!isOver(1.25, history.length, collection.historyBytes)) return
    let dropped = 0
    while (isOver(1, history.length - dropped, collection.historyBytes)) {
      collection.historyBytes -= historySizes[dropped++] ?? 0
    }
    collection.compactedThrough = history[dropped - 1]?.resourceVersion ?? collection.compactedThrough
    history.splice(0, dropped)
    historySizes.splice(0, dropped)
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
        historySizes: [],
        historyBytes: 0,
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

/** Returns about how many bytes of memory the value takes. */
function deepFreeze(value: unknown): number {
  if (typeof value === 'string') return value.length + 16
  if (typeof value !== 'object' || value === null) return 8
  Object.freeze(value)
  let size = 32
  for (const inner of Object.values(value)) size += 8 + deepFreeze(inner)
  return size
}
