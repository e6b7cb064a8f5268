// The VIPs of this node: made local before a data plane opens them, kept while anything established uses
// them, and removed with the last agent of the node. Looks at what is really there now and then, and mends
// it.

import type { TableUpdate } from '../model/proxy-table.ts'
import type { VipMode } from '../model/vip-mode.ts'
import type { Clock } from '../ops/clock.ts'
import type { Log } from '../ops/log.ts'
import type { VipStatus } from '../ops/status.ts'
import { localPlace } from './local-place.ts'
import { netnsPlace } from './netns-place.ts'
import { VipKeeper } from './vip-keeper.ts'
import type { VipPlace } from './vip-place.ts'

/** What one agent wants: during a reload there are two. */
export interface VipUser {
  /**
   * To be awaited before the data plane gets the update: resolves when each frontend's address that has `vip`
   * is local, or known not to become so. Never rejects.
   */
  want(update: TableUpdate): Promise<void>
  /** The data plane has it: what no frontend has any more may go. */
  applied(): void
  /** Wants nothing any more. */
  leave(): void
}

export interface Vips {
  readonly mode: VipMode
  /** See VipPlace. */
  readonly namespace: string | null
  user(): VipUser
  /**
   * The node's addresses, the primary one of each family first: the sources of its own processes'
   * connections.
   */
  setSources(ips: readonly string[]): void
  status(): VipStatus
  /** Removes all that is ours, unless another agent of this node has its VIPs there. May be called twice. */
  close(): Promise<void>
}

export interface VipsOptions {
  readonly mode: VipMode
  readonly log: Log
  readonly clock: Clock
  /**
   * Instead of the ones that the mode means: where VIPs are put, and where another mode would have put them.
   */
  readonly place?: VipPlace
  readonly formerPlaces?: readonly VipPlace[]
}

/** Nothing is touched before the first update that is wanted; in mode `none` nothing ever is. */
export function openVips({ mode, log, clock, ...options }: VipsOptions): Vips {
  if (mode === 'none') return noVips
  const places = { local: () => localPlace({ log }), netns: () => netnsPlace({ log }) }
  const place = options.place ?? places[mode]()
  const formerPlaces = options.formerPlaces ?? [places[mode === 'local' ? 'netns' : 'local']()]
  const keeper = new VipKeeper({ place, formerPlaces, log, clock })
  return {
    mode,
    namespace: place.namespace,
    user: () => {
      const wishes = keeper.user()
      return { ...wishes, want: update => keeper.want(wishes, update) }
    },
    setSources: ips => keeper.setSources(ips),
    status: () => ({ mode, ...keeper.status() }),
    close: () => keeper.close(),
  }
}

const noVips: Vips = {
  mode: 'none',
  namespace: null,
  user: () => ({ want: () => Promise.resolve(), applied: () => {}, leave: () => {} }),
  setSources: () => {},
  status: () => ({ mode: 'none', local: 0, failed: [] }),
  close: () => Promise.resolve(),
}
