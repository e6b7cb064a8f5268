// What became of a load: every request sent is answered or fails with a reason, and every connection that was
// established and ended uninvited is known with the time. Plain JSON, as it crosses a process boundary.

/** Addresses as "ip:port". */
export interface Failure {
  /** "ECONNRESET", "timeout", "ended by the other side", … */
  readonly reason: string
  /** When it failed, and when the request, connection or datagram that failed was begun; on the shared clock. */
  readonly at: number
  readonly startedAt: number
  /** The client's own address; "" where it never got one. */
  readonly client: string
  readonly to: string
}

/** An answer, and which endpoint it came from. */
export interface Answer {
  /** When the connection (or the datagram) was begun. */
  readonly startedAt: number
  readonly to: string
  readonly endpoint: string
}

export interface LoadVerdict {
  readonly kind: 'connections' | 'requests' | 'bulk' | 'datagrams'
  /** Requests, transfers or datagrams: answered + failed, once the load has stopped. */
  readonly sent: number
  readonly answered: number
  readonly failed: number
  /** Of what was sent: the first ones, up to `keptFailures`. */
  readonly failures: readonly Failure[]
  readonly failedByReason: Readonly<Record<string, number>>
  /** Established connections that ended uninvited, whether or not a request was on its way. */
  readonly broken: readonly Failure[]
  /** Answers from another endpoint than the one that the same client, connection or flow had before. */
  readonly moved: number
  readonly bytes: number
  readonly slowestMs: number
  /** By endpoint IP. */
  readonly answersFrom: Readonly<Record<string, number>>
  /** Only if the load was asked to keep a journal. */
  readonly journal: readonly Answer[]
}

export type Verdict = Readonly<Record<string, LoadVerdict>>

const keptFailures = 200_000

/** Counts one load's outcomes. */
export class Outcomes {
  #sent = 0
  #answered = 0
  #failed = 0
  #bytes = 0
  #moved = 0
  #slowestMs = 0
  readonly #failures: Failure[] = []
  readonly #failedByReason: Record<string, number> = {}
  readonly #broken: Failure[] = []
  readonly #answersFrom: Record<string, number> = {}
  readonly #journal: Answer[] = []
  /** Where each sticky client was answered from last. */
  readonly #homes = new Map<string, string>()
  readonly #kind: LoadVerdict['kind']
  readonly #keepsJournal: boolean

  constructor(kind: LoadVerdict['kind'], keepsJournal: boolean) {
    this.#kind = kind
    this.#keepsJournal = keepsJournal
  }

  get pending(): number {
    return this.#sent - this.#answered - this.#failed
  }

  send(): void {
    this.#sent += 1
  }

  /** `home` names whose answers must all come from one endpoint; null: anybody's may. */
  answer(answer: Answer, home: string | null, elapsedMs: number): void {
    const { endpoint } = answer
    this.#answered += 1
    this.#slowestMs = Math.max(this.#slowestMs, elapsedMs)
    this.#answersFrom[endpoint] = (this.#answersFrom[endpoint] ?? 0) + 1
    if (this.#keepsJournal) this.#journal.push(answer)
    if (home === null) return
    const before = this.#homes.get(home)
    if (before !== undefined && before !== endpoint) this.#moved += 1
    this.#homes.set(home, endpoint)
  }

  /** A client that begins a new life may be answered by anyone. */
  forget(home: string): void {
    this.#homes.delete(home)
  }

  fail(failure: Failure): void {
    this.#failed += 1
    this.#failedByReason[failure.reason] = (this.#failedByReason[failure.reason] ?? 0) + 1
    if (this.#failures.length < keptFailures) this.#failures.push(failure)
  }

  break(failure: Failure): void {
    this.#broken.push(failure)
  }

  addBytes(bytes: number): void {
    this.#bytes += bytes
  }

  verdict(): LoadVerdict {
    return {
      kind: this.#kind,
      sent: this.#sent,
      answered: this.#answered,
      failed: this.#failed,
      failures: this.#failures,
      failedByReason: this.#failedByReason,
      broken: this.#broken,
      moved: this.#moved,
      bytes: this.#bytes,
      slowestMs: Math.round(this.#slowestMs),
      answersFrom: this.#answersFrom,
      journal: this.#journal,
    }
  }
}
