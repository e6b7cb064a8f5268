// Which Services use an endpoint address. It answers one question: when a frontend of ours appears or goes, whose
// endpoints does it turn into a loop, or free from being one?

export class EndpointIndex {
  readonly #users = new Map<string, Set<string>>()
  readonly #used = new Map<string, ReadonlySet<string>>()

  /** Services with an endpoint at this "PROTO/ip:port". */
  users(key: string): Iterable<string> {
    return this.#users.get(key) ?? []
  }

  /** Replaces the endpoints of a Service. */
  update(service: string, keys: ReadonlySet<string>): void {
    const before = this.#used.get(service) ?? new Set<string>()
    for (const key of before) if (!keys.has(key)) this.#remove(key, service)
    for (const key of keys) {
      const users = this.#users.get(key)
      if (users === undefined) this.#users.set(key, new Set([service]))
      else users.add(service)
    }
    if (keys.size === 0) this.#used.delete(service)
    else this.#used.set(service, keys)
  }

  #remove(key: string, service: string): void {
    const users = this.#users.get(key)
    users?.delete(service)
    if (users?.size === 0) this.#users.delete(key)
  }
}
