// Who owns a frontend's address. The API server keeps cluster IPs and nodePorts apart, but nothing keeps two
// Services from naming the same external IP and port. The older Service has it; the younger one gets it when the
// older is gone. That is what a first-come rule would give, and it survives a restart.

import type { Protocol } from '../model/address.ts'
import { formatAddress } from '../model/address.ts'

export interface Claimant {
  /** "namespace/name" of the Service. */
  readonly service: string
  /** RFC 3339; compared as text. */
  readonly createdAt: string
}

/** "TCP/10.0.0.1:80" */
export type FrontendKey = string & { readonly brand: 'FrontendKey' }

export function frontendKey(protocol: Protocol, ip: string, port: number): FrontendKey {
  return `${protocol}/${formatAddress(ip, port)}` as FrontendKey
}

export class FrontendClaims {
  readonly #claimants = new Map<FrontendKey, readonly Claimant[]>()
  readonly #claimed = new Map<string, ReadonlySet<FrontendKey>>()

  /** The Service ("namespace/name") that owns the frontend, if any claims it. */
  owner(key: FrontendKey): string | undefined {
    return this.#claimants.get(key)?.[0]?.service
  }

  /**
   * Replaces all claims of a Service. Returns the keys that are new or gone for it, and the other Services that
   * won or lost a frontend by that.
   */
  update(claimant: Claimant, keys: ReadonlySet<FrontendKey>): { changed: FrontendKey[]; affected: string[] } {
    const { service } = claimant
    const before = this.#claimed.get(service) ?? new Set<FrontendKey>()
    const removed = [...before].filter(key => !keys.has(key))
    const added = [...keys].filter(key => !before.has(key))
    const affected = new Set<string>()
    for (const key of removed)
      this.#change(key, affected, others => others.filter(c => c.service !== service))
    for (const key of added) this.#change(key, affected, others => [...others, claimant].sort(byAge))
    if (keys.size === 0) this.#claimed.delete(service)
    else this.#claimed.set(service, keys)
    affected.delete(service)
    return { changed: [...removed, ...added], affected: [...affected] }
  }

  #change(
    key: FrontendKey,
    affected: Set<string>,
    edit: (claimants: readonly Claimant[]) => readonly Claimant[],
  ): void {
    const before = this.#claimants.get(key) ?? []
    const after = edit(before)
    if (after.length === 0) this.#claimants.delete(key)
    else this.#claimants.set(key, after)
    if (before[0]?.service === after[0]?.service) return
    // The losers' text names the winner, so all of them change with it.
    for (const each of [...before, ...after]) affected.add(each.service)
  }
}

function byAge(a: Claimant, b: Claimant): number {
  return compare(a.createdAt, b.createdAt) || compare(a.service, b.service)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
