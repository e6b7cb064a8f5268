// IP addresses and ports as values. Every address inside kube-relay is canonical (RFC 5952, no zone, no
// IPv4-mapped IPv6), so that two spellings of one address are the same string and the same key.

import ipaddr from 'ipaddr.js'

export type IpFamily = 'IPv4' | 'IPv6'
export type Protocol = 'TCP' | 'UDP'

/** A canonical IP address and a port from 1 to 65535 (0 only to ask the system for a free one). */
export interface Address {
  readonly ip: string
  readonly port: number
}

/** "10.0.0.1:80" or "[fd00::1]:80": the form in the table, in `status` and in log lines. */
export function formatAddress(ip: string, port: number): string {
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`
}

/** The inverse of formatAddress, for text that this program made itself; throws on anything else. */
export function parseAddress(text: string): Address {
  const colon = text.lastIndexOf(':')
  const ip = text[0] === '[' ? text.slice(1, colon - 1) : text.slice(0, colon)
  const port = Number(text.slice(colon + 1))
  if (canonicalIp(ip) !== ip || !isPort(port) || formatAddress(ip, port) !== text) {
    throw new TypeError(`not an address: ${text}`)
  }
  return { ip, port }
}

/**
 * The canonical form of an IP address, or null if the text isn't one. Octal, hexadecimal and shortened IPv4
 * ("010.0.0.1", "0x7f.1", "10.1") are refused, as Kubernetes refuses them: readers disagree on what they mean
 * (CVE-2021-29923). IPv4-mapped IPv6 is refused for the same reason, and a zone ("fe80::1%eth0") because it
 * has no meaning on another node.
 */
export function canonicalIp(text: unknown): string | null {
  if (typeof text !== 'string' || text.length > longestIp) return null
  if (ipv4.test(text)) return text
  if (!text.includes(':') || text.includes('%') || hasLeadingZero(text) || !ipaddr.IPv6.isValid(text))
    return null
  const address = ipaddr.IPv6.parse(text)
  return address.isIPv4MappedAddress() ? null : address.toRFC5952String()
}

/** Of the longest spelling of an IPv6 address, whose last part is in dotted decimal. */
const longestIp = 45

/** Four decimal numbers without leading zeros: such a text is canonical already. */
const ipv4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/

/** In the dotted decimal end that IPv6 may have; a zero before hexadecimal digits is fine. */
function hasLeadingZero(ipv6: string): boolean {
  return /[.:]0\d+\.|\.0\d/.test(ipv6)
}

/** False for addresses that no one host has, and that must never become a listener: 0.0.0.0, ::, multicast. */
export function isHostAddress(ip: string): boolean {
  if (ip.includes(':')) return !['unspecified', 'multicast'].includes(ipaddr.parse(ip).range())
  const first = Number(ip.slice(0, ip.indexOf('.')))
  return first !== 0 && (first < 224 || first > 239) && ip !== '255.255.255.255'
}

/** The family of a canonical IP address. */
export function familyOf(ip: string): IpFamily {
  return ip.includes(':') ? 'IPv6' : 'IPv4'
}

/** A port that something can listen on: a whole number from 1 to 65535. */
export function isPort(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65535
}
