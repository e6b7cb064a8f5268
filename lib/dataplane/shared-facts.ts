// What one worker found out that all workers should know, so that a client meets the same endpoint whichever of them
// accepts it, and an endpoint that is dead for one isn't tried by all. Plain JSON; ages and durations, not times, because
// processes have no clock in common.

import type { ServicePortKey } from '../model/proxy-table.ts'

export type SharedFact =
  /** With session affinity: the endpoint ("ip:port") that a client was given `ageMs` ago; a little below 0: after another decision. */
  | {
      readonly kind: 'affinity'
      readonly servicePort: ServicePortKey
      readonly client: string
      readonly endpoint: string
      readonly ageMs: number
    }
  /** An endpoint is set aside for so long from now; 0: it has answered again. */
  | {
      readonly kind: 'health'
      readonly servicePort: ServicePortKey
      readonly endpoint: string
      readonly setAsideForMs: number
      readonly timesSetAside: number
    }
  /** How many connections a client has open in the worker that says so; 0: too few to matter. */
  | {
      readonly kind: 'client'
      readonly worker: number
      readonly client: string
      readonly connections: number
    }
