// What a list-watch tells about itself, for health, status and logs; and what it tells to whom it serves.

import type { RelayError } from '../model/error.ts'
import type { KubeObject, ObjectName } from '../model/objects.ts'

/** Times are on the list-watch's clock. */
export type ListWatchState =
  | { readonly kind: 'idle' }
  /** `streaming`: the list comes as a watch's initial events. */
  | { readonly kind: 'listing'; readonly since: number; readonly how: 'paged' | 'streaming' }
  | { readonly kind: 'watching'; readonly since: number }
  | {
      readonly kind: 'backing-off'
      readonly error: RelayError
      readonly retryAt: number
      readonly failures: number
    }
  | { readonly kind: 'stopped' }

/**
 * Who wants to know about the objects. It's called synchronously, in the order of the changes; what it throws is
 * logged with the object's name and changes nothing else. Objects are handed over, no copy of them is kept.
 */
export interface ListWatchHandler {
  /** An object is new or has changed. */
  set(object: KubeObject): void
  /** An object that was set is gone, or isn't selected any more. */
  delete(name: ObjectName): void
  /** Once: everything that existed at the first list has been set. */
  synced(): void
  status?(state: ListWatchState): void
}
