// How many TCP connections each client address may have open at a time, over all workers: a worker counts its own and
// tells the others of the clients that have many. Below what is told stays at most half of the limit unseen, so a client
// never has more than one and a half times the limit, and what it can open in the tenth of a second until it is told.

import type { Clock, Timer } from '../ops/clock.ts'
import type { Members } from './frontend-placement.ts'
import type { SharedFact } from './shared-facts.ts'

/** Changes are told at most this often. */
const tellEveryMs = 100

interface Usage {
  own: number
  /** What the others were last told. */
  told: number
  /** What the other workers last told, by worker. */
  readonly others: Map<number, number>
}

export class ClientLimits {
  readonly #limit: number
  readonly #clock: Clock
  readonly #tell: (fact: SharedFact) => void
  readonly #clients = new Map<string, Usage>()
  readonly #changed = new Set<string>()
  #members: Members = { own: 0, all: [0] }
  #timer: Timer | null = null
  /** There may be a worker that was told nothing yet. */
  #tellAll = false

  constructor(limit: number, clock: Clock, tell: (fact: SharedFact) => void) {
    this.#limit = limit
    this.#clock = clock
    this.#tell = tell
  }

  /** How many client addresses are known. */
  get size(): number {
    return this.#clients.size
  }

  isFull(clientIp: string): boolean {
    const usage = this.#clients.get(clientIp)
    if (usage === undefined) return false
    let open = usage.own
    for (const connections of usage.others.values()) open += connections
    return open >= this.#limit
  }

  take(clientIp: string): void {
    const usage = this.#usage(clientIp)
    usage.own++
    this.#noteChange(clientIp, usage)
  }

  giveBack(clientIp: string): void {
    const usage = this.#usage(clientIp)
    usage.own--
    this.#noteChange(clientIp, usage)
    this.#forgetIfUnused(clientIp, usage)
  }

  /** What another worker tells of a client; 0: too few to be told. */
  learn(worker: number, clientIp: string, connections: number): void {
    if (worker === this.#members.own) return
    const usage = this.#usage(clientIp)
    if (connections > 0) usage.others.set(worker, connections)
    else usage.others.delete(worker)
    this.#forgetIfUnused(clientIp, usage)
  }

  /** Forgets what workers have told that are gone, and tells those that are new. */
  setMembers(members: Members): void {
    this.#members = members
    for (const [clientIp, usage] of this.#clients) {
      for (const worker of usage.others.keys()) {
        if (!members.all.includes(worker) || worker === members.own) usage.others.delete(worker)
      }
      if (members.all.length < 2) usage.told = 0
      this.#forgetIfUnused(clientIp, usage)
      if (usage.told > 0 || this.#worthTelling(usage) > 0) this.#changed.add(clientIp)
    }
    this.#tellAll = true
    if (this.#changed.size > 0) this.#timer ??= this.#clock.after(tellEveryMs, () => this.#tellChanges())
  }

  close(): void {
    this.#timer?.cancel()
    this.#timer = null
    this.#changed.clear()
  }

  #usage(clientIp: string): Usage {
    let usage = this.#clients.get(clientIp)
    if (usage === undefined) {
      usage = { own: 0, told: 0, others: new Map() }
      this.#clients.set(clientIp, usage)
    }
    return usage
  }

  #forgetIfUnused(clientIp: string, usage: Usage): void {
    if (usage.own === 0 && usage.others.size === 0 && usage.told === 0) this.#clients.delete(clientIp)
  }

  #noteChange(clientIp: string, usage: Usage): void {
    if (this.#members.all.length < 2 || this.#worthTelling(usage) === usage.told) return
    this.#changed.add(clientIp)
    this.#timer ??= this.#clock.after(tellEveryMs, () => this.#tellChanges())
  }

  #worthTelling({ own }: Usage): number {
    return own > this.#limit / (2 * this.#members.all.length) ? own : 0
  }

  #tellChanges(): void {
    this.#timer = null
    if (this.#members.all.length < 2) this.#changed.clear()
    for (const client of this.#changed) {
      const usage = this.#clients.get(client)
      if (usage === undefined) continue
      const connections = this.#worthTelling(usage)
      if (connections !== usage.told || (this.#tellAll && connections > 0)) {
        this.#tell({ kind: 'client', worker: this.#members.own, client, connections })
      }
      usage.told = connections
      this.#forgetIfUnused(client, usage)
    }
    this.#changed.clear()
    this.#tellAll = false
  }
}
