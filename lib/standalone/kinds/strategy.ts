// What one kind adds to the writes that all kinds share (store/registry.ts): defaults, validation and allocation.

import type { KubeObject } from '../../model/objects.ts'

export interface WriteContext {
  /** Everything is checked and completed as if it were written, and nothing is kept: no object, no allocation. */
  readonly dryRun: boolean
}

export interface Strategy {
  /**
   * Completes and checks an object to create, or to put in `stored`'s place. Throws a StatusError. It changes nothing
   * but its own allocations, and those only if it doesn't throw and this is no dry run.
   */
  readonly prepare: (object: KubeObject, stored: KubeObject | undefined, context: WriteContext) => KubeObject
  /** Completes and checks a status to put in `stored`'s place; the rest of `object` is that of `stored`. */
  readonly prepareStatus?: (object: KubeObject, stored: KubeObject) => KubeObject
  /** The object is gone from the store. */
  readonly released?: (object: KubeObject) => void
  /** A stored object of an earlier life is back: takes what it holds. */
  readonly adopted?: (object: KubeObject) => void
  /** The status that a new object starts with; what its author wrote there is ignored, as on the real server. */
  readonly initialStatus?: Readonly<Record<string, unknown>>
  /** How long an object stays, terminating, after a deletion that doesn't say: 0 for not at all, the default. */
  readonly gracePeriodSeconds?: (object: KubeObject) => number
}
