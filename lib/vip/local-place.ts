// VIPs in the node's own network: a route of type local for each (AnyIP), so that the kernel takes its
// packets in without its being an address of an interface. Ours are known by their protocol number.

import { canonicalIp, familyOf } from '../model/address.ts'
import { readCidr } from '../model/cidr.ts'
import { RelayError } from '../model/error.ts'
import { silentLog, type Log } from '../ops/log.ts'
import { addRoutes } from './add-routes.ts'
import { addressesInUse } from './addresses-in-use.ts'
import { ipCommand, type IpCommand } from './ip-command.ts'
import { enableNonlocalBind } from './nonlocal-bind.ts'
import type { PlacedVip, VipPlace } from './vip-place.ts'

/** Of routes that kube-relay has made: one that nobody has in /etc/iproute2/rt_protos. */
export const routeProtocol = 143

const ours = ['table', 'local', 'type', 'local', 'dev', 'lo', 'proto', String(routeProtocol)]

const gone = 'No such process'

export interface LocalPlaceOptions {
  readonly log?: Log
  readonly ip?: IpCommand
}

export function localPlace({ log = silentLog, ip = ipCommand() }: LocalPlaceOptions = {}): VipPlace {
  const list = async (): Promise<readonly PlacedVip[]> => {
    const perFamily = [
      await ip.list(['-4', 'route', 'show', ...ours]),
      await ip.list(['-6', 'route', 'show', ...ours]),
    ]
    return perFamily.flat().flatMap(readRoute)
  }

  const remove = async (ips: readonly string[]): Promise<void> => {
    const failed = await ip.batch(ips.map(each => `route del ${route(each)}`))
    for (const [index, message] of failed) {
      if (message !== gone)
        throw new RelayError('VIP', `\`ip route del ${route(ips[index] ?? '')}\`: ${message}`)
    }
  }

  return {
    namespace: null,
    open: async () => {},
    list,
    add: async vips => {
      const ipv6 = vips.filter(vip => familyOf(vip.ip) === 'IPv6')
      const problem = ipv6.length === 0 ? null : enableNonlocalBind(log)
      const possible = problem === null ? vips : vips.filter(vip => familyOf(vip.ip) === 'IPv4')
      const failures = await addRoutes(ip, possible, { line: routeFrom, list, heedsPrefixes: false })
      return problem === null
        ? failures
        : new Map([...failures, ...ipv6.map(vip => [vip.ip, problem] as const)])
    },
    remove,
    inUse: () => addressesInUse(),
    clear: async () => remove((await list()).map(vip => vip.ip)),
  }
}

function route(ip: string): string {
  return `local ${ip}/${familyOf(ip) === 'IPv4' ? 32 : 128} dev lo proto ${routeProtocol}`
}

function routeFrom({ ip, source }: PlacedVip): string {
  return source === null ? route(ip) : `${route(ip)} src ${source}`
}

/** What is of that protocol and no single address, as 10.0.0.0/8, isn't ours. */
function readRoute(fields: Readonly<Record<string, unknown>>): readonly PlacedVip[] {
  const { dst, prefsrc } = fields
  if (typeof dst !== 'string' || (prefsrc !== undefined && typeof prefsrc !== 'string')) {
    throw unreadable(fields)
  }
  const ip = canonicalIp(dst)
  if (ip === null && readCidr(dst) === null && dst !== 'default') throw unreadable(fields)
  return ip === null ? [] : [{ ip, source: canonicalIp(prefsrc) }]
}

function unreadable(fields: Readonly<Record<string, unknown>>): RelayError {
  return new RelayError('VIP', `\`ip route show\`: can't read the route ${JSON.stringify(fields)}`)
}
