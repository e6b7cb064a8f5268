// Hands out node ports. A port number is held by one Service at a time, whatever the protocol: that is what the real
// API server does, and what lets a Service use one nodePort for its TCP and its UDP port. Ports that nobody asked
// for come from above the lowest ones, which stay free for those who ask (KEP-3668).

import { RelayError } from '../../model/error.ts'

export type Allocation<T = string> =
  | { readonly ok: true; readonly value: T }
  /** `why` is worded as the real API server's message. */
  | { readonly ok: false; readonly why: string }

export interface PortRange {
  readonly first: number
  readonly last: number
}

export const defaultNodePortRange: PortRange = { first: 30_000, last: 32_767 }

/** Parses "30000-32767". Throws INVALID_CONFIG. */
export function parsePortRange(text: string): PortRange {
  const [, from, to] = /^(\d{1,5})-(\d{1,5})$/.exec(text.trim()) ?? []
  const range = { first: Number(from), last: Number(to) }
  if (!(range.first >= 1 && range.first <= range.last && range.last <= 65_535)) {
    throw new RelayError('INVALID_CONFIG', `"${text}" is no range of ports; give one such as 30000-32767`)
  }
  return range
}

export class PortAllocator {
  readonly #range: PortRange
  readonly #firstDynamic: number
  readonly #held = new Set<number>()
  #next: number

  constructor(range: PortRange = defaultNodePortRange) {
    this.#range = range
    const size = range.last - range.first + 1
    const reserved = Math.min(Math.max(16, Math.floor(size / 32)), 128)
    this.#firstDynamic = reserved < size ? range.first + reserved : range.first
    this.#next = this.#firstDynamic
  }

  /** Takes a port that someone asked for. */
  allocate(port: number): Allocation<number> {
    const { first, last } = this.#range
    if (port < first || port > last) {
      return {
        ok: false,
        why: `provided port is not in the valid range. The range of valid ports is ${first}-${last}`,
      }
    }
    if (this.#held.has(port)) return { ok: false, why: 'provided port is already allocated' }
    this.#held.add(port)
    return { ok: true, value: port }
  }

  /** Takes any free port. */
  allocateNext(): Allocation<number> {
    const { first, last } = this.#range
    // Upper part, round and round; the lower part only once the upper is full.
    const free = this.#firstFree(this.#next, last) ?? this.#firstFree(this.#firstDynamic, this.#next - 1)
    const port = free ?? this.#firstFree(first, this.#firstDynamic - 1)
    if (port === undefined) return { ok: false, why: 'range is full' }
    if (free !== undefined) this.#next = port === last ? this.#firstDynamic : port + 1
    this.#held.add(port)
    return { ok: true, value: port }
  }

  release(port: number): void {
    this.#held.delete(port)
  }

  #firstFree(from: number, to: number): number | undefined {
    for (let port = from; port <= to; port++) if (!this.#held.has(port)) return port
    return undefined
  }
}
