// Who owns a frontend's address. The API server keeps cluster IPs and nodePorts apart, but nothing keeps two
// Services from naming the same external IP and port. The older Service has it; the younger one gets it when the
// older is gone. That is what a first-come rule would give, and it survives a restart.

import { formatAddress, type Protocol } from '../model/address.ts'

export interface Claimant {
  /** "namespace/name" of the Service. */
  readonly service: string
  /** RFC 3339 in UTC, compared as text; "" counts as the youngest. */
  readonly createdAt: string
}

/** Where a frontend is reached: at its IP, or at every local one where that is a wildcard. */
export interface FrontendAddress {
  readonly protocol: Protocol
  readonly ip: string
  readonly port: number
}

/** "TCP/10.0.0.1:80" */
export type FrontendKey = string & { readonly brand: 'FrontendKey' }

export function frontendKey({ protocol, ip, port }: FrontendAddress): FrontendKey {
  return `${protocol}/${formatAddress(ip, port)}` as FrontendKey
}

export function isWildcard(ip: string): boolean {
  return ip === '0.0.0.0' || ip === '::'
}

interface Claims extends Claimant {
  readonly frontends: ReadonlyMap<FrontendKey, FrontendAddress>
}

export class FrontendClaims {
  /** Sorted by age: the first one has the frontend. */
  readonly #claimants = new Map<FrontendKey, readonly Claimant[]>()
  readonly #claims = new Map<string, Claims>()
  /** How many frontends are claimed at each IP. */
  readonly #atIp = new Map<string, number>()

  /** The Service ("namespace/name") that owns the frontend, if any claims it. */
  owner(frontend: FrontendAddress): string | undefined {
    if (!this.#atIp.has(frontend.ip)) return undefined
    return this.#claimants.get(frontendKey(frontend))?.[0]?.service
  }

  /** Whether some Service claims this IP, on whatever port. */
  hasIp(ip: string): boolean {
    return this.#atIp.has(ip)
  }

  /**
   * Replaces all claims of a Service. Returns the frontends that are new or gone for it, and the other Services
   * that won or lost one by that.
   */
  update(
    claimant: Claimant,
    frontends: ReadonlyMap<FrontendKey, FrontendAddress>,
  ): { readonly changed: readonly FrontendAddress[]; readonly affected: ReadonlySet<string> } {
    const { service } = claimant
    const before = this.#claims.get(service)
    const kept = before?.createdAt === claimant.createdAt ? before.frontends : undefined
    const removed = [...(before?.frontends ?? [])].filter(
      ([key]) => kept === undefined || !frontends.has(key),
    )
    const added = [...frontends].filter(([key]) => !kept?.has(key))
    const affected = new Set<string>()
    for (const [key, { ip }] of removed) {
      this.#change(key, affected, claimants => claimants.filter(each => each.service !== service))
      this.#count(ip, -1)
    }
    for (const [key, { ip }] of added) {
      this.#change(key, affected, claimants =>
        claimants.length === 0 ? [claimant] : [...claimants, claimant].sort(byAge),
      )
      this.#count(ip, 1)
    }
    if (frontends.size === 0) this.#claims.delete(service)
    else this.#claims.set(service, { ...claimant, frontends })
    affected.delete(service)
    return { changed: [...removed, ...added].map(([, frontend]) => frontend), affected }
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

  #count(ip: string, by: number): void {
    const count = (this.#atIp.get(ip) ?? 0) + by
    if (count === 0) this.#atIp.delete(ip)
    else this.#atIp.set(ip, count)
  }
}

function byAge(a: Claimant, b: Claimant): number {
  // Digits sort before "~".
  return compare(a.createdAt || '~', b.createdAt || '~') || compare(a.service, b.service)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
