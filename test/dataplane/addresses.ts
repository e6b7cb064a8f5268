// Addresses that no other test process uses: listeners with SO_REUSEPORT share an address without a word, so two
// tests on the same one would take each other's connections.

import net from 'node:net'
import type { Test } from 'tap'
import { formatAddress } from '../../lib/model/address.ts'

let last = 0

/** A loopback IPv4 address of this process's own, another one at each call. */
export function ownIp(): string {
  last = (last % 200) + 1
  return `127.${20 + last}.${(process.pid >> 8) & 255}.${process.pid & 255}`
}

/** A frontend address ("ip:port") that nothing listens on. */
export function freeAddress(family: 'IPv4' | 'IPv6' = 'IPv4'): string {
  if (family === 'IPv4') return formatAddress(ownIp(), 8080)
  const bound = new net.BoundSocket({ host: '::1', port: 0, ipv6Only: true })
  const { port } = bound.address()
  bound.close()
  return formatAddress('::1', port)
}

/** A TCP port that is free at every IPv4 address of this machine. */
export function freePort(): number {
  const bound = new net.BoundSocket({ host: '0.0.0.0', port: 0 })
  const { port } = bound.address()
  bound.close()
  return port
}

/** An address that refuses connections until the test is over: bound, so that nobody else gets it, but closed. */
export function refusingAddress(t: Test, family: 'IPv4' | 'IPv6' = 'IPv4'): string {
  const host = family === 'IPv4' ? ownIp() : '::1'
  const bound = new net.BoundSocket({ host, port: 0 })
  t.teardown(() => bound.close())
  return formatAddress(host, bound.address().port)
}
