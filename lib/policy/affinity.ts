// Session affinity: which endpoint a client of a service port had last. Keyed by the client's IP alone, so shared by
// all the service port's frontends; sliding, as each new connection renews it; and bounded, because a client's IP is
// the client's choice and the table must not grow with it. Several tables, one a worker, are kept alike by telling.

interface Entry {
  readonly endpoint: string
  readonly usedAt: number
  /** When the other tables were last told. */
  readonly toldAt: number
}

/** Clients remembered per service port. Beyond it the one that came longest ago is forgotten. */
export const maxAffinityClients = 65_536

/** Decisions of two workers that are this close were made without knowing each other. */
const simultaneousMs = 200

export class AffinityTable {
  /** In order of last use, least recent first; what was learned late may stand too far back. */
  readonly #clients = new Map<string, Entry>()
  /**
   * Goes on from the last one that was forgotten; there is no entry before that. A new iterator would have to pass all the
   * holes that the forgotten ones leave at a Map's beginning until it is made anew.
   */
  readonly #oldest = this.#clients.keys()
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

  /**
   * The client got this endpoint now. Returns when other tables should be told that it did, or null if they needn't be:
   * they know, and were told less than `tellEveryMs` ago.
   */
  remember(clientIp: string, endpoint: string, now: number, tellEveryMs = 0): number | null {
    const known = this.#clients.get(clientIp)
    const isNews = known?.endpoint !== endpoint
    // A decision against a known one must look later than that to everyone, also where its news travels faster.
    const usedAt = known === undefined ? now : Math.max(now, known.usedAt + (isNews ? 2 * simultaneousMs : 0))
    const tell = isNews || now - known.toldAt >= tellEveryMs
    this.#put(clientIp, { endpoint, usedAt, toldAt: tell ? now : known.toldAt })
    return tell ? usedAt : null
  }

  /**
   * Another table was told so at `usedAt`. The later decision holds; of two at the same time, the same one in every
   * table.
   */
  learn(clientIp: string, endpoint: string, usedAt: number): void {
    const known = this.#clients.get(clientIp)
    if (known !== undefined) {
      const apartMs = usedAt - known.usedAt
      const differ = known.endpoint !== endpoint
      if (differ && Math.abs(apartMs) < simultaneousMs ? known.endpoint < endpoint : apartMs < 0) return
    }
    this.#put(clientIp, { endpoint, usedAt, toldAt: usedAt })
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

  #put(clientIp: string, entry: Entry): void {
    this.#clients.delete(clientIp)
    this.#clients.set(clientIp, entry)
    if (this.#clients.size <= this.#maxClients) return
    const { value: oldest } = this.#oldest.next()
    if (oldest !== undefined) this.#clients.delete(oldest)
  }
}
