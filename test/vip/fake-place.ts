// A place that keeps its VIPs in a map and its calls in a list, fails when told to, and can be held in the
// middle.

import { RelayError } from '../../lib/model/error.ts'
import type { VipPlace } from '../../lib/vip/vip-place.ts'

/** Addresses that begin with it are not kept nor told: adding one is a way to wait for what is before it. */
export const markerPrefix = '203.0.113.'

export interface FakePlace extends VipPlace {
  readonly there: Map<string, string | null>
  readonly used: Set<string>
  /** Since the last time; "add 10.96.0.1 10.96.0.2". */
  take(): readonly string[]
  /** What every call of that name throws. */
  readonly broken: Map<'open' | 'list' | 'add' | 'remove' | 'inUse', string>
  /** Why these can't be added. */
  readonly refused: Map<string, string>
  /** Calls to `add` wait from now on; resolves when one does, with what lets it go on. */
  hold(): Promise<() => void>
}

export function fakePlace(): FakePlace {
  const there = new Map<string, string | null>()
  const used = new Set<string>()
  const broken: FakePlace['broken'] = new Map()
  const refused = new Map<string, string>()
  const calls: string[] = []
  let onHeld: ((goOn: () => void) => void) | null = null

  const call = (name: 'open' | 'list' | 'add' | 'remove' | 'inUse', ips: readonly string[] = []): void => {
    const told = ips.filter(ip => !ip.startsWith(markerPrefix))
    if (ips.length === 0 || told.length > 0) calls.push([name, ...told].join(' '))
    const problem = broken.get(name)
    if (problem !== undefined) throw new RelayError('VIP', problem)
  }
  return {
    namespace: null,
    there,
    used,
    broken,
    refused,
    take: () => calls.splice(0),
    hold: () =>
      new Promise(held => {
        onHeld = held
      }),
    open: async () => call('open'),
    list: async () => {
      call('list')
      return Array.from(there, ([ip, source]) => ({ ip, source }))
    },
    add: async vips => {
      call(
        'add',
        vips.map(({ ip }) => ip),
      )
      const held = onHeld
      onHeld = null
      if (held !== null) await new Promise<void>(goOn => held(goOn))
      const failures = new Map<string, string>()
      for (const { ip, source } of vips) {
        const reason = refused.get(ip)
        if (ip.startsWith(markerPrefix)) continue
        if (reason === undefined) there.set(ip, source)
        else failures.set(ip, reason)
      }
      return failures
    },
    remove: async ips => {
      call('remove', ips)
      for (const ip of ips) there.delete(ip)
    },
    inUse: async () => {
      call('inUse')
      return used
    },
    clear: async () => {
      calls.push('clear')
      there.clear()
    },
  }
}
