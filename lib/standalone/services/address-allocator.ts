// Hands out ClusterIPs from one service CIDR. An address is held by one owner at a time. Addresses that nobody asked
// for come from the upper part of the range first, so that low ones stay free for those who ask (KEP-3070).

import ipaddr from 'ipaddr.js'
import { canonicalIp, familyOf, type IpFamily } from '../../model/address.ts'
import { RelayError } from '../../model/error.ts'
import type { Allocation } from './port-allocator.ts'

export class AddressAllocator {
  readonly family: IpFamily
  readonly cidr: string
  readonly #base: bigint
  /** Offsets 1 to #last can be handed out: not the network's address, nor IPv4's broadcast address. */
  readonly #last: bigint
  readonly #firstDynamic: bigint
  readonly #held = new Set<string>()
  #next: bigint

  /** Throws INVALID_CONFIG for anything but an IP range with room for at least one address. */
  constructor(cidr: string) {
    const [base, prefix] = parseRange(cidr)
    const bytes = ipaddr.parse(base).toByteArray()
    const size = 1n << BigInt(bytes.length * 8 - prefix)
    this.family = familyOf(base)
    this.#base = (toNumber(bytes) / size) * size
    this.#last = this.family === 'IPv4' ? size - 2n : size - 1n
    if (this.#last < 1n)
      throw new RelayError('INVALID_CONFIG', `service CIDR ${cidr} has no room for addresses`)
    this.cidr = `${this.#at(0n)}/${prefix}`
    this.#firstDynamic = 1n + clamp(size / 16n, 16n, 256n)
    if (this.#firstDynamic > this.#last) this.#firstDynamic = 1n
    this.#next = this.#firstDynamic
  }

  /** Takes an address that someone asked for. */
  allocate(ip: string): Allocation {
    const canonical = canonicalIp(ip)
    if (canonical === null || !this.contains(canonical)) {
      return {
        ok: false,
        why: `the provided IP (${ip}) is not in the valid range. The range of valid IPs is ${this.cidr}`,
      }
    }
    if (this.#held.has(canonical)) return { ok: false, why: 'provided IP is already allocated' }
    this.#held.add(canonical)
    return { ok: true, value: canonical }
  }

  /** Takes any free address. */
  allocateNext(): Allocation {
    if (BigInt(this.#held.size) < this.#last) {
      // Upper part, round and round; the lower part only once the upper is full.
      const free =
        this.#firstFree(this.#next, this.#last) ?? this.#firstFree(this.#firstDynamic, this.#next - 1n)
      const offset = free ?? this.#firstFree(1n, this.#firstDynamic - 1n)
      if (offset !== undefined) {
        if (free !== undefined) this.#next = offset === this.#last ? this.#firstDynamic : offset + 1n
        const ip = this.#at(offset)
        this.#held.add(ip)
        return { ok: true, value: ip }
      }
    }
    return { ok: false, why: 'range is full' }
  }

  release(ip: string): void {
    const canonical = canonicalIp(ip)
    if (canonical !== null) this.#held.delete(canonical)
  }

  contains(ip: string): boolean {
    if (familyOf(ip) !== this.family) return false
    const offset = toNumber(ipaddr.parse(ip).toByteArray()) - this.#base
    return offset >= 1n && offset <= this.#last
  }

  #firstFree(from: bigint, to: bigint): bigint | undefined {
    for (let offset = from; offset <= to; offset++) if (!this.#held.has(this.#at(offset))) return offset
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

function parseRange(cidr: string): readonly [base: string, prefix: number] {
  const [, ip, bits] = /^([^/]+)\/(\d{1,3})$/.exec(cidr) ?? []
  const base = canonicalIp(ip)
  const prefix = Number(bits)
  if (base === null || prefix > (base.includes(':') ? 128 : 32)) {
    throw new RelayError('INVALID_CONFIG', `"${cidr}" is no service CIDR; give one such as 10.96.0.0/16`)
  }
  return [base, prefix]
}

function toNumber(bytes: readonly number[]): bigint {
  return bytes.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n)
}

function clamp(value: bigint, low: bigint, high: bigint): bigint {
  if (value < low) return low
  return value > high ? high : value
}
