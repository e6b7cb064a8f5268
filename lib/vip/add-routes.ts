// Adds routes for VIPs, never in place of somebody else's: what exists already is told apart into ours, which
// may need another source, and foreign ones, which stay.

import type { IpCommand } from './ip-command.ts'
import type { PlacedVip } from './vip-place.ts'

export interface RouteKind {
  /** What follows `ip route add`, with the source where there is one. */
  readonly line: (vip: PlacedVip) => string
  /** Those of ours that are there. */
  readonly list: () => Promise<readonly PlacedVip[]>
  /** Why one is a failure that exists and isn't ours. */
  readonly foreign: string
}

const exists = 'File exists'
/** IPv4's and IPv6's words for a source that isn't an address of this node (any more). */
const badSource = /^Invalid (prefsrc|source) address/

/** Returns why for each that isn't there afterwards. @throws VIP */
export async function addRoutes(
  ip: IpCommand,
  vips: readonly PlacedVip[],
  { line, list, foreign }: RouteKind,
): Promise<ReadonlyMap<string, string>> {
  const failures = new Map<string, string>()
  const existing: PlacedVip[] = []
  let asked = vips
  while (asked.length > 0) {
    const failed = await ip.batch(asked.map(vip => `route add ${line(vip)}`))
    const again: PlacedVip[] = []
    for (const [index, message] of failed) {
      const vip = asked[index]
      if (vip === undefined) continue
      if (message === exists) existing.push(vip)
      else if (vip.source !== null && badSource.test(message)) again.push({ ...vip, source: null })
      else failures.set(vip.ip, message)
    }
    asked = again
  }
  if (existing.length === 0) return failures
  const ours = new Map((await list()).map(vip => [vip.ip, vip.source]))
  for (const vip of existing) if (!ours.has(vip.ip)) failures.set(vip.ip, foreign)
  const moved = existing.filter(vip => {
    const source = ours.get(vip.ip)
    return source !== undefined && vip.source !== null && vip.source !== source
  })
  // One that can't be changed stays as it is.
  if (moved.length > 0) await ip.batch(moved.map(vip => `route replace ${line(vip)}`))
  return failures
}
