// What the pool knows of one worker and has for it: its table, its facts, its last status. Whatever the worker does or
// doesn't do, there is at most one update, one batch of facts and one status question on the way to it.

import type { SharedFact } from '../dataplane/shared-facts.ts'
import type { ServicePortKey, TableUpdate } from '../model/proxy-table.ts'
import type { Clock } from '../ops/clock.ts'
import type { ServicePortInspection } from '../ops/endpoint-detail.ts'
import { FactOutbox } from './fact-outbox.ts'
import type { ToWorker, WorkerOptions } from './messages.ts'
import { mergeUpdates, splitUpdate } from './pending-update.ts'
import { ReportedStatus } from './status-report.ts'
import { WorkerProcess } from './worker-process.ts'

/** `starting` until it serves like the others; `leaving` when it takes nobody new and ends by itself. */
export type WorkerPhase = 'starting' | 'serving' | 'leaving'

export interface PoolWorkerOptions {
  readonly index: number
  readonly command: readonly string[]
  readonly env: NodeJS.ProcessEnv
  readonly clock: Clock
  readonly onReady: (worker: PoolWorker) => void
  readonly onApplied: () => void
  readonly onFacts: (worker: PoolWorker, facts: readonly SharedFact[]) => void
  readonly onDraining: (worker: PoolWorker) => void
  readonly onEnd: (worker: PoolWorker, reason: string) => void
}

/** People ask for them; a worker that doesn't answer isn't to have ever more of them waiting. */
const maxInspections = 16

export class PoolWorker {
  readonly index: number
  readonly startedAt: number
  readonly reported = new ReportedStatus()
  phase: WorkerPhase = 'starting'
  /** Whether a heartbeat found it without life, so that it was killed. */
  hung = false
  /** It has loaded its program and takes messages. */
  ready = false
  /** It has been given the table so far, and gets every update from now on. */
  fed = false
  readonly #process: WorkerProcess
  readonly #options: PoolWorkerOptions
  readonly #outbox: FactOutbox
  #applied = 0
  /** The update on its way, and those that go out together after it. */
  #applying: Promise<boolean> | null = null
  #applyingNext: Promise<boolean> | null = null
  #pending: TableUpdate | null = null
  /** The status question on its way, and the one that goes out after it. */
  #status: Promise<boolean> | null = null
  #nextStatus: Promise<boolean> | null = null
  #inspections = 0

  constructor(options: PoolWorkerOptions) {
    this.#options = options
    const { index, command, env, clock } = options
    this.index = index
    this.startedAt = clock.now()
    this.#outbox = new FactOutbox(clock, (facts, written) =>
      this.#process.send({ type: 'facts', facts }, written),
    )
    this.#process = new WorkerProcess({
      command,
      env,
      onMessage: message => {
        if (message.type === 'ready') {
          this.ready = true
          options.onReady(this)
        } else if (message.type === 'facts') options.onFacts(this, message.facts)
        else if (message.type === 'status') this.reported.add(message)
        else if (message.type === 'draining') options.onDraining(this)
      },
      onEnd: reason => {
        this.#outbox.close()
        this.#pending = null
        options.onEnd(this, reason)
      },
    })
  }

  get pid(): number {
    return this.#process.pid
  }

  get ended(): boolean {
    return this.#process.ended
  }

  /** The generation that it has acknowledged. */
  get applied(): number {
    return this.#applied
  }

  /** How many heartbeats in a row it has left unanswered. */
  get silentTicks(): number {
    return this.#process.silentTicks
  }

  /** Resolves when its data plane is there. */
  start(options: WorkerOptions, members: readonly number[]): Promise<boolean> {
    return this.#process.ask({ type: 'start', index: this.index, members, options })
  }

  /**
   * Brings it an update, by itself or together with those that come before it can be sent. Resolves when it has applied
   * it; false: it is gone.
   */
  update(update: TableUpdate): Promise<boolean> {
    if (this.#applying === null) return this.#send(update)
    this.#pending = mergeUpdates(this.#pending, update)
    this.#applyingNext ??= this.#applying.then(() => this.#sendPending())
    return this.#applyingNext
  }

  share(facts: Iterable<SharedFact>): void {
    this.#outbox.add(facts)
  }

  /** What a worker has to know before its first table. */
  teach(facts: readonly SharedFact[]): void {
    this.#process.send({ type: 'facts', facts })
  }

  setMembers(members: readonly number[]): Promise<boolean> {
    return this.#process.ask({ type: 'members', members })
  }

  prepareHandOver(): Promise<boolean> {
    return this.#process.ask({ type: 'prepare-hand-over' })
  }

  /** Resolves when `reported` is no older than this call; false: the worker is gone. */
  refreshStatus(): Promise<boolean> {
    if (this.#status === null) return this.#askStatus()
    // What is on its way may have left before what the caller has just done.
    this.#nextStatus ??= this.#status.then(() => this.#askStatus())
    return this.#nextStatus
  }

  /** null: it is gone, or has too many such questions before it. */
  async inspect(
    keys: readonly ServicePortKey[],
    clientIp: string | null,
  ): Promise<readonly ServicePortInspection[] | null> {
    if (this.#inspections >= maxInspections) return null
    this.#inspections++
    return await this.#process.inspect(keys, clientIp).finally(() => this.#inspections--)
  }

  tick(): void {
    this.#process.tick()
  }

  tell(message: Extract<ToWorker, { readonly type: 'drain' | 'close' | 'reopen-access-log' }>): void {
    this.#process.send(message)
  }

  kill(): void {
    this.#process.kill()
  }

  #askStatus(): Promise<boolean> {
    this.#nextStatus = null
    this.#status = this.#process.ask({ type: 'status' }).finally(() => (this.#status = null))
    return this.#status
  }

  #send(update: TableUpdate): Promise<boolean> {
    this.#outbox.flush()
    const { parts, last } = splitUpdate(update)
    for (const servicePorts of parts) this.#process.send({ type: 'part', servicePorts })
    this.#applying = this.#process.ask({ type: 'apply', update: last }).then(applied => {
      this.#applying = null
      if (applied) this.#applied = update.generation
      this.#options.onApplied()
      return applied
    })
    return this.#applying
  }

  #sendPending(): Promise<boolean> {
    const update = this.#pending
    this.#pending = null
    this.#applyingNext = null
    return update === null || this.ended ? Promise.resolve(false) : this.#send(update)
  }
}
