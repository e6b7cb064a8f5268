// The network namespace that has the VIPs in mode netns, and the veth pair that leads there. Neither end has an address,
// which would pass for one of the node's: fixed MAC addresses, permanent neighbours and on-link next hops do instead.
// Invariant: what is there and whole stays as it is, since workers of a crashed agent may listen in it; and nothing of
// anybody else's is touched.

import { readFileSync, rmSync, statSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { reasonOf, RelayError } from '../model/error.ts'
import type { Log } from '../ops/log.ts'
import { ipCommand, type IpCommand } from './ip-command.ts'
import { giveNameBack, isNamespace, removeTrial } from './lost-namespace.ts'
import { routeProtocol } from './local-place.ts'

export interface VipNamespaceOptions {
  readonly log: Log
  /** Of the namespace, as `ip netns` has it. */
  readonly name: string
  /** Of the node's end of the veth pair. */
  readonly link: string
}

/** The node's interface that leads there, unless a test has another. */
export const vipLink = 'krelay0'

/** Where `ip netns` keeps names. */
const folder = '/run/netns'

/** The namespace's end of the pair. */
const inner = 'eth0'

/** Locally administered; the node's end is known by its own, which it has from its first moment on. */
const macs = { host: '02:6b:72:65:6c:01', namespace: '02:6b:72:65:6c:02' }

/** Next hops: link-local, and on no interface. */
export const nextHops = {
  IPv4: { toNamespace: '169.254.119.2', toHost: '169.254.119.1' },
  IPv6: { toNamespace: 'fe80::6b72:656c:2', toHost: 'fe80::6b72:656c:1' },
} as const

/** The alias of the node's end, for people, and of the namespace's loopback interface, by which it is known as ours. */
const mark = 'kube-relay:vips'

/** RFC 8200's least for IPv6: below that, it isn't a limit for VIPs that somebody set. */
const leastMtu = 1280
const usualMtu = 1500

const carrierPatienceMs = 3000
const lookEveryMs = 20

type Link = Readonly<Record<string, unknown>>

export class VipNamespace {
  readonly path: string
  readonly #options: VipNamespaceOptions
  readonly #host = ipCommand()
  readonly #inside: IpCommand
  /** The one whose settings are made, by its inode number. */
  #settled: number | null = null

  constructor(options: VipNamespaceOptions) {
    this.#options = options
    this.path = `${folder}/${options.name}`
    this.#inside = ipCommand(options.name)
  }

  /** Whether a namespace has the name. */
  exists(): boolean {
    return this.#named() === 'namespace'
  }

  /** Makes the namespace and the pair, or mends what is missing. @throws VIP */
  async open(): Promise<void> {
    const { name, link } = this.#options
    const links = await this.#host.list(['link', 'show'])
    const outer = this.#outerOf(links)
    if (this.#named() === 'file') rmSync(this.path)
    if (!this.exists()) {
      this.#settled = null
      if (outer === null) await this.#host.run(['netns', 'add', name])
      else await giveNameBack(this.path, { link, isRight: trial => this.#leadsTo(outer, trial) })
    }
    const own = await this.#linksInside()
    const whole = outer !== null && (await this.#leadsTo(outer, name))
    if (!whole) await this.#join(outer, own)
    await this.#settle()
    await this.#configure(mtuFor(links.filter(each => each !== outer)))
    const innerBefore = own.find(each => each['ifname'] === inner)
    if (!whole || !isRunning(outer) || !isRunning(innerBefore)) await this.#untilRunning()
  }

  /** Whether IPv6 is there on the way to the namespace. */
  hasIpv6(): boolean {
    return readSetting(`net/ipv6/conf/${this.#options.link}/disable_ipv6`) === '0'
  }

  /** Removes both, as far as they are there and ours. @throws VIP */
  async clear(): Promise<void> {
    const { name, link } = this.#options
    this.#settled = null
    const outer = (await this.#host.list(['link', 'show'])).find(each => each['ifname'] === link)
    if (outer !== undefined && isOurs(outer)) await this.#host.run(['link', 'del', link])
    if (this.exists() && isOurNamespace(await this.#inside.list(['link', 'show']))) {
      await this.#host.run(['netns', 'del', name])
    }
    if (this.#named() === 'file') rmSync(this.path)
    await removeTrial(this.path)
  }

  /** `file`: what is left where a namespace was mounted. */
  #named(): 'nothing' | 'file' | 'namespace' {
    const named = statSync(this.path, { throwIfNoEntry: false })
    if (named === undefined) return 'nothing'
    return isNamespace(named) ? 'namespace' : 'file'
  }

  #outerOf(links: readonly Link[]): Link | null {
    const { link } = this.#options
    const outer = links.find(each => each['ifname'] === link)
    if (outer === undefined || isOurs(outer)) return outer ?? null
    throw new RelayError(
      'VIP',
      `the interface ${link} isn't kube-relay's, and is left as it is: rename it, or use --vip-mode local`,
    )
  }

  async #linksInside(): Promise<readonly Link[]> {
    const links = await this.#inside.list(['link', 'show'])
    if (isOurNamespace(links)) return links
    const remedy = 'rename it, or use --vip-mode local'
    throw new RelayError(
      'VIP',
      `the network namespace ${this.#options.name} isn't kube-relay's, and is left as it is: ${remedy}`,
    )
  }

  /** Whether the pair's other end is in the namespace that has the name. */
  async #leadsTo(outer: Link, name: string): Promise<boolean> {
    const ids = await this.#host.list(['netns', 'list-id'])
    const id = outer['link_netnsid']
    return id !== undefined && ids.some(each => each['nsid'] === id && each['name'] === name)
  }

  /** Makes the pair, in place of what is there of one. */
  async #join(outer: Link | null, own: readonly Link[]): Promise<void> {
    const { name, link, log } = this.#options
    if (outer !== null) await this.#host.run(['link', 'del', link])
    else if (own.some(each => each['ifname'] === inner)) await this.#inside.run(['link', 'del', inner])
    const peer = ['peer', 'name', inner, 'address', macs.namespace, 'netns', name]
    await this.#host.run(['link', 'add', link, 'address', macs.host, 'type', 'veth', ...peer])
    log.info({ namespace: this.path, link }, 'the VIPs have a network namespace of their own')
  }

  async #configure(mtu: number): Promise<void> {
    const { link } = this.#options
    const { IPv4: four, IPv6: six } = nextHops
    const neighbour = (ip: string, mac: string, dev: string): string =>
      `neigh replace ${ip} lladdr ${mac} nud permanent dev ${dev}`
    const defaultRoute = (via: string): string =>
      `route replace default via ${via} dev ${inner} onlink proto ${routeProtocol}`
    const hasStack = readSetting(`net/ipv6/conf/${link}/disable_ipv6`) !== null
    // Before it is up, or it would give itself an address.
    const noAddress = (dev: string): string[] => (hasStack ? [`link set ${dev} addrgenmode none`] : [])
    await allOf(this.#host, [
      ...noAddress(link),
      `link set ${link} alias ${mark} mtu ${mtu}`,
      `link set ${link} up`,
      neighbour(four.toNamespace, macs.namespace, link),
      ...(this.hasIpv6() ? [neighbour(six.toNamespace, macs.namespace, link)] : []),
    ])
    await allOf(this.#inside, [
      `link set lo alias ${mark}`,
      'link set lo up',
      ...noAddress(inner),
      `link set ${inner} mtu ${mtu}`,
      `link set ${inner} up`,
      neighbour(four.toHost, macs.host, inner),
      defaultRoute(four.toHost),
    ])
    if (!this.hasIpv6()) return
    await allOf(this.#inside, [neighbour(six.toHost, macs.host, inner), defaultRoute(six.toHost)])
  }

  /** The kernel may take a second to let packets through a pair that is up; until then it drops them. */
  async #untilRunning(): Promise<void> {
    for (let waitedMs = 0; waitedMs < carrierPatienceMs; waitedMs += lookEveryMs) {
      const [outer] = await this.#host.list(['link', 'show', 'dev', this.#options.link])
      const [innerNow] = await this.#inside.list(['link', 'show', 'dev', inner])
      if (isRunning(outer) && isRunning(innerNow)) return
      await setTimeout(lookEveryMs)
    }
  }

  /** Once for each namespace: what it needs that a new one doesn't have. */
  async #settle(): Promise<void> {
    const { ino } = statSync(this.path)
    if (this.#settled === ino) return
    const settings = [
      // What isn't local there (any more) ends there, instead of going to and fro until it is too old. First: it sets others.
      ['net/ipv4/ip_forward', '0'],
      ['net/ipv6/conf/all/forwarding', this.hasIpv6() ? '0' : null],
      // As the agent does in the node's own network (ops/tcp-migrate.ts).
      ['net/ipv4/tcp_migrate_req', '1'],
      ['net/core/somaxconn', readSetting('net/core/somaxconn')],
      // Whatever new interfaces of the node begin with.
      ['net/ipv6/conf/all/disable_ipv6', this.hasIpv6() ? '0' : null],
      // Without it only addresses of interfaces can be bound, whatever is local (nonlocal-bind.ts).
      ['net/ipv6/ip_nonlocal_bind', this.hasIpv6() ? '1' : null],
    ].filter(([, value]) => value !== null)
    const script = settings.map(([file, value]) => `echo ${value} > /proc/sys/${file}`).join('; ')
    try {
      await this.#host.run(['netns', 'exec', this.#options.name, 'sh', '-c', script])
    } catch (error) {
      this.#options.log.warn(
        { namespace: this.path },
        `settings in the network namespace of the VIPs stay as they are: ${reasonOf(error)}`,
      )
    }
    this.#settled = ino
  }
}

function isOurs(link: Link): boolean {
  return link['address'] === macs.host || link['ifalias'] === mark
}

/** A new one that has nothing yet is what an agent leaves that was killed right after it had made it. */
function isOurNamespace(links: readonly Link[]): boolean {
  const marked = links.some(each => each['ifalias'] === mark || each['address'] === macs.namespace)
  return marked || (links.length === 1 && !isUp(links[0]))
}

function isRunning(link: Link | null | undefined): boolean {
  return link?.['operstate'] === 'UP'
}

function isUp(link: Link | undefined): boolean {
  return Array.isArray(link?.['flags']) && link['flags'].includes('UP')
}

/** Segments must fit through whatever interface the client is behind. */
function mtuFor(links: readonly Link[]): number {
  const mtus = links
    .filter(each => isUp(each) && each['ifname'] !== 'lo')
    .map(each => Number(each['mtu']))
    .filter(mtu => mtu >= leastMtu)
  return Math.min(usualMtu, ...mtus)
}

async function allOf(ip: IpCommand, lines: readonly string[]): Promise<void> {
  for (const [index, message] of await ip.batch(lines)) {
    throw new RelayError('VIP', `\`ip ${lines[index]}\`: ${message}`)
  }
}

function readSetting(name: string): string | null {
  try {
    return readFileSync(`/proc/sys/${name}`, 'utf8').trim()
  } catch {
    return null
  }
}
