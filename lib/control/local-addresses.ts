// The node's own IP addresses, as they come and go. Polled: they change rarely, and a poll works everywhere.

import os from 'node:os'
import { canonicalIp } from '../model/address.ts'
import type { Clock, Timer } from '../ops/clock.ts'

const pollMs = 10_000

/** Canonical and sorted. Link-local IPv6 is left out: it means nothing without the interface it belongs to. */
export function localAddresses(): readonly string[] {
  const ips = new Set<string>()
  for (const entry of Object.values(os.networkInterfaces()).flat()) {
    const ip = canonicalIp(entry?.address)
    if (ip !== null && !entry?.scopeid) ips.add(ip)
  }
  return [...ips].sort()
}

/** Calls `onChange` with the addresses whenever they have changed. Returns the function that ends it. */
export function watchLocalAddresses(
  clock: Clock,
  onChange: (ips: readonly string[]) => void,
  read: () => readonly string[] = localAddresses,
): () => void {
  let last = read().join()
  let timer: Timer
  const poll = (): void => {
    const ips = readOrNull(read)
    if (ips !== null && ips.join() !== last) {
      last = ips.join()
      onChange(ips)
    }
    timer = clock.after(pollMs, poll)
  }
  timer = clock.after(pollMs, poll)
  return () => timer.cancel()
}

/** Asking the kernel takes a descriptor (getifaddrs opens a netlink socket), and there may be none left. */
function readOrNull(read: () => readonly string[]): readonly string[] | null {
  try {
    return read()
  } catch {
    return null
  }
}
