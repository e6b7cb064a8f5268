// What `kube-relay run --cleanup` does about VIPs: takes away all that agents of this node have left, in either mode, as
// the last one that stops would have done.

import { RelayError } from '../model/error.ts'
import type { Clock } from '../ops/clock.ts'
import type { Log } from '../ops/log.ts'
import { localPlace } from './local-place.ts'
import { netnsPlace } from './netns-place.ts'
import { announcePresence } from './presence.ts'
import type { VipPlace } from './vip-place.ts'

export interface ClearVipsOptions {
  readonly log: Log
  readonly clock: Clock
  /** Instead of those of all modes. */
  readonly places?: readonly VipPlace[]
  /** Done before, while no agent can come: ends who still uses them. */
  readonly before: () => Promise<void>
}

const lockPatienceMs = 10_000

/** Resolves with how many there were. @throws VIP while an agent is there, whose they are, and for what can't be removed. */
export async function clearVips({ log, clock, before, ...options }: ClearVipsOptions): Promise<number> {
  const places = options.places ?? [netnsPlace({ log }), localPlace({ log })]
  const presence = await announcePresence(clock)
  try {
    const lock = await presence.lock(lockPatienceMs)
    try {
      if (lock === null || !(await presence.isAlone())) {
        throw new RelayError(
          'VIP',
          'an agent is running on this node: stop it first, and it cleans up itself',
        )
      }
      await before()
      let vips = 0
      for (const place of places) {
        vips += (await place.list()).length
        await place.clear()
      }
      return vips
    } finally {
      await lock?.release()
    }
  } finally {
    await presence.close()
  }
}
