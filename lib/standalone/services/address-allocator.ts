// Hands out the addresses of one CIDR: ClusterIPs, load balancer IPs, the IPs of sample pods. An address is held once
// at a time. Addresses that nobody asked for come from the upper part of the range first, so that low ones stay free for
// those who ask (KEP-3070).

import ipaddr from 'ipaddr.js'
import { canonicalIp, familyOf, type IpFamily } from '../../model/address.ts'
import { readCidr } from '../../model/cidr.ts'
import { RelayError } from '../../model/error.ts'
import type { Allocation } from './port-allocator.ts'

export interface AddressAllocatorOptions {
  /** What the range is, for the errors about it. */
  readonly what?: string
  /** Hands out every address of a range that is too small for a network: one or two addresses. */
  readonly tinyRanges?: boolean
}

export class AddressAllocator {
  readonly family: IpFamily
  readonly cidr: string
  readonly #base: bigint
  readonly #size: bigint
  /** Offsets from #first to #last can be handed out: not the network's address, nor IPv4's broadcast address. */
  readonly #first: bigint
  readonly #last: bigint
  readonly #firstDynamic: bigint
  readonly #held = new Set<bigint>()
  #next: bigint

  /** Throws INVALID_CONFIG for anything but an IP range with room for at least one address. */
  constructor(cidr: string, options: AddressAllocatorOptions = {}) {
    const { what = 'service CIDR', tinyRanges = false } = options
    const range = readCidr(cidr)
    if (range === null) {
      throw new RelayError('INVALID_CONFIG', `"${cidr}" is no ${what}; give one such as 10.96.0.0/16`)
    }
    const [ip = '', prefix = ''] = range.text.split('/')
    const bytes = ipaddr.parse(ip).toByteArray()
    const size = 1n << BigInt(bytes.length * 8 - Number(prefix))
    const whole = tinyRanges && size <= 2n
    this.family = range.family
    this.#size = size
    this.#base = (toNumber(bytes) / size) * size
    this.#first = whole ? 0n : 1n
    this.#last = this.family === 'IPv4' && !whole ? size - 2n : size - 1n
    if (this.#last < this.#first) {
      throw new RelayError('INVALID_CONFIG', `${what} ${cidr} has no room for addresses; give a larger one`)
    }
    this.cidr = `${this.#at(0n)}/${prefix}`
    this.#firstDynamic = this.#first + clamp(size / 16n, 16n, 256n)
    if (this.#firstDynamic > this.#last) this.#firstDynamic = this.#first
    this.#next = this.#firstDynamic
  }

  /** Takes an address that someone asked for. */
  allocate(ip: string): Allocation {
    const offset = this.#offsetOf(ip)
    if (offset === undefined) {
      return {
        ok: false,
        why: `the provided IP (${ip}) is not in the valid range. The range of valid IPs is ${this.cidr}`,
      }
    }
    if (this.#held.has(offset)) return { ok: false, why: 'provided IP is already allocated' }
    this.#held.add(offset)
    return { ok: true, value: this.#at(offset) }
  }

  /** Takes any free address. */
  allocateNext(): Allocation {
    if (BigInt(this.#held.size) <= this.#last - this.#first) {
      // Upper part, round and round; the lower part only once the upper is full.
      const free =
        this.#firstFree(this.#next, this.#last) ?? this.#firstFree(this.#firstDynamic, this.#next - 1n)
      const offset = free ?? this.#firstFree(this.#first, this.#firstDynamic - 1n)
      if (offset !== undefined) {
        if (free !== undefined) this.#next = offset === this.#last ? this.#firstDynamic : offset + 1n
        this.#held.add(offset)
        return { ok: true, value: this.#at(offset) }
      }
    }
    return { ok: false, why: 'range is full' }
  }

  release(ip: string): void {
    const offset = this.#offsetOf(ip)
    if (offset !== undefined) this.#held.delete(offset)
  }

  /** Whether this range can hand out an address at all. */
  contains(ip: string): boolean {
    return this.#offsetOf(ip) !== undefined
  }

  /** Whether the ranges have an address in common. */
  overlaps(other: AddressAllocator): boolean {
    if (this.family !== other.family) return false
    return this.#base < other.#base + other.#size && other.#base < this.#base + this.#size
  }

  #offsetOf(ip: string): bigint | undefined {
    const canonical = canonicalIp(ip)
    if (canonical === null || familyOf(canonical) !== this.family) return undefined
    const offset = toNumber(ipaddr.parse(canonical).toByteArray()) - this.#base
    return offset >= this.#first && offset <= this.#last ? offset : undefined
  }

  #firstFree(from: bigint, to: bigint): bigint | undefined {
    for (let offset = from; offset <= to; offset++) if (!this.#held.has(offset)) return offset
    return undefined
  }

  #at(offset: bigint): string {
    let rest = this.#base + offset
    const bytes: number[] = []
    for (let i = this.family === 'IPv4' ? 4 : 16; i > 0; i--) {
      bytes.unshift(Number(rest & 0xffn))
      rest >>= 8n
    }
    const address = ipaddr.fromByteArray(bytes)
    return address instanceof ipaddr.IPv6 ? address.toRFC5952String() : address.toString()
  }
}

function toNumber(bytes: readonly number[]): bigint {
  return bytes.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n)
}

function clamp(value: bigint, low: bigint, high: bigint): bigint {
  if (value < low) return low
  return value > high ? high : value
}
