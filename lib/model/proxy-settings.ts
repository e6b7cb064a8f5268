// How a Service's connections are proxied where kube-proxy has no word for it. The same values are read from flags,
// which set the default, and from the annotations `kube-relay/<key>` of a Service. Annotations are written by tenants:
// a bad one keeps the default and is told in one sentence; nothing here throws.

import { closest } from './closest.ts'
import { readDuration } from './duration.ts'
import { describe, type Fields } from './fields.ts'

export const balancePolicies = ['round-robin', 'random', 'least-connections', 'p2c'] as const
export type BalancePolicy = (typeof balancePolicies)[number]

export interface ProxySettings {
  readonly balance: BalancePolicy
  /** The PROXY protocol header that an endpoint gets before a TCP connection's bytes; null: none. */
  readonly proxyProtocol: 'v1' | 'v2' | null
  /** Connections of the service at a time; null: no limit. */
  readonly maxConnections: number | null
  /** How long a connection to an endpoint that is gone may go on; null: until it ends by itself. */
  readonly drainTimeoutMs: number | null
  /** The age at which a connection is ended, so that clients spread anew; null: never. */
  readonly maxConnectionAgeMs: number | null
}

export const defaultProxySettings: ProxySettings = {
  balance: 'round-robin',
  proxyProtocol: null,
  maxConnections: null,
  drainTimeoutMs: null,
  maxConnectionAgeMs: null,
}

/** A value as it was meant, or what it has to be, for "is not …". */
export type SettingValue<T> = { readonly value: T } | { readonly expected: string }

export function readBalance(text: string): SettingValue<BalancePolicy> {
  return oneOf(text, balancePolicies)
}

export function readProxyProtocol(text: string): SettingValue<'v1' | 'v2' | null> {
  const found = oneOf(text, ['off', 'v1', 'v2'])
  if ('expected' in found) return found
  return { value: found.value === 'off' ? null : found.value }
}

const mostConnections = 2 ** 31 - 1

/** A whole number; 0 is null. */
export function readMaxConnections(text: string): SettingValue<number | null> {
  const count = /^\d{1,10}$/.test(text) ? Number(text) : NaN
  if (!(count <= mostConnections)) {
    return { expected: `a whole number from 0 (no limit) to ${mostConnections}` }
  }
  return { value: count === 0 ? null : count }
}

/** Node's timers end at 24.8 days, and a jitter may be added to what is set here. */
export const longestTimeoutMs = 480 * 3_600_000

/** A duration in milliseconds; 0 is null. */
export function readTimeout(text: string): SettingValue<number | null> {
  const ms = readDuration(text)
  // Below a millisecond a timer would fire at once, again and again.
  if (ms === null || ms > longestTimeoutMs || (ms > 0 && ms < 1)) {
    return { expected: 'a duration such as 30s or 1h30m, at most 480h, or 0 for never' }
  }
  return { value: ms === 0 ? null : ms }
}

function oneOf<T extends string>(text: string, values: readonly T[]): SettingValue<T> {
  const found = values.find(value => value === text)
  if (found !== undefined) return { value: found }
  const guess = closest(text.slice(0, 40), values)
  const hint = guess === undefined ? '' : ` (did you mean ${guess}?)`
  return { expected: `one of ${values.join(', ')}${hint}` }
}

/** Of our annotations' names. */
export const ownAnnotationPrefix = 'kube-relay/'

const annotations = {
  balance: readBalance,
  'proxy-protocol': readProxyProtocol,
  'max-connections': readMaxConnections,
  'drain-timeout': readTimeout,
  'max-connection-age': readTimeout,
}

const properties = {
  balance: 'balance',
  'proxy-protocol': 'proxyProtocol',
  'max-connections': 'maxConnections',
  'drain-timeout': 'drainTimeoutMs',
  'max-connection-age': 'maxConnectionAgeMs',
} as const satisfies Record<keyof typeof annotations, keyof ProxySettings>

/** Others of our own keys that may stand on a Service: the embedded control plane marks what came from a manifest. */
const foreignKeys = new Set(['manifest'])

/** What a tenant could turn against the node: these only work as flags. */
const flagsOnly = new Set(['allow-loopback-endpoints'])

/** A Service's settings, and a sentence for each annotation of ours that can't be used. */
export function readProxySettings(
  from: Fields,
  defaults: ProxySettings,
): { readonly settings: ProxySettings; readonly problems: readonly string[] } {
  let settings: ProxySettings = defaults
  const problems: string[] = []
  for (const [annotation, value] of Object.entries(from)) {
    if (!annotation.startsWith(ownAnnotationPrefix)) continue
    const key = annotation.slice(ownAnnotationPrefix.length)
    if (foreignKeys.has(key)) continue
    if (!isKnown(key)) {
      problems.push(unknownKey(key))
      continue
    }
    const found = annotations[key](typeof value === 'string' ? value.trim() : '')
    if ('value' in found) {
      settings = { ...settings, [properties[key]]: found.value }
    } else {
      problems.push(
        `annotation ${annotation}: ${describe(value)} is not ${found.expected}: the default is kept`,
      )
    }
  }
  return { settings, problems }
}

function isKnown(key: string): key is keyof typeof annotations {
  return Object.hasOwn(annotations, key)
}

function unknownKey(key: string): string {
  if (flagsOnly.has(key)) {
    return `annotation ${ownAnnotationPrefix}${key} has no effect: it is only a flag (--${key}) of the agent`
  }
  const guess = closest(key.slice(0, 40), Object.keys(annotations))
  const hint = guess === undefined ? '' : `, did you mean ${ownAnnotationPrefix}${guess}?`
  return `unknown annotation ${describe(ownAnnotationPrefix + key)}${hint}`
}
