// List and watch of one resource, for ever: the handler is told what exists, and every change once, in order. The
// API server may restart, forget, refuse or fall silent: then this tries again and the handler hears nothing, as
// not knowing is no change.

import { RelayError, reasonOf } from '../model/error.ts'
import { ApiError } from './api-error.ts'
import { Backoff } from './backoff.ts'
import type { KubeClient, Query } from './client.ts'
import { pause, systemClock, type Clock } from '../ops/clock.ts'
import { KnownObjects } from './known-objects.ts'
import { defaultListWatchLimits, type ListWatchLimits, type ListWatchOptions } from './list-watch-options.ts'
import { ListWatchReporter } from './list-watch-reporter.ts'
import type { ListWatchState } from './list-watch-state.ts'
import { listPages } from './paged-list.ts'
import { recoveryFrom, refusesStreaming } from './recovery.ts'
import { resourcePath, type WatchedResource } from './resource.ts'
import { followWatch, SilentStream, type StreamEvent } from './watch-stream.ts'

/** As client-go: 5 to 10 minutes, so that a restarted server isn't asked by everyone at once for ever after. */
const minWatchSeconds = 300

/** Where we are. `from` is what a list must not be older than: `'0'` means any state, `''` the latest. */
type Position =
  | { readonly kind: 'to-list'; readonly from: string }
  | { readonly kind: 'listed'; readonly resourceVersion: string }

export class ListWatch {
  readonly resource: WatchedResource
  readonly #client: KubeClient
  readonly #reporter: ListWatchReporter
  readonly #clock: Clock
  readonly #random: () => number
  readonly #limits: ListWatchLimits
  readonly #known: KnownObjects
  readonly #backoff: Backoff
  #position: Position = { kind: 'to-list', from: '0' }
  #streamsLists = true
  #sendsBookmarks = false
  #fieldSelector: 'untried' | 'accepted' | 'refused' = 'untried'
  #watchOpenedAt: number | null = null

  constructor(options: ListWatchOptions) {
    this.resource = options.resource
    this.#client = options.client
    this.#reporter = new ListWatchReporter(options.handler, options.resource, options.log)
    this.#clock = options.clock ?? systemClock
    this.#random = options.random ?? Math.random
    this.#limits = { ...defaultListWatchLimits, ...options.limits }
    this.#known = new KnownObjects(options.handler, options.resource.kind, options.log)
    this.#backoff = new Backoff({ random: this.#random })
  }

  get state(): ListWatchState {
    return this.#reporter.state
  }

  /** Whether `handler.synced()` has been called. */
  get synced(): boolean {
    return this.#reporter.synced
  }

  /** Lists and watches until the signal fires, and resolves then; never rejects. To be called once. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        if (this.#position.kind === 'listed') await this.#watch(this.#position.resourceVersion, signal)
        else if (this.#streamsLists) await this.#listAndWatch(this.#position.from, signal)
        else await this.#listPages(this.#position.from, signal)
      } catch (error) {
        if (!signal.aborted) await this.#recover(asRelayError(error), signal)
      }
    }
    this.#reporter.enter({ kind: 'stopped' })
  }

  async #listPages(from: string, signal: AbortSignal): Promise<void> {
    this.#reporter.enter({ kind: 'listing', since: this.#clock.now(), how: 'paged' })
    const resourceVersion = await listPages({
      client: this.#client,
      path: resourcePath(this.resource),
      query: this.#selectors(),
      resourceVersion: from,
      signal,
      begin: () => this.#known.beginList(),
      item: object => this.#known.set(object),
      malformed: problem => this.#reporter.skipped(problem),
    })
    this.#listed(resourceVersion)
  }

  /**
   * A streaming list (KEP-3157): a watch that begins with what exists, says so when that is complete, and goes on.
   * The API server then needn't build the list in its memory, which is what hurts it when every node asks.
   *
   * Whether a server can do it is found out by asking, not by its /version: 1.32 and 1.34 have it on, 1.33 off,
   * and a flag changes either. Servers from 1.19 on refuse what they can't do (422). Older ones, and imitations,
   * ignore the parameters and begin a plain watch: the end of the initial events then never comes, which the
   * limits on silence and time notice. The events up to there are true in any case; the paged list that follows
   * repeats none of them.
   */
  async #listAndWatch(from: string, signal: AbortSignal): Promise<void> {
    this.#reporter.enter({ kind: 'listing', since: this.#clock.now(), how: 'streaming' })
    this.#known.beginList()
    // "Any state" would come from a server that may be behind; a streaming list is cheap, so ask for the latest.
    const resourceVersion = from === '0' ? '' : from
    await this.#follow(
      resourceVersion,
      { sendInitialEvents: true, resourceVersionMatch: 'NotOlderThan' },
      signal,
    )
  }

  async #watch(resourceVersion: string, signal: AbortSignal): Promise<void> {
    await this.#follow(resourceVersion, {}, signal)
  }

  async #follow(resourceVersion: string, query: Query, signal: AbortSignal): Promise<void> {
    const timeoutSeconds = minWatchSeconds + Math.floor(this.#random() * (minWatchSeconds + 1))
    const totalMs = timeoutSeconds * 1000 + this.#limits.endMarginMs
    const isListing = () => this.#position.kind === 'to-list'
    let openedAt = this.#clock.now()
    this.#watchOpenedAt = null
    await followWatch({
      client: this.#client,
      path: resourcePath(this.resource),
      query: {
        ...this.#selectors(),
        ...query,
        ...(resourceVersion !== '' && { resourceVersion }),
        allowWatchBookmarks: true,
        timeoutSeconds,
      },
      clock: this.#clock,
      signal,
      silenceMs: () => {
        if (isListing()) return this.#limits.initialSilenceMs
        return this.#sendsBookmarks ? this.#limits.bookmarkSilenceMs : totalMs
      },
      totalMs: () => (isListing() ? this.#limits.initialTotalMs : totalMs),
      onOpen: () => {
        openedAt = this.#clock.now()
        this.#watchOpenedAt = openedAt
        if (!isListing()) this.#reporter.watching(openedAt)
      },
      onEvent: event => this.#take(event),
    })
    const heldMs = this.#clock.now() - openedAt
    if (isListing()) throw new RelayError('API', 'the server ended a streaming list before it was complete')
    if (heldMs < this.#limits.shortestWatchMs) {
      // At once would be a loop if it goes on like this.
      throw new RelayError('UNREACHABLE', `the server ended the watch after ${heldMs} ms`)
    }
    this.#forgiveFailures()
  }

  #take(event: StreamEvent): void {
    switch (event.type) {
      case 'set':
        this.#known.set(event.object)
        this.#advance(event.object.metadata.resourceVersion)
        return
      case 'delete':
        this.#known.delete(event.object)
        this.#advance(event.object.metadata.resourceVersion)
        return
      case 'bookmark':
        if (event.initialEventsEnd) {
          if (this.#position.kind === 'listed') return
          this.#listed(event.resourceVersion)
          this.#reporter.watching(this.#clock.now())
        } else {
          this.#sendsBookmarks = true
          this.#advance(event.resourceVersion)
        }
        return
      case 'unknown':
        this.#reporter.skipped(event.problem)
    }
  }

  #advance(resourceVersion: string | undefined): void {
    if (this.#position.kind === 'listed' && resourceVersion)
      this.#position = { kind: 'listed', resourceVersion }
  }

  #listed(resourceVersion: string): void {
    this.#known.endList()
    this.#position = { kind: 'listed', resourceVersion }
    if (this.#fieldSelector === 'untried') this.#fieldSelector = 'accepted'
    this.#reporter.listed(this.#known.size)
  }

  async #recover(error: RelayError, signal: AbortSignal): Promise<void> {
    const during = this.#position.kind === 'listed' ? 'watch' : 'list'
    const streaming = during === 'list' && this.#streamsLists
    if (this.#dropsFieldSelector(error, streaming)) return
    if (streaming && (error instanceof SilentStream || refusesStreaming(error))) {
      this.#streamsLists = false
      this.#reporter.note('no streaming lists: listing by pages', error)
      return
    }
    this.#forgiveFailures()
    const { next, wait } = recoveryFrom(error, during)
    if (next === 'relist') this.#position = { kind: 'to-list', from: positionVersion(this.#position) }
    if (next === 'relist-latest') this.#position = { kind: 'to-list', from: '' }
    const first = this.#backoff.failures === 0
    const delayMs = this.#backoff.next(error instanceof ApiError ? error.retryAfterMs : null)
    if (wait === 'no' && first) {
      this.#reporter.note('listing again', error)
      return
    }
    this.#reporter.failed(error, delayMs)
    const retryAt = this.#clock.now() + delayMs
    this.#reporter.enter({ kind: 'backing-off', error, retryAt, failures: this.#backoff.failures })
    await pause(this.#clock, delayMs, signal)
  }

  /**
   * API servers don't know every field selector for every resource, and refuse the request with 400. The handler
   * filters by itself, so ask for more instead of for nothing. Not once it was accepted: then 400 is about something else.
   */
  #dropsFieldSelector(error: RelayError, streaming: boolean): boolean {
    if (this.resource.fieldSelector === undefined || this.#fieldSelector !== 'untried') return false
    if (!(error instanceof ApiError) || error.httpStatus !== 400) return false
    // To a streaming list, 400 may also be the answer of a server that doesn't know those: pages will tell.
    if (streaming && !/field ?(selector|label)/i.test(error.status.message)) return false
    this.#fieldSelector = 'refused'
    this.#reporter.note('asking without the field selector', error)
    return true
  }

  #forgiveFailures(): void {
    const openedAt = this.#watchOpenedAt
    if (openedAt !== null && this.#clock.now() - openedAt >= this.#limits.healthyAfterMs)
      this.#backoff.reset()
    this.#watchOpenedAt = null
  }

  #selectors(): Query {
    const { labelSelector, fieldSelector } = this.resource
    return { labelSelector, ...(this.#fieldSelector !== 'refused' && { fieldSelector }) }
  }
}

function positionVersion(position: Position): string {
  return position.kind === 'listed' ? position.resourceVersion : position.from
}

function asRelayError(error: unknown): RelayError {
  return error instanceof RelayError ? error : new RelayError('API', reasonOf(error), { cause: error })
}
