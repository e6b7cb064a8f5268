// Who wants which VIPs: several agents of this process, independently of each other, and each for several
// service ports. Invariant: an address is wanted as long as one service port of one user has it, or had it
// when the data plane last got its table.

import type { ServicePort, ServicePortKey, TableUpdate } from '../model/proxy-table.ts'

export interface UserWishes {
  /** Takes the update in, and returns the VIPs that it names. A delta costs what has changed. */
  want(update: TableUpdate): readonly string[]
  /** The data plane has what was wanted last: earlier wishes end. */
  applied(): void
  leave(): void
}

export interface WishListener {
  /** Nobody wanted it before. */
  wanted(ip: string): void
  /** Nobody wants it any more. */
  unwanted(ip: string): void
}

export class VipWishes {
  readonly #counts = new Map<string, number>()
  readonly #listener: WishListener

  constructor(listener: WishListener) {
    this.#listener = listener
  }

  get size(): number {
    return this.#counts.size
  }

  has(ip: string): boolean {
    return this.#counts.has(ip)
  }

  all(): Iterable<string> {
    return this.#counts.keys()
  }

  user(): UserWishes {
    const held = new Map<ServicePortKey, readonly string[]>()
    let ended: string[] = []
    const set = (key: ServicePortKey, ips: readonly string[]): void => {
      const before = held.get(key) ?? []
      if (sameList(before, ips)) return
      for (const ip of ips) this.#take(ip)
      for (const ip of before) ended.push(ip)
      if (ips.length === 0) held.delete(key)
      else held.set(key, ips)
    }
    const applied = (): void => {
      const ips = ended
      ended = []
      for (const ip of ips) this.#release(ip)
    }
    return {
      want: update => {
        const ports = update.type === 'snapshot' ? update.servicePorts : update.changed
        const named: string[] = []
        for (const port of ports) {
          const ips = vipsOf(port)
          set(port.key, ips)
          for (const ip of ips) named.push(ip)
        }
        for (const key of removedBy(update, held)) set(key, [])
        return named
      },
      applied,
      leave: () => {
        for (const key of held.keys()) set(key, [])
        applied()
      },
    }
  }

  #take(ip: string): void {
    const count = this.#counts.get(ip) ?? 0
    this.#counts.set(ip, count + 1)
    if (count === 0) this.#listener.wanted(ip)
  }

  #release(ip: string): void {
    const count = this.#counts.get(ip) ?? 0
    if (count > 1) {
      this.#counts.set(ip, count - 1)
    } else {
      this.#counts.delete(ip)
      this.#listener.unwanted(ip)
    }
  }
}

/** What has to be made local for a service port. */
function vipsOf({ frontends }: ServicePort): readonly string[] {
  return frontends.filter(({ vip, conflict }) => vip && conflict === undefined).map(({ ip }) => ip)
}

function removedBy(
  update: TableUpdate,
  held: ReadonlyMap<ServicePortKey, unknown>,
): readonly ServicePortKey[] {
  if (update.type === 'delta') return update.removed
  const kept = new Set(update.servicePorts.map(({ key }) => key))
  return [...held.keys()].filter(key => !kept.has(key))
}

function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((each, index) => each === b[index])
}
