// net.ipv6.ip_nonlocal_bind: whether a socket may be bound to an address that no interface has. IPv4 asks the
// routes whether an address is local; IPv6 asks the interfaces, so that a VIP with a local route alone can't
// be listened to.

import { readFileSync, writeFileSync } from 'node:fs'
import { reasonOf } from '../model/error.ts'
import type { Log } from '../ops/log.ts'

/** Of the network of the thread that opens it. */
const defaultFile = '/proc/sys/net/ipv6/ip_nonlocal_bind'

/** Turns it on. Returns why it stays off, with the remedy; null: it is on. */
export function enableNonlocalBind(log: Log, file = defaultFile): string | null {
  try {
    if (readFileSync(file, 'utf8').trim() === '1') return null
    writeFileSync(file, '1')
  } catch (error) {
    const remedy = 'sysctl -w net.ipv6.ip_nonlocal_bind=1'
    return `IPv6 VIPs can't be listened to without net.ipv6.ip_nonlocal_bind (${reasonOf(error)}): ${remedy}`
  }
  log.info('net.ipv6.ip_nonlocal_bind set to 1: IPv6 VIPs can be listened to')
  return null
}
