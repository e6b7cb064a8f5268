// What to do after a list or a watch has failed: one pure decision, in one place. The cases are those of client-go's
// reflector; where it lists again, so do we, as a watch may not be continued over events that are lost.

import type { RelayError } from '../model/error.ts'
import { ApiError } from './api-error.ts'

export interface Recovery {
  /**
   * - `continue`: the same again; a watch goes on from its last resourceVersion, nothing is lost.
   * - `relist`: list what is there now, not older than what is known.
   * - `relist-latest`: list, and forget the resourceVersion: the server doesn't have it, or not yet.
   */
  readonly next: 'continue' | 'relist' | 'relist-latest'
  /** `no` is for what the server can't go on causing: a second time in a row waits as well. */
  readonly wait: 'no' | 'yes'
}

/** @param during - `list` counts until a list is complete, also for one that comes as a stream. */
export function recoveryFrom(error: RelayError, during: 'list' | 'watch'): Recovery {
  if (error.code === 'GONE') return { next: 'relist-latest', wait: 'no' }
  if (!(error instanceof ApiError)) {
    // A stream that we couldn't make sense of may have told us something; all other failures (no connection, silence,
    // a broken credential plugin) told us nothing, and leave the position as it is.
    return { next: error.code === 'API' ? 'relist' : 'continue', wait: 'yes' }
  }
  if (error.resourceVersionTooLarge) return { next: 'relist-latest', wait: 'yes' }
  switch (error.httpStatus) {
    case 401:
    case 403:
    case 429:
    // A gateway's words for "the API server is away", during its restart for example.
    case 502:
    case 503:
      return { next: 'continue', wait: 'yes' }
    case 400:
    case 422:
      // The server makes nothing of our resourceVersion: it may be another cluster's, behind the same address.
      return { next: 'relist-latest', wait: 'yes' }
    default:
      return { next: during === 'list' ? 'continue' : 'relist', wait: 'yes' }
  }
}

/**
 * Whether a failed streaming list speaks against streaming itself, so that pages are to be used from now on. API
 * servers since 1.19 answer 422 if they don't know it (resourceVersionMatch "is forbidden for watch") or have it
 * switched off; from others anything may come, so only what says nothing about streaming is excepted.
 */
export function refusesStreaming(error: RelayError): boolean {
  if (!(error instanceof ApiError)) return error.code === 'API'
  if (error.resourceVersionTooLarge) return false
  return ![401, 403, 410, 429, 502, 503].includes(error.httpStatus)
}
