// What each VIP mode needs of a node, with readings as of nodes that lack one thing each.

import { test } from 'tap'
import type { NodeReadings } from '../../lib/vip/node-readings.ts'
import { checkVipModes, chooseVipMode, vipModeDrawbacks, vipModeProblem } from '../../lib/vip/requirements.ts'

const netAdmin = 1n << 12n
const sysAdmin = 1n << 21n

const goodSysctls: Readonly<Record<string, string>> = {
  'net.ipv4.ip_forward': '1',
  'net.ipv6.conf.all.forwarding': '1',
  'net.ipv4.conf.all.rp_filter': '0',
  'net.ipv4.conf.eth0.rp_filter': '2',
  'net.ipv4.conf.eth1.rp_filter': '2',
  'net.ipv4.conf.all.arp_ignore': '1',
  'net.ipv4.conf.all.arp_announce': '2',
}

interface Given extends Partial<Omit<NodeReadings, 'sysctl'>> {
  readonly sysctls?: Readonly<Record<string, string>>
}

/** Those of a node that has everything, apart from what is given. */
function readings({ sysctls = {}, ...given }: Given = {}): NodeReadings {
  const all = { ...goodSysctls, ...sysctls }
  return {
    nodeVersion: '26.0.0',
    capabilities: netAdmin | sysAdmin,
    canBindInNamespace: true,
    ip: 'works',
    hasSs: true,
    netnsFolderProblem: null,
    namespaceProblem: null,
    sysctl: name => all[name] ?? null,
    maySet: () => true,
    hasIpv6: true,
    uplinks: ['eth0', 'eth1'],
    forwardDrops: [],
    ...given,
  }
}

const lacks: readonly {
  readonly name: string
  readonly given: Given
  readonly local: RegExp | null
  readonly netns: RegExp
  readonly auto: string
}[] = [
  {
    name: 'no capability',
    given: { capabilities: 0n },
    local: /^CAP_NET_ADMIN is missing: run it as root, .*CAP_NET_ADMIN[^;]*$/,
    netns: /CAP_NET_ADMIN is missing.*; CAP_SYS_ADMIN is missing/,
    auto: 'none',
  },
  {
    name: 'CAP_NET_ADMIN alone',
    given: { capabilities: netAdmin },
    local: null,
    netns: /^CAP_SYS_ADMIN is missing: [^;]*$/,
    auto: 'local',
  },
  {
    name: 'CAP_SYS_ADMIN alone',
    given: { capabilities: sysAdmin },
    local: /CAP_NET_ADMIN/,
    netns: /^CAP_NET_ADMIN is missing: [^;]*$/,
    auto: 'none',
  },
  {
    name: 'no iproute2',
    given: { ip: 'missing', hasSs: false },
    local: /^there is no program ip: install iproute2 [^;]*$/,
    netns: /install iproute2/,
    auto: 'none',
  },
  {
    name: "BusyBox's ip",
    given: { ip: 'basic' },
    local: /can't read a batch.*install iproute2/,
    netns: /can't read a batch/,
    auto: 'none',
  },
  {
    name: 'no ss',
    given: { hasSs: false },
    local: /no program ss: install iproute2/,
    netns: /no program ss/,
    auto: 'none',
  },
  {
    name: 'an older Node.js',
    given: { canBindInNamespace: false, nodeVersion: '24.12.0' },
    local: null,
    netns: /^Node\.js 24\.12\.0 can't open .*: run kube-relay on Node\.js 26 or newer$/,
    auto: 'local',
  },
  {
    name: 'a read-only /run',
    given: { netnsFolderProblem: 'EROFS: read-only file system' },
    local: null,
    netns: /^\/run\/netns can't be written \(EROFS: .*\): .*mountPropagation: Bidirectional$/,
    auto: 'local',
  },
  {
    name: 'a kernel without veth, or a profile that forbids it',
    given: { namespaceProblem: 'Operation not permitted' },
    local: null,
    netns: /can be made, mounted and entered \(Operation not permitted\): modprobe veth/,
    auto: 'local',
  },
]

for (const { name, given, local, netns, auto } of lacks) {
  void test(`${name}: auto picks ${auto}`, async t => {
    const node = readings(given)
    if (local === null) t.equal(vipModeProblem('local', node), null)
    else t.match(vipModeProblem('local', node), local)
    t.match(vipModeProblem('netns', node), netns)
    t.equal(vipModeProblem('none', node), null, 'none needs nothing')
    const { mode, reason } = chooseVipMode(node)
    t.equal(mode, auto)
    t.match(reason, auto === 'local' ? /^netns isn't possible \(.+\)$/ : /^nothing else is possible \(.+\)/)
    t.equal(vipModeProblem(mode, node), null, 'what is picked works')
  })
}

void test('with everything, auto picks netns, and check finds nothing to say', async t => {
  t.strictSame(chooseVipMode(readings()), { mode: 'netns', reason: 'this node has all that it needs' })
  t.strictSame(checkVipModes('auto', readings()), [
    { name: 'vip-mode local', verdict: 'ok', found: 'works here' },
    { name: 'vip-mode netns', verdict: 'ok', found: 'works here' },
    { name: 'vip-mode auto', verdict: 'ok', found: 'picks netns: this node has all that it needs' },
  ])
})

const drawbacks: readonly {
  readonly name: string
  readonly given: Given
  readonly local: readonly RegExp[]
  readonly netns: readonly RegExp[]
}[] = [
  {
    name: 'no forwarding',
    given: { sysctls: { 'net.ipv4.ip_forward': '0', 'net.ipv6.conf.all.forwarding': '0' } },
    local: [],
    netns: [
      /ip_forward and .*only this.*: sysctl -w net\.ipv4\.ip_forward=1 net\.ipv6\.conf\.all\.forwarding=1$/,
    ],
  },
  {
    name: 'no forwarding of IPv6, which the node has not',
    given: { sysctls: { 'net.ipv6.conf.all.forwarding': '0' }, hasIpv6: false },
    local: [],
    netns: [],
  },
  {
    name: 'IPv6 and a read-only /proc/sys',
    given: { sysctls: { 'net.ipv6.ip_nonlocal_bind': '0' }, maySet: () => false },
    local: [/^IPv6 VIPs can't be listened to: .*: sysctl -w net\.ipv6\.ip_nonlocal_bind=1$/],
    netns: [],
  },
  {
    name: 'IPv6, where the agent sets what is needed',
    given: { sysctls: { 'net.ipv6.ip_nonlocal_bind': '0' } },
    local: [],
    netns: [],
  },
  {
    name: 'a strict rp_filter on one of two uplinks',
    given: { sysctls: { 'net.ipv4.conf.eth1.rp_filter': '1' } },
    local: [/strict on eth1: with 2 uplinks.*: sysctl -w net\.ipv4\.conf\.eth1\.rp_filter=2$/],
    netns: [/strict on eth1/],
  },
  {
    name: 'a strict rp_filter for all, which a loose one of the interface overrules',
    given: { sysctls: { 'net.ipv4.conf.all.rp_filter': '1' } },
    local: [],
    netns: [],
  },
  {
    name: 'a strict rp_filter for all, with none of the interfaces',
    given: { sysctls: { 'net.ipv4.conf.all.rp_filter': '1', 'net.ipv4.conf.eth0.rp_filter': '0' } },
    local: [/strict on eth0: /],
    netns: [/strict on eth0: /],
  },
  {
    name: 'a strict rp_filter on the only uplink',
    given: { sysctls: { 'net.ipv4.conf.eth0.rp_filter': '1' }, uplinks: ['eth0'] },
    local: [],
    netns: [],
  },
  {
    name: 'a FORWARD chain that drops',
    given: { forwardDrops: [{ by: 'iptables (FORWARD)', remedy: 'iptables -I FORWARD …' }] },
    local: [],
    netns: [/^the policy of iptables \(FORWARD\) is to drop: .*: iptables -I FORWARD …$/],
  },
  {
    name: 'ARP for everything',
    given: { sysctls: { 'net.ipv4.conf.all.arp_ignore': '0', 'net.ipv4.conf.all.arp_announce': '0' } },
    local: [
      /answers ARP.*: sysctl -w net\.ipv4\.conf\.all\.arp_ignore=1 net\.ipv4\.conf\.all\.arp_announce=2$/,
    ],
    netns: [],
  },
  {
    name: 'ARP with the address of a VIP',
    given: { sysctls: { 'net.ipv4.conf.all.arp_announce': '0' } },
    local: [/: sysctl -w net\.ipv4\.conf\.all\.arp_announce=2$/],
    netns: [],
  },
]

for (const { name, given, local, netns } of drawbacks) {
  void test(`${name}: works all the same`, async t => {
    const node = readings(given)
    for (const [mode, expected] of [
      ['local', local],
      ['netns', netns],
    ] as const) {
      const found = vipModeDrawbacks(mode, node)
      t.equal(found.length, expected.length, `${mode}: ${found.join('; ')}`)
      t.match(found, expected)
      t.equal(vipModeProblem(mode, node), null)
    }
    t.strictSame(vipModeDrawbacks('none', node), [])
    t.equal(chooseVipMode(node).mode, 'netns')
    const results = checkVipModes('auto', node)
    t.equal(results.filter(({ verdict }) => verdict === 'warn').length, local.length + netns.length)
  })
}

void test('check fails for what was asked for and cannot be, and warns of the rest', async t => {
  const node = readings({ capabilities: netAdmin })
  const verdicts = (wanted: 'auto' | 'none' | 'local' | 'netns') =>
    checkVipModes(wanted, node).map(({ name, verdict }) => `${name} ${verdict}`)
  t.strictSame(verdicts('auto'), ['vip-mode local ok', 'vip-mode netns warn', 'vip-mode auto ok'])
  t.strictSame(verdicts('none'), ['vip-mode local ok', 'vip-mode netns warn'])
  t.strictSame(verdicts('local'), ['vip-mode local ok', 'vip-mode netns warn'])
  t.strictSame(verdicts('netns'), ['vip-mode local ok', 'vip-mode netns fail'])
  t.match(
    checkVipModes('netns', node).find(({ verdict }) => verdict === 'fail'),
    { found: "can't work here: CAP_SYS_ADMIN is missing", remedy: /run it as root/ },
  )
  const nothing = checkVipModes('auto', readings({ capabilities: 0n })).at(-1)
  t.match(nothing, { name: 'vip-mode auto', verdict: 'warn', found: /^picks none: .*local already$/ })
})
