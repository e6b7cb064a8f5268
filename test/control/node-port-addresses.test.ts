import { test } from 'tap'
import { NodePortAddresses, parseCidr } from '../../lib/control/node-port-addresses.ts'

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
    const addresses = new NodePortAddresses(cidrs.map(cidr => parseCidr(cidr, '--nodeport-addresses')))
    t.strictSame(addresses.select('IPv4', 'TCP', localIps), tcp, `${name}: TCP`)
    t.strictSame(addresses.select('IPv4', 'UDP', localIps), udp, `${name}: UDP`)
    t.strictSame(addresses.select('IPv6', 'TCP', localIps), tcp6, `${name}: TCP over IPv6`)
    t.strictSame(addresses.select('IPv6', 'UDP', localIps), udp6, `${name}: UDP over IPv6`)
  }
})

void test('parseCidr names the flag and what is wrong with its value', async t => {
  for (const text of [
    '10.0.0.0/8',
    ' 10.0.0.0/8 ',
    '0.0.0.0/0',
    '10.0.0.1/32',
    'fd00::/8',
    '::/0',
    '::1/128',
  ]) {
    t.equal(parseCidr(text, 'x').family, text.includes(':') ? 'IPv6' : 'IPv4', text)
  }
  const malformed = [
    '',
    '/',
    '10.0.0.0',
    '10.0.0.0/',
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0.0/08',
    '10.0.0.0/8/9',
    '10.0.0.0/8.0',
    '10.0/8',
    'fd00::/129',
    'all',
  ]
  for (const text of malformed) {
    t.throws(() => parseCidr(text, '--nodeport-addresses'), {
      code: 'INVALID_CONFIG',
      message: `--nodeport-addresses: ${JSON.stringify(text)} is not a CIDR such as 10.0.0.0/8`,
    })
  }
})
