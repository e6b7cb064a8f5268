// Whether this node's firewall drops forwarded packets that no rule lets through, as its own tools tell it. What can't be
// read isn't known, and not told.

/** Resolves with what the program writes; null: it isn't there, or doesn't work. */
export type ReadOutput = (program: string, args: readonly string[]) => Promise<string | null>

export interface ForwardDrop {
  /** The chain, for people. */
  readonly by: string
  /** The commands that let an interface's packets through. */
  readonly remedy: string
}

/** Those chains that don't name the interface. */
export async function readForwardDrops(
  read: ReadOutput,
  link: string,
  hasIpv6: boolean,
): Promise<readonly ForwardDrop[]> {
  const [four, six, chains] = await Promise.all([
    read('iptables-save', []),
    hasIpv6 ? read('ip6tables-save', []) : '',
    read('nft', ['list', 'chains']),
  ])
  const drops = [
    ...(four === null ? [] : iptablesDrops('iptables', four, link)),
    ...(six === null ? [] : iptablesDrops('ip6tables', six, link)),
  ]
  // iptables may be made of nftables: then these are its own.
  const told = [four === null ? null : 'ip filter', six === null ? null : 'ip6 filter']
  for (const { table, chain } of nftDrops(chains ?? '')) {
    if (told.includes(table)) continue
    const rules = await read('nft', ['list', 'table', ...table.split(' ')])
    if (rules === null || new RegExp(`oif(name)?\\b.*"${link}".*accept`).test(rules)) continue
    const insert = (match: string) => `nft insert rule ${table} ${chain} ${match} "${link}" accept`
    drops.push({
      by: `nftables (${table} ${chain})`,
      remedy: `${insert('oifname')}; ${insert('iifname')}`,
    })
  }
  return drops
}

function iptablesDrops(program: string, saved: string, link: string): readonly ForwardDrop[] {
  const [, filter = ''] = /^\*filter$([^]*?)^COMMIT$/m.exec(saved) ?? []
  if (!/^:FORWARD DROP\b/m.test(filter)) return []
  if (new RegExp(`^-A .*-o ${link} .*-j ACCEPT$`, 'm').test(filter)) return []
  const insert = (match: string) => `${program} -I FORWARD ${match} ${link} -j ACCEPT`
  return [{ by: `${program} (FORWARD)`, remedy: `${insert('-o')}; ${insert('-i')}` }]
}

interface NftChain {
  /** Family and name. */
  readonly table: string
  readonly chain: string
}

function nftDrops(chains: string): readonly NftChain[] {
  const found: NftChain[] = []
  let [table, chain] = ['', '']
  for (const line of chains.split('\n')) {
    table = /^table ((?:ip|ip6|inet|bridge|arp|netdev) \S+) \{/.exec(line)?.[1] ?? table
    chain = /^\s+chain (\S+) \{/.exec(line)?.[1] ?? chain
    const drops = /\bhook forward\b.*\bpolicy drop\b/.test(line)
    if (drops && /^(ip|ip6|inet) /.test(table)) found.push({ table, chain })
  }
  return found
}
