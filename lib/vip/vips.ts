// The VIPs of this node: made local before a data plane opens them, kept while anything established uses them, and
// removed with the last agent of the node. Looks at what is really there now and then, and mends it.

import type { TableUpdate } from '../model/proxy-table.ts'
import type { VipMode } from '../model/vip-mode.ts'

/** What one agent wants: during a reload there are two. */
export interface VipUser {
  /**
   * To be awaited before the data plane gets the update: resolves when each frontend's address that has `vip` is local,
   * or known not to become so. Never rejects.
   */
  want(update: TableUpdate): Promise<void>
  /** The data plane has it: what no frontend has any more may go. */
  applied(): void
  /** Wants nothing any more. */
  leave(): void
}

export interface VipStatus {
  readonly mode: VipMode
  /** How many are local by our doing. */
  readonly local: number
  readonly failed: readonly { readonly ip: string; readonly reason: string }[]
}

export interface Vips {
  readonly mode: VipMode
  /** See VipPlace. */
  readonly namespace: string | null
  user(): VipUser
  /** The node's addresses, the primary one of each family first: the sources of its own processes' connections. */
  setSources(ips: readonly string[]): void
  status(): VipStatus
  /** Removes all that is ours, unless another agent of this node has its VIPs there. May be called twice. */
  close(): Promise<void>
}
