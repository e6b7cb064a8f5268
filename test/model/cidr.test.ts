import * as fc from 'fast-check'
import { test } from 'tap'
import { readCidr } from '../../lib/model/cidr.ts'
import { absurdValue } from './mutations.ts'

const read: readonly [text: string, expected: { family: string; text: string; isEverything: boolean }][] = [
  ['10.0.0.0/8', { family: 'IPv4', text: '10.0.0.0/8', isEverything: false }],
  ['10.1.2.3/8', { family: 'IPv4', text: '10.1.2.3/8', isEverything: false }],
  ['192.168.0.1/32', { family: 'IPv4', text: '192.168.0.1/32', isEverything: false }],
  ['0.0.0.0/0', { family: 'IPv4', text: '0.0.0.0/0', isEverything: true }],
  [' 10.0.0.0/8', { family: 'IPv4', text: '10.0.0.0/8', isEverything: false }],
  ['10.0.0.0/8\n', { family: 'IPv4', text: '10.0.0.0/8', isEverything: false }],
  ['\t10.0.0.0/8  ', { family: 'IPv4', text: '10.0.0.0/8', isEverything: false }],
  ['fd00::/16', { family: 'IPv6', text: 'fd00::/16', isEverything: false }],
  ['FD00:0:0::1/128', { family: 'IPv6', text: 'fd00::1/128', isEverything: false }],
  ['::/0', { family: 'IPv6', text: '::/0', isEverything: true }],
]

const refused: readonly string[] = [
  '',
  ' ',
  '10.0.0.0',
  '10.0.0.0/',
  '/8',
  '10.0.0.0/33',
  '10.0.0.0/128',
  '10.0.0.0/08',
  '10.0.0.0/-1',
  '10.0.0.0/+8',
  '10.0.0.0/8.0',
  '10.0.0.0/1e1',
  '10.0.0.0/ 8',
  '10.0.0.0 /8',
  '10.0.0.0/8/8',
  '10.0.0.0/255.0.0.0',
  '10.0.0/8',
  '010.0.0.0/8',
  '10.0.0.256/8',
  'fd00::/129',
  'fd00::/999',
  'fd00::%eth0/64',
  '::ffff:10.0.0.0/104',
  'example.org/8',
  '10.0.0.0/8, 10.1.0.0/16',
]

void test('readCidr', async t => {
  for (const [text, expected] of read) t.match(readCidr(text), expected, JSON.stringify(text))
  for (const text of refused) t.equal(readCidr(text), null, JSON.stringify(text))
})

const members: readonly [cidr: string, inside: readonly string[], outside: readonly string[]][] = [
  ['10.0.0.0/8', ['10.0.0.0', '10.255.255.255'], ['9.255.255.255', '11.0.0.0', '::a00:1', 'fd00::1']],
  ['10.1.2.3/8', ['10.9.9.9'], ['11.0.0.0']],
  ['10.0.0.128/25', ['10.0.0.128', '10.0.0.255'], ['10.0.0.127', '10.0.1.0']],
  ['192.168.0.1/32', ['192.168.0.1'], ['192.168.0.0', '192.168.0.2']],
  ['0.0.0.0/0', ['0.0.0.0', '255.255.255.255'], ['::', '::1']],
  ['fd00::/16', ['fd00::', 'fd00:ffff::1'], ['fd01::', '10.0.0.1']],
  ['fd00::1/128', ['fd00::1'], ['fd00::', 'fd00::2']],
  ['::/0', ['::', 'ffff::1'], ['0.0.0.0', '10.0.0.1']],
]

void test('contains', async t => {
  for (const [text, inside, outside] of members) {
    const cidr = readCidr(text)
    for (const ip of inside) t.equal(cidr?.contains(ip), true, `${text} has ${ip}`)
    for (const ip of outside) t.equal(cidr?.contains(ip), false, `${text} has not ${ip}`)
  }
})

void test('an IPv4 range holds exactly the addresses with the same first bits', async () => {
  const word = fc.integer({ min: 0, max: 2 ** 32 - 1 })
  const format = (bits: number): string => [24, 16, 8, 0].map(shift => (bits >>> shift) & 255).join('.')
  fc.assert(
    fc.property(word, word, fc.integer({ min: 0, max: 32 }), (network, address, bits) => {
      // Half of the addresses share the first bits, so that both answers are asked for.
      const mask = bits === 0 ? 0 : (-1 << (32 - bits)) >>> 0
      const near = address % 2 === 0 ? ((network & mask) | (address & ~mask)) >>> 0 : address
      const expected = ((network ^ near) & mask) === 0
      return readCidr(`${format(network)}/${bits}`)?.contains(format(near)) === expected
    }),
  )
})

void test('anything else is null, never an error', async () => {
  fc.assert(
    fc.property(absurdValue, value => {
      const cidr = readCidr(value)
      return cidr === null || typeof value === 'string'
    }),
  )
})
