import { test } from 'tap'
import type { Frontend } from '../../lib/model/proxy-table.ts'
import { listFor, SourceRanges } from '../../lib/policy/source-ranges.ts'

const sets: readonly [
  name: string,
  cidrs: readonly string[],
  inside: readonly string[],
  outside: readonly string[],
][] = [
  ['nothing', [], [], ['10.0.0.1', '::1']],
  ['one address', ['10.0.0.1/32'], ['10.0.0.1'], ['10.0.0.2', '10.0.0.0', '::a00:1']],
  ['one address of IPv6', ['fd00::1/128'], ['fd00::1'], ['fd00::2', '10.0.0.1']],
  ['a range', ['10.1.0.0/16'], ['10.1.0.0', '10.1.255.255'], ['10.0.255.255', '10.2.0.0', 'fd00::1']],
  ['a range of IPv6', ['fd00:1::/32'], ['fd00:1::', 'fd00:1:ffff::1'], ['fd00:2::', 'fd00::1', '10.0.0.1']],
  ['host bits do not matter', ['10.1.2.3/16'], ['10.1.9.9'], ['10.2.0.0']],
  ['everything of one family', ['0.0.0.0/0'], ['8.8.8.8'], ['2001:db8::1']],
  ['everything', ['0.0.0.0/0', '::/0'], ['8.8.8.8', '2001:db8::1'], []],
  [
    'several',
    ['10.0.0.0/8', '192.168.0.5/32', 'fd00::/8'],
    ['10.9.9.9', '192.168.0.5', 'fd12::1'],
    ['192.168.0.6'],
  ],
  ['other spellings', [' 10.0.0.0/8 ', 'FD00:0::1/128'], ['10.0.0.1', 'fd00::1'], ['fd00::2']],
  [
    'texts that are no CIDRs are left out',
    ['nope', '10.0.0.1', '10.0.0.0/33', '10.0.0.7/32'],
    ['10.0.0.7'],
    ['10.0.0.1'],
  ],
]

void test('what a set of sources contains', async t => {
  for (const [name, cidrs, inside, outside] of sets) {
    const ranges = new SourceRanges(cidrs)
    for (const ip of inside) t.ok(ranges.contains(ip), `${name}: ${ip}`)
    for (const ip of outside) t.notOk(ranges.contains(ip), `${name}: not ${ip}`)
  }
})

const nodeSources = new SourceRanges([
  '127.0.0.0/8',
  '::1/128',
  '192.168.0.1/32',
  'fd00:1::1/128',
  '10.244.1.0/24',
  'fd00:244:1::/64',
])

type Choice = Pick<Frontend, 'ip' | 'list' | 'shortCircuit'>

const local: Choice = { ip: '203.0.113.2', list: 'local', shortCircuit: true }
const local6: Choice = { ip: '2001:db8::2', list: 'local', shortCircuit: true }
const nodePort: Choice = { ip: '0.0.0.0', list: 'local', shortCircuit: true }
const internal: Choice = { ip: '10.96.0.10', list: 'local' }
const open: Choice = { ip: '203.0.113.2', list: 'cluster' }

const choices: readonly [name: string, frontend: Choice, clientIp: string, list: Frontend['list']][] = [
  ['external policy Local, from outside', local, '198.51.100.9', 'local'],
  ['from another node', local, '192.168.0.2', 'local'],
  ["from another node's pod", local, '10.244.2.7', 'local'],
  ['from this node', local, '192.168.0.1', 'cluster'],
  ['from this node, by the address that it connects to', local, '203.0.113.2', 'cluster'],
  ['from this node, over loopback', local, '127.0.0.1', 'cluster'],
  ['from all of loopback', local, '127.1.2.3', 'cluster'],
  ['from a pod of this node', local, '10.244.1.7', 'cluster'],
  ['IPv6, from outside', local6, '2001:db8::9', 'local'],
  ["IPv6, from another node's pod", local6, 'fd00:244:2::7', 'local'],
  ['IPv6, from this node', local6, 'fd00:1::1', 'cluster'],
  ['IPv6, from this node, by the address that it connects to', local6, '2001:db8::2', 'cluster'],
  ['IPv6, over loopback', local6, '::1', 'cluster'],
  ['IPv6, from a pod of this node', local6, 'fd00:244:1::7', 'cluster'],
  ['a NodePort on all addresses, from outside', nodePort, '198.51.100.9', 'local'],
  ['a NodePort on all addresses, from this node', nodePort, '192.168.0.1', 'cluster'],
  ['a NodePort on all addresses, from a pod of this node', nodePort, '10.244.1.7', 'cluster'],
  ['internal policy Local: no exception for this node', internal, '192.168.0.1', 'local'],
  ['internal policy Local: none for its pods', internal, '10.244.1.7', 'local'],
  ['internal policy Local: none for the address itself', internal, '10.96.0.10', 'local'],
  ['policy Cluster, from outside', open, '198.51.100.9', 'cluster'],
  ['policy Cluster, from this node', open, '192.168.0.1', 'cluster'],
]

void test('which list a client takes', async t => {
  for (const [name, frontend, clientIp, list] of choices) {
    t.equal(listFor(frontend, clientIp, nodeSources), list, name)
  }
  t.equal(listFor(local, '10.244.1.7', new SourceRanges([])), 'local', 'nothing known of this node')
})
