// VIPs in a network namespace of ours: a route to it on the node, and a local route inside, so that neither the node's
// own daemons on wildcard addresses answer there, nor a Service's port keeps one of them from its own. The node's routes are
// in the table local: it comes before every rule of policy routing, and there an IPv4 route outlives the address that is its
// source. They are known as ours by their protocol number and their interface.

import { canonicalIp, familyOf, type IpFamily } from '../model/address.ts'
import { RelayError } from '../model/error.ts'
import { silentLog, type Log } from '../ops/log.ts'
import { addRoutes } from './add-routes.ts'
import { addressesInUse } from './addresses-in-use.ts'
import { ipCommand, type IpCommand } from './ip-command.ts'
import { routeProtocol } from './local-place.ts'
import { nextHops, vipLink, VipNamespace } from './vip-namespace.ts'
import type { PlacedVip, VipPlace } from './vip-place.ts'

export interface NetnsPlaceOptions {
  /** Told when the namespace is made, and what it lacks. */
  readonly log?: Log
  /** Of the namespace, as `ip netns` has it. */
  readonly name?: string
  /** The node's interface that leads there. */
  readonly link?: string
}

const families: readonly IpFamily[] = ['IPv4', 'IPv6']
const ours = ['proto', String(routeProtocol)]

/** Those of earlier versions are in the table main. */
type Table = 'local' | 'main'

interface NodeRoute extends PlacedVip {
  readonly table: Table
}

/** The route or address is gone, or its interface with all of them. */
const gone = /^(No such process|Cannot find device|Cannot assign requested address|ipv6: address not found)/

export function netnsPlace({
  log = silentLog,
  name = 'kube-relay',
  link = vipLink,
}: NetnsPlaceOptions = {}): VipPlace {
  const namespace = new VipNamespace({ log, name, link })
  const host = ipCommand()
  const inside = ipCommand(name)

  /** The node's routes to the namespace. */
  const routes = async (): Promise<readonly NodeRoute[]> => {
    const query = ['route', 'show', 'table', 'all', ...ours]
    const found = await Promise.all(families.map(each => host.list([flag(each), ...query])))
    return found
      .flat()
      .filter(each => each['dev'] === link)
      .flatMap(each => {
        const table = readTable(each)
        return table === null ? [] : readRoute(each).map(vip => ({ ...vip, table }))
      })
  }
  /** Each VIP once, as the table that is looked at first has it. */
  const routed = async (): Promise<readonly PlacedVip[]> => {
    const there = await routes()
    const inTable = (wanted: Table) => there.filter(({ table }) => table === wanted)
    const vips = [...inTable('main'), ...inTable('local')].map(({ ip, source }) => ({ ip, source }))
    return [...new Map(vips.map(vip => [vip.ip, vip])).values()]
  }
  /** What is local inside. */
  const locals = async (): Promise<ReadonlySet<string>> => {
    if (!namespace.exists()) return new Set()
    const query = ['-4', 'route', 'show', 'table', 'local', 'type', 'local', 'dev', 'lo', ...ours]
    const four = (await inside.list(query)).flatMap(readRoute)
    const six = (await inside.list(['-6', 'address', 'show', 'dev', 'lo'])).flatMap(readAddresses)
    return new Set([...four.map(({ ip }) => ip), ...six])
  }
  const deleteRoutes = (there: readonly NodeRoute[]): Promise<void> =>
    removeAll(
      host,
      there.map(({ ip, table }) => `route del ${prefix(ip)} dev ${link} table ${table} ${ours.join(' ')}`),
    )
  const removeRoutes = async (ips: Iterable<string>): Promise<void> => {
    const going = new Set(ips)
    await deleteRoutes((await routes()).filter(({ ip }) => going.has(ip)))
  }
  const removeLocals = async (ips: readonly string[]): Promise<void> => {
    if (!namespace.exists()) return
    await removeAll(
      inside,
      ips.map(ip => local('del', ip)),
    )
  }

  const routeTo = ({ ip, source }: PlacedVip): string => {
    const via = nextHops[familyOf(ip)].toNamespace
    const from = source === null ? '' : ` src ${source}`
    return `${prefix(ip)} via ${via} dev ${link} onlink table local ${ours.join(' ')}${from}`
  }
  /** Without a gap for whoever uses them. */
  const moveFromMain = async (): Promise<void> => {
    const earlier = (await routes()).filter(({ table }) => table === 'main')
    if (earlier.length === 0) return
    // What fails is there already, or is missed by the look that this belongs to.
    await host.batch(earlier.map(vip => `route add ${routeTo(vip)}`))
    await deleteRoutes(earlier)
  }
  /** Half of a VIP at the last look: by now, nobody is about to add the other half. */
  let halves: ReadonlySet<string> = new Set()

  return {
    namespace: namespace.path,
    open: async () => {
      await namespace.open()
      await moveFromMain()
      const [outer, inner] = [await routed(), await locals()]
      const outerIps = new Set(outer.map(({ ip }) => ip))
      // Packets to what isn't local inside would come straight back.
      await removeRoutes([...outerIps].filter(ip => !inner.has(ip)))
      const unrouted = [...inner].filter(ip => !outerIps.has(ip))
      await removeLocals(unrouted.filter(ip => halves.has(ip)))
      halves = new Set(unrouted)
    },
    list: async () => {
      const [outer, inner] = [await routed(), await locals()]
      return outer.filter(({ ip }) => inner.has(ip))
    },
    add: async vips => {
      const failures = new Map<string, string>()
      const free = vips.filter(({ ip }) => {
        const can = familyOf(ip) === 'IPv4' || namespace.hasIpv6()
        if (!can) failures.set(ip, `${link} has no IPv6`)
        return can
      })
      // Inside first, so that nothing comes to the namespace that it would send back.
      const refused = await inside.batch(free.map(({ ip }) => local('replace', ip)))
      for (const [index, message] of refused) failures.set(free[index]?.ip ?? '', message)
      const possible = free.filter(({ ip }) => !failures.has(ip))
      const unrouted = await addRoutes(host, possible, { line: routeTo, list: routed, heedsPrefixes: true })
      if (unrouted.size > 0) await removeLocals([...unrouted.keys()])
      return new Map([...failures, ...unrouted])
    },
    remove: async ips => {
      await removeRoutes(ips)
      await removeLocals(ips)
    },
    inUse: () => (namespace.exists() ? addressesInUse(name) : Promise.resolve(new Set())),
    clear: async () => {
      await deleteRoutes(await routes())
      await namespace.clear()
    },
  }
}

async function removeAll(ip: IpCommand, lines: readonly string[]): Promise<void> {
  for (const [index, message] of await ip.batch(lines)) {
    if (!gone.test(message)) throw new RelayError('VIP', `\`ip ${lines[index]}\`: ${message}`)
  }
}

function flag(family: IpFamily): string {
  return family === 'IPv4' ? '-4' : '-6'
}

function prefix(ip: string): string {
  return `${ip}/${familyOf(ip) === 'IPv4' ? 32 : 128}`
}

/**
 * Inside, where everything is ours. With a route of type local (AnyIP) there is no address to count as the node's; an IPv6
 * VIP has to be one all the same: the kernel sends ICMPv6 errors, as from a closed UDP port, from addresses only.
 */
function local(verb: 'replace' | 'del', ip: string): string {
  return familyOf(ip) === 'IPv4'
    ? `route ${verb} local ${prefix(ip)} dev lo proto ${routeProtocol}`
    : `address ${verb} ${prefix(ip)} dev lo${verb === 'del' ? '' : ' nodad'}`
}

/** Those of the loopback interface that we have given it. */
function readAddresses(link: Readonly<Record<string, unknown>>): readonly string[] {
  const infos = Array.isArray(link['addr_info']) ? (link['addr_info'] as readonly unknown[]) : []
  return infos
    .map(info => canonicalIp((info as { local?: unknown }).local))
    .filter(ip => ip !== null)
    .filter(ip => ip !== '::1')
}

/** Of whatever else there is one in, it isn't ours. */
function readTable({ table }: Readonly<Record<string, unknown>>): Table | null {
  if (table === undefined || table === 'main') return 'main'
  return table === 'local' ? 'local' : null
}

/** A route to a single address; what else is of that protocol isn't ours. */
function readRoute(fields: Readonly<Record<string, unknown>>): readonly PlacedVip[] {
  const ip = canonicalIp(fields['dst'])
  return ip === null ? [] : [{ ip, source: canonicalIp(fields['prefsrc']) }]
}
