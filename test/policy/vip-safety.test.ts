// Which addresses become VIPs, and what each refusal is told with.

import { test } from 'tap'
import { readCidr } from '../../lib/model/cidr.ts'
import type { FrontendKind } from '../../lib/model/proxy-table.ts'
import { needsVip, unsafeVip, type VipSurroundings } from '../../lib/policy/vip-safety.ts'

const cidrs = (...texts: readonly string[]) => texts.map(readCidr).filter(cidr => cidr !== null)

const surroundings: VipSurroundings = {
  localIps: new Set(['127.0.0.1', '::1', '192.168.0.1', 'fd00:1::1']),
  podCidrs: cidrs('10.244.1.0/24', 'fd00:244::/64'),
  excluded: cidrs('198.51.100.0/25', '203.0.113.9/32', 'fd00:2::/64'),
  apiServerIp: '192.168.0.100',
  otherNodes: new Map([['192.168.0.2', 'node-2']]),
  otherPodCidrs: cidrs('10.244.2.0/24'),
}

/** What becomes of it: "as it is", "vip", or why not. */
function outcome(kind: FrontendKind, ip: string): string {
  if (!needsVip(kind, ip, surroundings.localIps)) return 'as it is'
  return unsafeVip(kind, ip, surroundings) ?? 'vip'
}

const all = ['ClusterIP', 'ExternalIP', 'LoadBalancerIP'] as const
const external = ['ExternalIP', 'LoadBalancerIP'] as const

const cases: readonly (readonly [name: string, ip: string, kinds: readonly FrontendKind[], string])[] = [
  ['an ordinary address', '10.96.0.10', all, 'vip'],
  ['an ordinary IPv6 address', 'fd00:96::10', all, 'vip'],
  ['loopback', '127.96.0.10', all, 'as it is'],
  ['IPv6 loopback', '::1', all, 'as it is'],
  ["a node's address for a NodePort", '192.168.0.1', ['NodePort'], 'as it is'],
  ['the wildcard of a NodePort', '0.0.0.0', ['NodePort'], 'as it is'],
  ["the node's own address from outside", '192.168.0.1', external, 'as it is'],
  ["the node's own IPv6 address from outside", 'fd00:1::1', external, 'as it is'],
  ["the node's own address as cluster IP", '192.168.0.1', ['ClusterIP'], 'an address of this node'],
  ['the first address of the pods', '10.244.1.0', all, "inside the pods' range 10.244.1.0/24"],
  ['the last address of the pods', '10.244.1.255', all, "inside the pods' range 10.244.1.0/24"],
  ['just before the pods', '10.244.0.255', all, 'vip'],
  ['just behind the pods', '10.244.3.0', all, 'vip'],
  ["another node's pods", '10.244.2.0', external, "inside the pods' range 10.244.2.0/24"],
  ["another node's address", '192.168.0.2', external, 'an address of node node-2'],
  ['a cluster IP that another node says is its own', '192.168.0.2', ['ClusterIP'], 'vip'],
  ['an IPv6 pod', 'fd00:244::7', all, "inside the pods' range fd00:244::/64"],
  ['excluded', '198.51.100.127', all, 'excluded by --vip-exclude 198.51.100.0/25'],
  ['not excluded any more', '198.51.100.128', all, 'vip'],
  ['one excluded address', '203.0.113.9', all, 'excluded by --vip-exclude 203.0.113.9/32'],
  ['an excluded IPv6 address', 'fd00:2::1', all, 'excluded by --vip-exclude fd00:2::/64'],
  ['the API server', '192.168.0.100', external, "the API server's address"],
  ['the API server by its cluster IP', '192.168.0.100', ['ClusterIP'], 'vip'],
  ["a cloud's metadata", '169.254.169.254', all, 'a link-local address'],
  ["AWS's metadata over IPv6", 'fd00:ec2::254', external, "the address of a cloud's metadata service"],
  ["Azure's DNS", '168.63.129.16', external, "the address of a cloud's metadata service"],
  ["Alibaba's metadata", '100.100.100.200', external, "the address of a cloud's metadata service"],
  ['a cluster IP of that number', '100.100.100.200', ['ClusterIP'], 'vip'],
  ['IPv6 link-local', 'fe80::1', all, 'a link-local address'],
  ['unspecified', '0.0.0.0', all, 'an unspecified address'],
  ['this network', '0.1.2.3', all, 'an unspecified address'],
  ['IPv6 unspecified', '::', all, 'an unspecified address'],
  ['multicast', '224.0.0.251', all, 'a multicast address'],
  ['IPv6 multicast', 'ff02::1', all, 'a multicast address'],
  ['broadcast', '255.255.255.255', all, 'the broadcast address'],
]

for (const [name, ip, kinds, expected] of cases) {
  void test(`${name} (${ip})`, async t => {
    for (const kind of kinds) t.equal(outcome(kind, ip), expected, kind)
  })
}
