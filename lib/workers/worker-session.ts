// The worker's end of the conversation with its agent: does what it is told with its data plane, answers, and passes on
// what the data plane finds out. It knows no process and no channel, only messages.

import type { DataPlane } from '../dataplane/data-plane.ts'
import type { SharedFact } from '../dataplane/shared-facts.ts'
import type { ServicePort } from '../model/proxy-table.ts'
import type { Clock } from '../ops/clock.ts'
import type { Log } from '../ops/log.ts'
import { FactOutbox } from './fact-outbox.ts'
import type { FromWorker, ToWorker } from './messages.ts'
import { joinUpdate } from './pending-update.ts'
import { StatusReporter } from './status-report.ts'

/** A data plane that shares addresses with others like it. */
export interface WorkerDataPlane extends DataPlane {
  prepareHandOver(): Promise<void>
  setMembers(own: number, members: readonly number[]): Promise<void>
  learn(facts: readonly SharedFact[]): void
}

export interface WorkerSessionOptions {
  readonly index: number
  readonly plane: WorkerDataPlane
  readonly clock: Clock
  readonly log: Log
  readonly send: (message: FromWorker, written?: () => void) => void
  readonly onReopenAccessLog: () => void
  readonly onDrain: (timeoutMs: number | null) => void
  readonly onClose: () => void
}

export class WorkerSession {
  readonly #options: WorkerSessionOptions
  readonly #reporter = new StatusReporter()
  readonly #outbox: FactOutbox
  /** What belongs to the next update. */
  #parts: ServicePort[] = []
  /** What is known of service ports that aren't there yet; null once there is a table. */
  #early: SharedFact[] | null = []
  draining = false

  constructor(options: WorkerSessionOptions) {
    this.#options = options
    this.#outbox = new FactOutbox(options.clock, (facts, written) =>
      options.send({ type: 'facts', facts }, written),
    )
  }

  /** The data plane has found something out. */
  tell(fact: SharedFact): void {
    this.#outbox.add([fact])
  }

  handle(message: Exclude<ToWorker, { readonly type: 'start' }>): void {
    const { plane, index } = this.#options
    switch (message.type) {
      case 'part':
        this.#parts.push(...message.servicePorts)
        break
      case 'apply': {
        const update = joinUpdate(this.#parts, message.update)
        this.#parts = []
        const applied = plane.apply(update)
        // Before any client can arrive at what this update opens.
        if (this.#early !== null) plane.learn(this.#early)
        this.#early = null
        this.#answer(message, applied)
        break
      }
      case 'members':
        this.#answer(message, plane.setMembers(index, message.members))
        break
      case 'prepare-hand-over':
        this.#answer(message, plane.prepareHandOver())
        break
      case 'facts':
        if (this.#early === null) plane.learn(message.facts)
        else this.#early.push(...message.facts)
        break
      case 'ping':
        this.#answer(message, Promise.resolve())
        break
      case 'status':
        this.#answer(message, this.report())
        break
      case 'inspect':
        this.#answer(message, this.#inspect(message))
        break
      case 'reopen-access-log':
        this.#options.onReopenAccessLog()
        break
      case 'drain':
        this.#options.onDrain(message.timeoutMs)
        break
      case 'close':
        this.#options.onClose()
        break
    }
  }

  /** Sends the status as it is now; resolves when the agent's end of the channel has it. */
  async report(): Promise<void> {
    const { plane, index, send } = this.#options
    const report = this.#reporter.report(await plane.status(), { index, draining: this.draining })
    await new Promise<void>(resolve => send(report, resolve))
  }

  async #inspect({ id, keys, clientIp }: Extract<ToWorker, { readonly type: 'inspect' }>): Promise<void> {
    const { plane, send } = this.#options
    send({ type: 'inspected', id, servicePorts: await plane.inspect(keys, clientIp) })
  }

  close(): void {
    this.#outbox.close()
  }

  /** The agent waits for the answer, so there is one even if the work fails; what failed is in the log. */
  #answer({ id, type }: Extract<ToWorker, { readonly id: number }>, work: Promise<void>): void {
    const { log, send } = this.#options
    void work
      .catch((error: unknown) => log.error({ err: error }, `worker: ${type} has failed`))
      .then(() => send({ type: 'done', id }))
  }
}

/** What a session is begun with: the first message. */
export type StartMessage = Extract<ToWorker, { readonly type: 'start' }>
