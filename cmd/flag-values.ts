// How the values of flags are written and read. Each parser throws commander's InvalidArgumentError, which names the
// flag by itself, with a sentence about what is expected.

import { InvalidArgumentError } from 'commander'
import { bindAddressExample, readBindAddress } from '../lib/config/bind-address.ts'
import { podCidrs } from '../lib/config/kube-proxy-schema.ts'
import { canonicalIp, familyOf, type Address } from '../lib/model/address.ts'
import { readCidr, type Cidr } from '../lib/model/cidr.ts'
import { durationExample, readDuration } from '../lib/model/duration.ts'
import {
  nodePortRangeExample,
  nodePortRangeHint,
  readNodePortRanges,
  type NodePortRange,
} from '../lib/model/node-port-ranges.ts'
import { longestTimeoutMs, type SettingValue } from '../lib/model/proxy-settings.ts'

/** A duration as Kubernetes' flags write it ("250ms", "1h30m", "2s"), in milliseconds. */
export function parseDuration(text: string): number {
  const ms = readDuration(text)
  if (ms === null || ms < 1 || ms > longestTimeoutMs) {
    throw new InvalidArgumentError(`Expected ${durationExample}, at most 480h.`)
  }
  return ms
}

/** Not null, which commander takes for a parser that has failed. */
export type BindAddress = Address | 'off'

/** "IP:PORT" or an IP, which takes the server's own port; "" is "off". Port 0: a free one. */
export function parseBindAddress(defaultPort: number): (text: string) => BindAddress {
  return text => {
    if (text === '' || text === 'off') return 'off'
    const address = readBindAddress(text, defaultPort)
    if (address === null) throw new InvalidArgumentError(`Expected ${bindAddressExample}, or "off".`)
    return address
  }
}

export function parseIp(text: string): string {
  const ip = canonicalIp(text)
  if (ip === null) throw new InvalidArgumentError('Expected an IP address such as 0.0.0.0 or ::.')
  return ip
}

export function parseCount(text: string): number {
  return wholeNumber(text, 1, Number.MAX_SAFE_INTEGER, 'a whole number above 0')
}

/** A port of kube-proxy's deprecated flags, where 0 means: not served. */
export function parsePortOrOff(text: string): number {
  return wholeNumber(text, 0, 65_535, 'a port, or 0 for nowhere')
}

export function parseOomScore(text: string): number {
  return wholeNumber(text, -1000, 1000, 'a whole number from -1000 to 1000')
}

/** Go's short flags may have an equals sign: -v=4. */
export function parseVerbosity(text: string): number {
  return wholeNumber(text.replace(/^=/, ''), 0, 2 ** 31 - 1, "a whole number, kube-proxy's verbosity")
}

/** A flag that may stand alone, or with Go's spellings of true and false: --flag=false. */
export function parseBoolean(text: string): boolean {
  if (/^(?:1|t|true)$/i.test(text)) return true
  if (/^(?:0|f|false)$/i.test(text)) return false
  throw new InvalidArgumentError('Expected true or false.')
}

export function parseNodePortRanges(text: string): readonly NodePortRange[] {
  const entries = text.split(',').filter(entry => entry.trim() !== '')
  return entries.flatMap(entry => {
    const ranges = readNodePortRanges(entry)
    if (ranges === null) {
      const quoted = JSON.stringify(entry)
      throw new InvalidArgumentError(`${quoted} is not ${nodePortRangeExample}${nodePortRangeHint(entry)}.`)
    }
    return ranges
  })
}

export function parsePodCidrs(text: string): readonly Cidr[] {
  if (text === '') return []
  const expected = podCidrs(text)
  if (expected !== null) throw new InvalidArgumentError(`Expected ${expected}.`)
  return text
    .split(',')
    .map(readCidr)
    .filter(cidr => cidr !== null)
}

/** CIDRs and single addresses of either family, as many as there are. */
export function parseCidrs(text: string): readonly Cidr[] {
  const entries = text.split(',').map(entry => entry.trim())
  return entries
    .filter(entry => entry !== '')
    .map(entry => {
      const ip = canonicalIp(entry)
      const cidr = readCidr(ip === null ? entry : `${ip}/${familyOf(ip) === 'IPv4' ? 32 : 128}`)
      if (cidr !== null) return cidr
      const quoted = JSON.stringify(entry)
      throw new InvalidArgumentError(`${quoted} is neither a CIDR such as 10.0.0.0/8 nor an IP address.`)
    })
}

/** Wrapped, since a value may be null, which commander takes for a parser that has failed. */
export interface Setting<T> {
  readonly value: T
}

/** The parser of a setting that annotations have, too. */
export function parseSetting<T>(read: (text: string) => SettingValue<T>): (text: string) => Setting<T> {
  return text => {
    const found = read(text)
    if ('expected' in found) throw new InvalidArgumentError(`Expected ${found.expected}.`)
    return found
  }
}

function wholeNumber(text: string, least: number, most: number, expected: string): number {
  const number = /^[+-]?\d{1,16}$/.test(text) ? Number(text) : NaN
  if (!(number >= least && number <= most)) throw new InvalidArgumentError(`Expected ${expected}.`)
  return number
}
