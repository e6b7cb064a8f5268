// `kube-relay run --cleanup`: what agents that were killed have left on this node is ended and removed. What a stop leaves
// is nothing, so there is something only where no next agent has come.

import { systemClock } from './ops/clock.ts'
import type { Log } from './ops/log.ts'
import { clearVips } from './vip/clear-vips.ts'
import { endOrphans } from './workers/orphans.ts'

export interface CleanUpOptions {
  /** null: workers without an agent can't be found. */
  readonly stateDir: string | null
  readonly log: Log
}

/** Resolves with how many of each there were. @throws VIP for what can't be removed, or while an agent runs. */
export async function cleanUp({ stateDir, log }: CleanUpOptions): Promise<{ workers: number; vips: number }> {
  let workers = 0
  const vips = await clearVips({
    log,
    clock: systemClock,
    // They listen where the VIPs are.
    before: async () => {
      if (stateDir !== null) workers = await endOrphans(stateDir)
    },
  })
  return { workers, vips }
}
