// Address ranges in CIDR notation, parsed once and matched often.

import ipaddr from 'ipaddr.js'
import { canonicalIp, familyOf, type IpFamily } from './address.ts'

export interface Cidr {
  readonly family: IpFamily
  /** "10.0.0.0/8", with a canonical address. */
  readonly text: string
  /** The range is the family's whole address space. */
  readonly isEverything: boolean
  /** Whether a canonical IP of either family lies in the range. */
  contains(ip: string): boolean
}

/** Parses a CIDR; null if the text isn't one. White space around it is ignored, as the API server ignores it. */
export function readCidr(text: unknown): Cidr | null {
  if (typeof text !== 'string') return null
  const match = /^([^/]+)\/(0|[1-9]\d{0,2})$/.exec(text.trim())
  const ip = canonicalIp(match?.[1])
  const bits = Number(match?.[2])
  if (ip === null) return null
  const family = familyOf(ip)
  if (bits > (family === 'IPv4' ? 32 : 128)) return null
  const network = ipaddr.parse(ip)
  return {
    family,
    text: `${ip}/${bits}`,
    isEverything: bits === 0,
    contains: other => familyOf(other) === family && ipaddr.parse(other).match(network, bits),
  }
}
