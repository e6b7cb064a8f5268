// One watch over HTTP: a line of JSON for each event. An object that comes to match the watch's selectors appears as
// ADDED, one that no longer does as DELETED, so that the client's copy always equals a list with the same selectors.
// Events wait as references to stored objects until the reader takes them; a reader that falls too far behind is cut
// off rather than let that grow, and comes back to resume or relist.

import type { ServerResponse } from 'node:http'
import type { KubeObject } from '../../model/objects.ts'
import type { Clock, Timer } from '../../ops/clock.ts'
import { apiVersionOf, type ResourceType } from '../kinds/resources.ts'
import type { Matcher } from '../kinds/selectors.ts'
import { FieldErrors } from '../kinds/field-errors.ts'
import { badRequest, invalidOptions, StatusError, type Status } from '../kinds/status.ts'
import type { Store, StoreEvent } from '../store/store.ts'
import { matcherOf } from './list-request.ts'
import { booleanOf, integerOf, resourceVersionOf } from './query.ts'

export interface WatchLimits {
  readonly bookmarkIntervalMs: number
  /** How long a watch lasts whose client doesn't say. */
  readonly defaultTimeoutMs: number
  /** How many events a reader may be behind, beside those that it began with, before it is cut off. */
  readonly maxPendingEvents: number
  /** False behaves as servers before 1.27 do: a request with sendInitialEvents is refused with 422. */
  readonly streamingLists: boolean
}

interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR'
  readonly object: KubeObject | Status
}

export interface WatchRequest {
  readonly type: ResourceType
  readonly matches: Matcher
  /** Where to start; undefined to begin with all present objects as ADDED events. */
  readonly from: number | undefined
  readonly bookmarks: boolean
  /** Whether a bookmark marks the end of the initial events. */
  readonly markInitialEnd: boolean
  readonly timeoutMs: number
}

/** Reads a watch request's query. Throws 400 and 422. */
export function parseWatchRequest(
  type: ResourceType,
  namespace: string,
  query: URLSearchParams,
  limits: WatchLimits,
): WatchRequest {
  const resourceVersion = resourceVersionOf(query) ?? 0
  const asked = query.has('sendInitialEvents')
  const initialEvents = booleanOf(query, 'sendInitialEvents')
  checkWatchOptions(query, limits)
  const timeoutSeconds = integerOf(query, 'timeoutSeconds') ?? 0
  const bookmarks = booleanOf(query, 'allowWatchBookmarks')
  const fromNow = asked && !initialEvents
  return {
    type,
    matches: matcherOf(type, namespace, query),
    from: initialEvents || (resourceVersion === 0 && !fromNow) ? undefined : resourceVersion,
    bookmarks,
    markInitialEnd: initialEvents && bookmarks,
    timeoutMs: timeoutSeconds > 0 ? timeoutSeconds * 1000 : limits.defaultTimeoutMs,
  }
}

/** The rules of apimachinery pkg/apis/meta/internalversion/validation for a watch. */
function checkWatchOptions(query: URLSearchParams, { streamingLists }: WatchLimits): void {
  const match = query.get('resourceVersionMatch') ?? ''
  const asked = query.has('sendInitialEvents')
  const errors = new FieldErrors()
  if (asked && !streamingLists) {
    const why = 'sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled'
    errors.forbidden('sendInitialEvents', why)
  } else if (asked && match !== 'NotOlderThan') {
    const why = 'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan'
    errors.forbidden('resourceVersionMatch', why)
  } else if (!asked && match !== '') {
    const why = 'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided'
    errors.forbidden('resourceVersionMatch', why)
  }
  if (errors.causes.length > 0) throw invalidOptions('ListOptions', errors.causes)
  if (asked && query.get('continue')) throw badRequest('continue is forbidden with sendInitialEvents')
}

export class WatchStream {
  readonly #request: WatchRequest
  readonly #response: ServerResponse
  readonly #limits: WatchLimits
  readonly #clock: Clock
  readonly #store: Store
  readonly #render: (object: KubeObject) => object
  #timers: Timer[] = []
  #stopWatching: (() => void) | undefined
  /** Events not yet written, from #next on. */
  #pending: WatchEvent[] = []
  #next = 0
  #maxPending = Infinity
  #draining = false
  #ended = false
  #onEnded: () => void = () => undefined

  constructor(options: {
    readonly request: WatchRequest
    readonly response: ServerResponse
    readonly store: Store
    readonly limits: WatchLimits
    readonly clock: Clock
    /** An event's object in the form that the client asked for. */
    readonly render?: (object: KubeObject) => object
  }) {
    this.#request = options.request
    this.#response = options.response
    this.#store = options.store
    this.#limits = options.limits
    this.#clock = options.clock
    this.#render = options.render ?? (object => object)
  }

  /** Answers at once, with what there is; `onEnded` is called once, however the watch ends. */
  start(onEnded: () => void): void {
    this.#onEnded = onEnded
    this.#response.on('close', () => this.end('end'))
    this.#response.on('drain', () => {
      this.#draining = false
      this.#write()
    })
    // A client that has gone shows as an error on the write; 'close' follows and is all we need.
    this.#response.on('error', () => undefined)
    this.#response.writeHead(200, {
      'content-type': 'application/json',
      'cache-control': 'no-cache, private',
    })
    this.#response.flushHeaders()
    this.#begin()
  }

  /** Ends the watch: in order, by resetting the connection, or with the 410 that follows a compaction. */
  end(how: 'end' | 'reset' | 'expired'): void {
    if (this.#ended) return
    if (how === 'expired') {
      this.#sendError(
        new StatusError(410, 'Expired', 'The resourceVersion for the provided watch is too old.').status,
      )
    }
    this.#ended = true
    this.#stopWatching?.()
    for (const timer of this.#timers) timer.cancel()
    if (how === 'reset') this.#response.socket?.resetAndDestroy()
    else this.#response.end()
    this.#onEnded()
  }

  #begin(): void {
    const { type, matches, markInitialEnd, timeoutMs, bookmarks } = this.#request
    let { from } = this.#request
    const stored = type.conversion?.stored ?? type
    try {
      if (from === undefined) {
        const snapshot = this.#store.list(stored)
        for (const item of snapshot.items) {
          const object = presented(type, item)
          if (matches(object)) this.#send('ADDED', object)
        }
        from = snapshot.resourceVersion
        if (markInitialEnd) this.#bookmark(from, { 'k8s.io/initial-events-end': 'true' })
      }
      const stop = this.#store.watch(stored, from, event => this.#onEvent(event))
      if (this.#ended) stop()
      else this.#stopWatching = stop
    } catch (error) {
      if (!(error instanceof StatusError)) throw error
      // The real server has answered 200 by now, too, and reports the error in the stream.
      this.#sendError(error.status)
      this.end('end')
    }
    if (this.#ended) return
    this.#maxPending = this.#pending.length - this.#next + this.#limits.maxPendingEvents
    this.#timers = [this.#clock.after(timeoutMs, () => this.#timeOut())]
    if (bookmarks) this.#scheduleBookmark()
  }

  #onEvent({ type, object: stored, previous: storedPrevious }: StoreEvent): void {
    const { matches, type: resource } = this.#request
    const object = presented(resource, stored)
    const previous = storedPrevious && presented(resource, storedPrevious)
    const matched = previous !== undefined && matches(previous)
    const matching = type !== 'DELETED' && matches(object)
    if (matching) this.#send(matched ? 'MODIFIED' : 'ADDED', object)
    else if (matched && previous) {
      // The client knows the object as it last matched; only the resourceVersion is the change's.
      const { resourceVersion = '' } = object.metadata
      this.#send('DELETED', { ...previous, metadata: { ...previous.metadata, resourceVersion } })
    }
  }

  #scheduleBookmark(): void {
    const timer = this.#clock.after(this.#limits.bookmarkIntervalMs, () => {
      this.#bookmark(this.#store.resourceVersion)
      if (!this.#ended) this.#scheduleBookmark()
    })
    this.#timers[1] = timer
  }

  #timeOut(): void {
    // A last bookmark, so that a quiet watch is resumed from here and not from where it began.
    if (this.#request.bookmarks) this.#bookmark(this.#store.resourceVersion)
    this.end('end')
  }

  #bookmark(resourceVersion: number, annotations?: Readonly<Record<string, string>>): void {
    const { type } = this.#request
    this.#send('BOOKMARK', {
      kind: type.kind,
      apiVersion: apiVersionOf(type),
      metadata: { resourceVersion: String(resourceVersion), ...(annotations ? { annotations } : {}) },
    })
  }

  #send(type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK', object: KubeObject): void {
    this.#enqueue({ type, object })
  }

  #sendError(status: Status): void {
    this.#enqueue({ type: 'ERROR', object: status })
  }

  #enqueue(event: WatchEvent): void {
    if (this.#ended) return
    this.#pending.push(event)
    this.#write()
    if (this.#pending.length - this.#next > this.#maxPending) this.end('reset')
  }

  /** Writes as much as the connection takes; the rest when it has drained. */
  #write(): void {
    while (!this.#draining && !this.#ended && this.#next < this.#pending.length) {
      const event = this.#pending[this.#next++]
      if (!event) break
      const { type, object } = event
      const rendered = type === 'ERROR' ? object : this.#render(object as KubeObject)
      this.#draining = !this.#response.write(`${JSON.stringify({ type, object: rendered })}\n`)
    }
    // Written ones are dropped all at once, and not one by one from the front of a long array.
    if (this.#next === this.#pending.length || this.#next > 1000) {
      this.#pending = this.#pending.slice(this.#next)
      this.#next = 0
    }
  }
}

function presented(type: ResourceType, stored: KubeObject): KubeObject {
  return type.conversion?.fromStored(stored) ?? stored
}
