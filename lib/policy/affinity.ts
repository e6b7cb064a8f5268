// Session affinity: which endpoint a client of a service port had last. Keyed by the client's IP alone, so shared by
// all the service port's frontends; sliding, as each new connection renews it; and bounded, because a client's IP is
// the client's choice and the table must not grow with it.

interface Entry {
  readonly endpoint: string
  readonly usedAt: number
}

/** Clients remembered per service port. Beyond it the one that came longest ago is forgotten. */
export const maxAffinityClients = 65_536

export class AffinityTable {
  /** In order of last use, least recent first. */
  readonly #clients = new Map<string, Entry>()
  readonly #maxClients: number

  constructor(maxClients: number = maxAffinityClients) {
    this.#maxClients = maxClients
  }

  get size(): number {
    return this.#clients.size
  }

  /**
   * The endpoint ("ip:port") that the client had, or null if it had none within the timeout. Whether that endpoint is
   * still eligible is the caller's question: an affinity to a dead one is worth nothing (kubernetes#24648).
   */
  find(clientIp: string, timeoutMs: number, now: number): string | null {
    const entry = this.#clients.get(clientIp)
    if (entry === undefined) return null
    if (now - entry.usedAt < timeoutMs) return entry.endpoint
    this.#clients.delete(clientIp)
    return null
  }

  /** The client got this endpoint now. */
  remember(clientIp: string, endpoint: string, now: number): void {
    this.#clients.delete(clientIp)
    this.#clients.set(clientIp, { endpoint, usedAt: now })
    if (this.#clients.size <= this.#maxClients) return
    const [oldest] = this.#clients.keys()
    if (oldest !== undefined) this.#clients.delete(oldest)
  }

  /** Forgets the clients whose timeout has passed; they are the first ones. */
  expire(timeoutMs: number, now: number): void {
    for (const [clientIp, entry] of this.#clients) {
      if (now - entry.usedAt < timeoutMs) return
      this.#clients.delete(clientIp)
    }
  }

  clear(): void {
    this.#clients.clear()
  }
}
