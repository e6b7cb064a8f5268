import * as fc from 'fast-check'
import { test } from 'tap'
import {
  canonicalIp,
  familyOf,
  formatAddress,
  isHostAddress,
  isPort,
  parseAddress,
} from '../../lib/model/address.ts'

const canonicalForms: readonly [string, unknown, string | null][] = [
  ['IPv4', '10.0.0.1', '10.0.0.1'],
  ['IPv4 with a leading zero, which some read as octal', '010.0.0.1', null],
  ['IPv4 with 00', '10.0.00.1', null],
  ['hexadecimal IPv4', '0x7f.0.0.1', null],
  ['shortened IPv4', '10.1', null],
  ['IPv4 as one number', '2130706433', null],
  ['IPv4 out of range', '10.0.0.256', null],
  ['five parts', '10.0.0.0.1', null],
  ['white space', ' 10.0.0.1', null],
  ['a newline at the end', '10.0.0.1\n', null],
  ['a CIDR', '10.0.0.0/8', null],
  ['a host name', 'localhost', null],
  ['IPv6 in capitals', 'FD00::ABCD', 'fd00::abcd'],
  ['IPv6 with leading zeros', '2001:0db8:0000:0000:0000:0000:0000:0001', '2001:db8::1'],
  ['the longest run of zeros is shortened', '2001:db8:0:0:1:0:0:0', '2001:db8:0:0:1::'],
  ['the first of two equal runs is shortened', '2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
  ['a single zero is not shortened', '2001:db8::1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
  ['IPv6 with a dotted end', '64:ff9b::192.0.2.1', '64:ff9b::c000:201'],
  ['a leading zero in a dotted end', '64:ff9b::192.0.02.1', null],
  ['a leading zero at the start of a dotted end', '64:ff9b::010.0.0.1', null],
  ['unspecified IPv6', '0:0:0:0:0:0:0:0', '::'],
  ['IPv4-mapped IPv6', '::ffff:10.0.0.1', null],
  ['IPv4-mapped IPv6 in hexadecimal', '::ffff:a00:1', null],
  ['a zone', 'fe80::1%eth0', null],
  ['brackets', '[::1]', null],
  ['two double colons', '1::2::3', null],
  ['a million digits', '1'.repeat(1_000_000), null],
  ['a million groups', '1:'.repeat(1_000_000), null],
  ['nothing', '', null],
  ['undefined', undefined, null],
  ['null', null, null],
  ['a number', 10, null],
  ['a list with an address', ['10.0.0.1'], null],
]

void test('canonicalIp', async t => {
  for (const [name, text, expected] of canonicalForms) t.equal(canonicalIp(text), expected, name)
})

void test('canonicalIp: the canonical form is its own canonical form', async () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), text => {
      const ip = canonicalIp(text)
      return ip === null || canonicalIp(ip) === ip
    }),
  )
})

void test('formatAddress and parseAddress are inverses', async t => {
  t.equal(formatAddress('10.0.0.1', 80), '10.0.0.1:80')
  t.equal(formatAddress('fd00::1', 80), '[fd00::1]:80')
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), fc.integer({ min: 1, max: 65_535 }), (text, port) => {
      const ip = canonicalIp(text)
      fc.pre(ip !== null)
      const address = parseAddress(formatAddress(ip, port))
      return address.ip === ip && address.port === port
    }),
  )
})

void test('parseAddress throws on anything else', async t => {
  const malformed = [
    '',
    ':80',
    '10.0.0.1',
    '10.0.0.1:',
    '10.0.0.1:0',
    '10.0.0.1:65536',
    '10.0.0.1:080',
    '10.0.0.1:0x50',
    '10.0.0.1: 80',
    'fd00::1:80',
    '[fd00::1:80',
    '[fd00::1]80',
    '[10.0.0.1]:80',
    '[FD00::1]:80',
    'localhost:80',
  ]
  for (const text of malformed) t.throws(() => parseAddress(text), TypeError, JSON.stringify(text))
})

void test('familyOf, isPort, isHostAddress', async t => {
  t.equal(familyOf('10.0.0.1'), 'IPv4')
  t.equal(familyOf('::1'), 'IPv6')
  for (const port of [1, 80, 65_535]) t.ok(isPort(port), String(port))
  for (const port of [0, -1, 65_536, 1.5, NaN, Infinity, '80', null, undefined, [80]]) {
    t.notOk(isPort(port), JSON.stringify(port))
  }
  for (const ip of ['10.0.0.1', '127.0.0.1', 'fd00::1', '169.254.1.1']) t.ok(isHostAddress(ip), ip)
  for (const ip of ['0.0.0.0', '0.1.2.3', '::', '224.0.0.1', 'ff02::1', '255.255.255.255']) {
    t.notOk(isHostAddress(ip), ip)
  }
})
