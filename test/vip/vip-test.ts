// What the tests of VIPs begin with: a network of their own with addresses for the node, its routes, and
// updates of a table that wants VIPs. Skipped, with the reason, where there can be no network of one's own.

import { execFileSync } from 'node:child_process'
import tap, { test, type Test } from 'tap'
import type { ServicePort, ServicePortKey, TableUpdate } from '../../lib/model/proxy-table.ts'
import { servicePort } from '../model/table.ts'
import { enterOwnNetwork, missingForOwnNetwork } from '../own-network.ts'

export const nodeIps = ['192.0.2.1', '2001:db8::1'] as const

/** Of each test, on machines that may be busy; a file has several. */
const timeout = 120_000

tap.setTimeout(4 * timeout)

export function vipTest(name: string, body: (t: Test) => Promise<void>): void {
  void test(name, { skip: missingForOwnNetwork() ?? false, timeout }, async t => {
    enterOwnNetwork()
    for (const each of nodeIps) addAddress(each)
    await body(t)
  })
}

export function addAddress(address: string): void {
  ip('address', 'add', `${address}/${address.includes(':') ? 128 : 32}`, 'dev', 'lo')
}

export function removeAddress(address: string): void {
  ip('address', 'del', `${address}/${address.includes(':') ? 128 : 32}`, 'dev', 'lo')
}

/** Runs the real `ip`. */
export function ip(...args: readonly string[]): string {
  return execFileSync('/usr/bin/env', ['PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'ip', ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

/**
 * The local routes of this network that the kernel hasn't made itself, each as "IP" or "IP src SOURCE" and
 * "foreign".
 */
export function localRoutes(): readonly string[] {
  const routes = ['-4', '-6'].flatMap(
    family =>
      JSON.parse(
        ip('-json', family, 'route', 'show', 'table', 'local', 'type', 'local') || '[]',
      ) as readonly {
        readonly dst: string
        readonly protocol?: string
        readonly prefsrc?: string
      }[],
  )
  return routes
    .filter(({ protocol }) => protocol !== 'kernel')
    .map(({ dst, protocol, prefsrc }) =>
      [
        dst,
        ...(prefsrc === undefined ? [] : ['src', prefsrc]),
        ...(protocol === '143' ? [] : ['foreign']),
      ].join(' '),
    )
    .sort()
}

/** A service port of that name with frontends at the VIPs. */
export function vipPort(name: string, vips: readonly string[]): ServicePort {
  return servicePort(name, {
    frontends: vips.map(vip => ({ kind: 'ClusterIP', ip: vip, port: 80, list: 'cluster', vip: true })),
  })
}

/** A whole table: each name's VIPs. */
export function snapshot(ports: Readonly<Record<string, readonly string[]>>): TableUpdate {
  const servicePorts = Object.entries(ports).map(([name, vips]) => vipPort(name, vips))
  return { type: 'snapshot', generation: 1, localSources: [], servicePorts }
}

/** null: the service port is removed. */
export function delta(ports: Readonly<Record<string, readonly string[] | null>>): TableUpdate {
  const changed: ServicePort[] = []
  const removed: ServicePortKey[] = []
  for (const [name, vips] of Object.entries(ports)) {
    if (vips === null) removed.push(vipPort(name, []).key)
    else changed.push(vipPort(name, vips))
  }
  return { type: 'delta', generation: 2, localSources: [], changed, removed }
}

/** As many addresses of one family. */
export function manyVips(family: 'IPv4' | 'IPv6', count: number): readonly string[] {
  return Array.from({ length: count }, (_, n) =>
    family === 'IPv4' ? `10.97.${n >> 8}.${n & 255}` : `fd00:97::${(n + 1).toString(16)}`,
  )
}
