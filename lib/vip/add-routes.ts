// Adds routes for VIPs, never in place of somebody else's: one to exactly that address, in whatever table and of whatever
// metric, stays in force, and the VIP is told as failed. Ours may need another source.

import { canonicalIp, familyOf, type IpFamily } from '../model/address.ts'
import { readCidr } from '../model/cidr.ts'
import type { IpCommand } from './ip-command.ts'
import type { PlacedVip } from './vip-place.ts'

export interface RouteKind {
  /** What follows `ip route add`, with the source where there is one. */
  readonly line: (vip: PlacedVip) => string
  /** Those of ours that are there. */
  readonly list: () => Promise<readonly PlacedVip[]>
  /** Whether somebody else's local route to a whole prefix has the VIPs in it, too. */
  readonly heedsPrefixes: boolean
}

const exists = 'File exists'
/** IPv4's and IPv6's words for a source that isn't an address of this node (any more). */
const badSource = /^Invalid (prefsrc|source) address/

const isTheirs = "isn't kube-relay's"
const left = 'which is left as it is'

/** Returns why for each that isn't there afterwards. @throws VIP */
export async function addRoutes(
  ip: IpCommand,
  vips: readonly PlacedVip[],
  { line, list, heedsPrefixes }: RouteKind,
): Promise<ReadonlyMap<string, string>> {
  const found = await routesTo(ip, vips, heedsPrefixes)
  const before = found.size === 0 ? new Map<string, null>() : sourcesOf(await list())
  const existing = vips.filter(vip => before.has(vip.ip))
  const failures = new Map([...found].filter(([to]) => !before.has(to)))
  const appeared: PlacedVip[] = []
  let asked = vips.filter(vip => !found.has(vip.ip))
  while (asked.length > 0) {
    const failed = await ip.batch(asked.map(vip => `route add ${line(vip)}`))
    const again: PlacedVip[] = []
    for (const [index, message] of failed) {
      const vip = asked[index]
      if (vip === undefined) continue
      if (message === exists) appeared.push(vip)
      else if (vip.source !== null && badSource.test(message)) again.push({ ...vip, source: null })
      else failures.set(vip.ip, message)
    }
    asked = again
  }
  const ours = appeared.length === 0 ? before : sourcesOf(await list())
  for (const vip of appeared) {
    if (!ours.has(vip.ip)) failures.set(vip.ip, `there is a route to it that ${isTheirs}, ${left}`)
  }
  const moved = [...existing, ...appeared].filter(vip => {
    const source = ours.get(vip.ip)
    return source !== undefined && vip.source !== null && vip.source !== source
  })
  // One that can't be changed stays as it is.
  if (moved.length > 0) await ip.batch(moved.map(vip => `route replace ${line(vip)}`))
  return failures
}

function sourcesOf(vips: readonly PlacedVip[]): ReadonlyMap<string, string | null> {
  return new Map(vips.map(vip => [vip.ip, vip.source]))
}

/**
 * Each to which there is a route, ours or not, with the failure that it is if it isn't ours. Adding one wouldn't fail where its
 * table or metric is another.
 */
async function routesTo(
  ip: IpCommand,
  vips: readonly PlacedVip[],
  heedsPrefixes: boolean,
): Promise<ReadonlyMap<string, string>> {
  const ips = new Set(vips.map(vip => vip.ip))
  const listAll = async (family: IpFamily) => {
    const [first, ...more] = [...ips].filter(each => familyOf(each) === family)
    if (first === undefined) return []
    const flag = family === 'IPv4' ? '-4' : '-6'
    // In the usual case only one is new, and there may be thousands of others.
    const only = more.length === 0 ? ['match', first] : []
    return ip.list([flag, 'route', 'show', 'table', 'all', ...only])
  }
  const listed = (await Promise.all([listAll('IPv4'), listAll('IPv6')])).flat()
  const found = new Map<string, string>()
  for (const route of listed) {
    const to = canonicalIp(route['dst'])
    if (to === null || !ips.has(to)) continue
    if (!found.has(to) || route['type'] === 'local') found.set(to, foreignReason(route))
  }
  if (!heedsPrefixes) return found
  for (const { type, table, dst } of listed) {
    const prefix = type === 'local' && table === 'local' ? readCidr(dst) : null
    if (prefix === null) continue
    for (const each of ips) {
      if (!found.has(each) && prefix.contains(each)) {
        found.set(each, `already local by the route to ${prefix.text} that ${isTheirs}, ${left}`)
      }
    }
  }
  return found
}

function foreignReason(route: Readonly<Record<string, unknown>>): string {
  if (route['type'] === 'local') return `already local by a route or address that ${isTheirs}, ${left}`
  const text = (field: string, prefix = '') =>
    typeof route[field] === 'string' ? [`${prefix}${route[field]}`] : []
  // What `ip` doesn't say: unicast, and the table main.
  const table = text('table', 'table ')[0] ?? 'table main'
  const details = [...text('type'), table, ...text('dev', 'dev ')].join(', ')
  return `there is a route to it that ${isTheirs} (${details}), ${left}`
}
