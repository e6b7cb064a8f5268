// One worker's process, seen from its agent: started, spoken to, watched for signs of life, and gone once. Nothing that
// is sent waits for a worker that doesn't read: each kind of question is asked again only when it has been answered.

import { spawn, type ChildProcess } from 'node:child_process'
import { reasonOf } from '../model/error.ts'
import type { ServicePortKey } from '../model/proxy-table.ts'
import type { ServicePortInspection } from '../ops/endpoint-detail.ts'
import type { FromWorker, ToWorker } from './messages.ts'

/** A question that is answered with `done`. */
export type Question = Extract<ToWorker, { readonly id: number }>
type WithoutId<T> = T extends unknown ? Omit<T, 'id'> : never

export interface WorkerProcessOptions {
  readonly command: readonly string[]
  readonly env: NodeJS.ProcessEnv
  readonly onMessage: (message: Exclude<FromWorker, { readonly type: 'done' | 'inspected' }>) => void
  /** Called once, when the process is gone or never was; `reason` says how it ended. */
  readonly onEnd: (reason: string) => void
}

export class WorkerProcess {
  readonly #child: ChildProcess
  readonly #options: WorkerProcessOptions
  readonly #questions = new Map<number, (answered: boolean) => void>()
  /** What has come of inspections whose `done` is still due. */
  readonly #inspected = new Map<number, readonly ServicePortInspection[]>()
  #questionsAsked = 0
  #ended = false
  /** What the worker said itself of its end. */
  #failure: string | null = null
  #pinged = false
  #silentTicks = 0

  constructor(options: WorkerProcessOptions) {
    this.#options = options
    const [program = '', ...args] = options.command
    // In a process group of its own, and with the agent's own output: it outlives the agent, and Ctrl-C in a terminal
    // reaches the agent only.
    this.#child = spawn(program, args, {
      detached: true,
      env: options.env,
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.#child.on('message', message => this.#onMessage(message as FromWorker))
    // 'error' alone, without 'exit', means that there never was a process.
    this.#child.on('error', error => {
      if (this.#child.pid === undefined) this.#end(`can't be started: ${reasonOf(error)}`)
    })
    this.#child.once('exit', (code, signal) => {
      const how = signal === null ? `exit code ${code}` : signal
      this.#end(this.#failure === null ? how : `${this.#failure} (${how})`)
    })
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  get ended(): boolean {
    return this.#ended
  }

  /** How many heartbeats in a row it has left unanswered. */
  get silentTicks(): number {
    return this.#silentTicks
  }

  /** `written` is called when the worker's end of the channel has taken it, or never will. */
  send(message: ToWorker, written: () => void = () => {}): void {
    // A channel that is closed is the first that one hears of a worker's death: 'exit' follows.
    if (this.#ended || !this.#child.connected) return written()
    this.#child.send(message, () => written())
  }

  /** Asks, and resolves when the worker has done it; false if it is gone before that. */
  ask(question: WithoutId<Question>): Promise<boolean> {
    return this.#ask(question, ++this.#questionsAsked)
  }

  /** A closer look at a few service ports; null if it is gone before it has answered, or couldn't. */
  async inspect(
    keys: readonly ServicePortKey[],
    clientIp: string | null,
  ): Promise<readonly ServicePortInspection[] | null> {
    const id = ++this.#questionsAsked
    await this.#ask({ type: 'inspect', keys, clientIp }, id)
    const found = this.#inspected.get(id) ?? null
    this.#inspected.delete(id)
    return found
  }

  #ask(question: WithoutId<Question>, id: number): Promise<boolean> {
    if (this.#ended) return Promise.resolve(false)
    return new Promise(resolve => {
      this.#questions.set(id, resolve)
      this.send({ ...question, id })
    })
  }

  /** To be called at each heartbeat: asks for a sign of life, unless the last one is still due. */
  tick(): void {
    // Alive without a channel, it takes itself for an orphan: nobody could ever tell it anything again.
    if (!this.#child.connected) this.kill()
    if (this.#pinged) {
      this.#silentTicks++
      return
    }
    this.#pinged = true
    void this.ask({ type: 'ping' }).then(() => {
      this.#pinged = false
      this.#silentTicks = 0
    })
  }

  kill(): void {
    if (!this.#ended) this.#child.kill('SIGKILL')
  }

  #onMessage(message: FromWorker): void {
    if (message.type === 'done') {
      this.#questions.get(message.id)?.(true)
      this.#questions.delete(message.id)
      return
    }
    if (message.type === 'inspected') return void this.#inspected.set(message.id, message.servicePorts)
    if (message.type === 'failed') this.#failure = message.reason
    this.#options.onMessage(message)
  }

  #end(reason: string): void {
    if (this.#ended) return
    this.#ended = true
    for (const answered of this.#questions.values()) answered(false)
    this.#questions.clear()
    this.#options.onEnd(reason)
  }
}
