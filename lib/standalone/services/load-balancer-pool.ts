// The addresses that LoadBalancer Services get: the ranges of --load-balancer-pool. A pool may have several ranges of one
// family, and need not have both families.

import { isHostAddress, type IpFamily } from '../../model/address.ts'
import { RelayError } from '../../model/error.ts'
import { AddressAllocator } from './address-allocator.ts'
import type { Allocation } from './port-allocator.ts'

const flag = '--load-balancer-pool'

export class LoadBalancerPool {
  readonly #ranges: readonly AddressAllocator[]

  /**
   * Throws INVALID_CONFIG for a range that is malformed, that no host can have addresses of, or that overlaps another
   * one or a service CIDR.
   */
  constructor(cidrs: readonly string[], serviceCidrs: readonly AddressAllocator[]) {
    const ranges = cidrs.map(
      cidr => new AddressAllocator(cidr.trim(), { what: `range for ${flag}`, tinyRanges: true }),
    )
    ranges.forEach((range, i) => {
      const [base = ''] = range.cidr.split('/')
      if (!isHostAddress(base)) {
        throw new RelayError('INVALID_CONFIG', `${flag}: no host can have addresses of ${range.cidr}`)
      }
      const other = [...ranges.slice(0, i), ...serviceCidrs].find(candidate => candidate.overlaps(range))
      if (!other) return
      const what = serviceCidrs.includes(other) ? 'the service CIDR' : 'its other range'
      throw new RelayError(
        'INVALID_CONFIG',
        `${flag}: ${range.cidr} overlaps ${what} ${other.cidr}; give a range of its own`,
      )
    })
    this.#ranges = ranges
  }

  get isEmpty(): boolean {
    return this.#ranges.length === 0
  }

  has(family: IpFamily): boolean {
    return this.#ranges.some(range => range.family === family)
  }

  /** Takes an address that someone asked for. */
  allocate(ip: string): Allocation {
    const range = this.#ranges.find(candidate => candidate.contains(ip))
    if (!range) return { ok: false, why: `it is not among the pool's addresses (${String(this)})` }
    const allocation = range.allocate(ip)
    return allocation.ok ? allocation : { ok: false, why: 'another Service has it' }
  }

  allocateNext(family: IpFamily): Allocation {
    for (const range of this.#ranges) {
      const allocation = range.family === family ? range.allocateNext() : undefined
      if (allocation?.ok) return allocation
    }
    return { ok: false, why: `the pool (${String(this)}) has no free ${family} address` }
  }

  release(ip: string): void {
    for (const range of this.#ranges) range.release(ip)
  }

  /** "10.0.0.0/24, fd00::/120" */
  toString(): string {
    return this.#ranges.map(range => range.cidr).join(', ')
  }
}
