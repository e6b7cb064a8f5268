import * as fc from 'fast-check'
import ipaddr from 'ipaddr.js'
import { test } from 'tap'
import { isHostAddress } from '../../lib/model/address.ts'
import { unsafeEndpoint } from '../../lib/policy/endpoint-safety.ts'

const refused: readonly [string, string][] = [
  ['127.0.0.1', 'a loopback address'],
  ['127.255.0.9', 'a loopback address'],
  ['::1', 'a loopback address'],
  ['169.254.169.254', 'a link-local address'],
  ['fe80::1', 'a link-local address'],
  ['febf::1', 'a link-local address'],
  ['0.0.0.0', 'an unspecified address'],
  ['0.1.2.3', 'an unspecified address'],
  ['::', 'an unspecified address'],
  ['224.0.0.1', 'a multicast address'],
  ['239.255.255.250', 'a multicast address'],
  ['ff02::1', 'a multicast address'],
  ['255.255.255.255', 'the broadcast address'],
  // What a NAT64 translator makes of them (RFC 6052): 127.0.0.1 and 169.254.169.254
  ['64:ff9b::7f00:1', 'a loopback address'],
  ['64:ff9b::a9fe:a9fe', 'a link-local address'],
]

const dialed = [
  '10.1.0.1',
  '172.16.0.1',
  '192.168.0.1',
  '100.64.0.1',
  '198.51.100.1',
  '8.8.8.8',
  'fd00::1',
  '2001:db8::1',
  '64:ff9b::808:808',
]

void test('addresses that are never dialed', async t => {
  for (const [ip, reason] of refused) t.equal(unsafeEndpoint(ip, false), reason, ip)
})

void test('pods and hosts are dialed', async t => {
  for (const ip of dialed) t.equal(unsafeEndpoint(ip, false), null, ip)
})

void test('loopback alone can be allowed', async t => {
  for (const [ip, reason] of refused) {
    t.equal(unsafeEndpoint(ip, true), reason === 'a loopback address' ? null : reason, ip)
  }
})

void test('IPv4 addresses are judged as ipaddr.js sorts them', async t => {
  const unsafe: Readonly<Record<string, string>> = {
    unspecified: 'an unspecified address',
    loopback: 'a loopback address',
    linkLocal: 'a link-local address',
    multicast: 'a multicast address',
    broadcast: 'the broadcast address',
  }
  const octet = fc.integer({ min: 0, max: 255 })
  const first = fc.oneof(octet, fc.constantFrom(0, 127, 169, 223, 224, 239, 240, 255))
  const second = fc.oneof(octet, fc.constantFrom(254, 255))
  fc.assert(
    fc.property(fc.tuple(first, second, octet, fc.oneof(octet, fc.constant(255))), octets => {
      const ip = octets.join('.')
      const range = ipaddr.parse(ip).range()
      const isHost = !['unspecified', 'multicast', 'broadcast'].includes(range)
      return unsafeEndpoint(ip, false) === (unsafe[range] ?? null) && isHostAddress(ip) === isHost
    }),
    { numRuns: 500, examples: [[[255, 255, 255, 255]], [[169, 254, 0, 1]]] },
  )
  t.pass()
})
