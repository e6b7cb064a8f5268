import { test } from 'tap'
import { NodePortAddresses } from '../../lib/control/node-port-addresses.ts'
import { readNodePortRanges } from '../../lib/model/node-port-ranges.ts'

function addressesOf(list: readonly string[]): NodePortAddresses {
  return new NodePortAddresses(list.flatMap(entry => readNodePortRanges(entry) ?? []))
}

const localIps = ['10.0.0.5', '127.0.0.1', '192.168.1.5', '::1', 'fd00::5']

const selections: readonly [
  name: string,
  cidrs: readonly string[],
  tcp: readonly string[],
  udp: readonly string[],
  tcp6: readonly string[],
  udp6: readonly string[],
][] = [
  ['none: everything', [], ['0.0.0.0'], ['10.0.0.5', '127.0.0.1', '192.168.1.5'], ['::'], ['::1', 'fd00::5']],
  ['one of IPv4: everything of IPv6', ['10.0.0.0/8'], ['10.0.0.5'], ['10.0.0.5'], ['::'], ['::1', 'fd00::5']],
  [
    'two of a family',
    ['10.0.0.0/8', '192.168.1.5/32'],
    ['10.0.0.5', '192.168.1.5'],
    ['10.0.0.5', '192.168.1.5'],
    ['::'],
    ['::1', 'fd00::5'],
  ],
  ['both families', ['10.0.0.0/8', 'fd00::/16'], ['10.0.0.5'], ['10.0.0.5'], ['fd00::5'], ['fd00::5']],
  [
    'everything, by name, beside one',
    ['10.0.0.0/8', '0.0.0.0/0', '::/0'],
    ['0.0.0.0'],
    ['10.0.0.5', '127.0.0.1', '192.168.1.5'],
    ['::'],
    ['::1', 'fd00::5'],
  ],
  ['none that the node has', ['172.16.0.0/12', 'fd01::/64'], [], [], [], []],
  [
    'host bits are ignored',
    ['10.9.9.9/8', 'fd00::9/64'],
    ['10.0.0.5'],
    ['10.0.0.5'],
    ['fd00::5'],
    ['fd00::5'],
  ],
]

void test('select', async t => {
  for (const [name, cidrs, tcp, udp, tcp6, udp6] of selections) {
    const addresses = addressesOf(cidrs)
    t.strictSame(addresses.select('IPv4', 'TCP', localIps), tcp, `${name}: TCP`)
    t.strictSame(addresses.select('IPv4', 'UDP', localIps), udp, `${name}: UDP`)
    t.strictSame(addresses.select('IPv6', 'TCP', localIps), tcp6, `${name}: TCP over IPv6`)
    t.strictSame(addresses.select('IPv6', 'UDP', localIps), udp6, `${name}: UDP over IPv6`)
  }
})

void test('primary: the first of the addresses that the Node object names, in each family', async t => {
  const cases: readonly [
    name: string,
    list: readonly string[],
    nodeIps: readonly string[],
    tcp: readonly string[],
    tcp6: readonly string[],
  ][] = [
    ['both families', ['primary'], ['192.168.1.5', 'fd00::5'], ['192.168.1.5'], ['fd00::5']],
    ['the first counts', ['primary'], ['10.0.0.5', '192.168.1.5'], ['10.0.0.5'], []],
    ['the node is not known yet', ['primary'], [], [], []],
    ['an address that this machine does not have', ['primary'], ['203.0.113.1'], [], []],
    ['with localhost', ['primary', 'localhost'], ['10.0.0.5'], ['10.0.0.5', '127.0.0.1'], ['::1']],
    ['with a CIDR', ['192.168.0.0/16', 'primary'], ['10.0.0.5'], ['10.0.0.5', '192.168.1.5'], []],
    ['with all', ['primary', 'all'], ['10.0.0.5'], ['0.0.0.0'], ['::']],
    ['localhost alone', ['localhost'], ['10.0.0.5'], ['127.0.0.1'], ['::1']],
  ]
  for (const [name, list, nodeIps, tcp, tcp6] of cases) {
    const addresses = addressesOf(list)
    t.strictSame(addresses.select('IPv4', 'TCP', localIps, nodeIps), tcp, name)
    t.strictSame(addresses.select('IPv6', 'TCP', localIps, nodeIps), tcp6, `${name}, IPv6`)
  }
  t.strictSame(addressesOf(['primary']).select('IPv4', 'UDP', localIps, ['10.0.0.5']), ['10.0.0.5'], 'UDP')
})
