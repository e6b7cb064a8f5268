// What a list-watch is given, and the times that it goes by.

import type { Log } from '../ops/log.ts'
import type { KubeClient } from './client.ts'
import type { Clock } from '../ops/clock.ts'
import type { ListWatchHandler } from './list-watch-state.ts'
import type { WatchedResource } from './resource.ts'

export interface ListWatchOptions {
  readonly client: KubeClient
  readonly resource: WatchedResource
  readonly handler: ListWatchHandler
  readonly log: Log
  readonly clock?: Clock
  /** Uniform in [0, 1). */
  readonly random?: () => number
  readonly limits?: Partial<ListWatchLimits>
}

/** All in milliseconds. */
export interface ListWatchLimits {
  /**
   * How long a watch may be silent once this server is known to send bookmarks. API servers send one about every
   * minute; one that doesn't (bookmarks are optional) is only held to the end of the watch that it was given.
   */
  readonly bookmarkSilenceMs: number
  /** How long a streaming list may be silent, and may take in all, before its end is announced. */
  readonly initialSilenceMs: number
  readonly initialTotalMs: number
  /** What a server gets on top of `timeoutSeconds` to end a watch. */
  readonly endMarginMs: number
  /** A watch that has held for this long clears the record of failures. */
  readonly healthyAfterMs: number
  /** A watch that the server ends sooner than this counts as a failure. */
  readonly shortestWatchMs: number
}

export const defaultListWatchLimits: ListWatchLimits = {
  bookmarkSilenceMs: 180_000,
  initialSilenceMs: 10_000,
  initialTotalMs: 60_000,
  endMarginMs: 30_000,
  healthyAfterMs: 10_000,
  shortestWatchMs: 1000,
}
