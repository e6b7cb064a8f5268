// What the TCP and the UDP side of a data plane share: the limits that hold for both, and whose traffic is the node's.

import type { SourceRanges } from '../policy/source-ranges.ts'
import type { ClientLimits } from './client-limits.ts'
import type { ConnectionLimits } from './connection-limits.ts'
import type { DescriptorBudget } from './descriptor-budget.ts'

export interface SharedState {
  readonly budget: DescriptorBudget
  readonly limits: ConnectionLimits
  /** null: a client may have as many connections as it likes. */
  readonly clients: ClientLimits | null
  /** The sources that count as this node, as of the last update. */
  readonly nodeSources: () => SourceRanges
  /** Called when a connection, a flow or a listener has ended and its descriptors are given back. */
  readonly onGone: () => void
}
