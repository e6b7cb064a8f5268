// The composition root of a worker: a data plane in a process of its own, told what to do by its agent over the IPC
// channel. It ends when it is told to, and only then: without its agent it is an orphan and serves on.

import { flushCompileCache } from 'node:module'
import { createNetEngine } from './dataplane/engines/net/net-engine.ts'
import { LocalDataPlane } from './dataplane/local-data-plane.ts'
import { reasonOf } from './model/error.ts'
import { openAccessLog, type AccessLog } from './ops/access-log.ts'
import { systemClock, type Clock } from './ops/clock.ts'
import { createLog, type Log } from './ops/log.ts'
import type { FromWorker, ToWorker } from './workers/messages.ts'
import { Orphan } from './workers/orphan.ts'
import { WorkerSession, type StartMessage } from './workers/worker-session.ts'

/** EX_SOFTWARE (sysexits.h): an error of ours. The agent starts another worker. */
const brokenCode = 70
/** What a process that is ended by SIGTERM is reported with. */
const terminatedCode = 143

/** Kept for the next worker only when this one has had the time to get to work (NODE_COMPILE_CACHE says where). */
const compiledAfterMs = 2000

/** What an agent that may itself be stuck gets to take the last message. */
const lastWordMs = 1000

/** Runs in a process that was started with an IPC channel; resolves with the code to exit with. */
export function runWorker(clock: Clock = systemClock): Promise<number> {
  return new Promise(resolve => {
    const worker = new Worker(clock, resolve)
    worker.run()
  })
}

interface Running {
  readonly plane: LocalDataPlane
  readonly session: WorkerSession
  readonly log: Log
  readonly accessLog: AccessLog | null
}

class Worker {
  readonly #clock: Clock
  readonly #end: (code: number) => void
  readonly #alive = setInterval(() => {}, 2 ** 30)
  #running: Running | null = null
  #start: StartMessage | null = null
  #orphan: Orphan | null = null
  #draining = false
  #ending = false

  constructor(clock: Clock, end: (code: number) => void) {
    this.#clock = clock
    this.#end = end
  }

  run(): void {
    process.on('uncaughtException', error => this.#break(error))
    // Whoever read the output may have gone with the agent.
    process.stdout.on('error', () => {})
    process.stderr.on('error', () => {})
    process.on('SIGTERM', () => this.#onSignal())
    // The agent's signal for it may be sent to all processes of a service, and is the only way to reach an orphan.
    process.on('SIGUSR2', () => this.#running?.accessLog?.reopen())
    process.on('SIGINT', () => this.#onSignal())
    // They mean the agent, and come here when they are sent to all processes of a service.
    for (const signal of ['SIGHUP', 'SIGQUIT'] as const) process.on(signal, () => {})
    process.on('disconnect', () => this.#onDisconnect())
    process.on('message', message => this.#onMessage(message as ToWorker))
    if (!process.connected) return this.#onDisconnect()
    this.#send({ type: 'ready' })
    this.#clock.after(compiledAfterMs, flushCompileCache)
  }

  #onMessage(message: ToWorker): void {
    if (message.type === 'start') this.#begin(message)
    else this.#running?.session.handle(message)
  }

  #begin(start: StartMessage): void {
    const { index, members, options } = start
    const clock = this.#clock
    const log = createLog({ ...options.log, fields: { worker: index, pid: process.pid } })
    const { vipNamespace, ...dataPlane } = options.dataPlane
    const random = Math.random
    const accessLog = options.accessLog
      ? openAccessLog(options.accessLog, { clock, log, random, wallClock: Date.now })
      : null
    const plane = new LocalDataPlane({
      ...dataPlane,
      ...(accessLog && { accessLog }),
      engine: createNetEngine({ vipNamespace }),
      clock,
      log,
      random,
      onFact: fact => session.tell(fact),
    })
    const session = new WorkerSession({
      index,
      plane,
      clock,
      log,
      send: (message, written) => this.#send(message, written),
      onReopenAccessLog: () => accessLog?.reopen(),
      onDrain: timeoutMs => this.#drain(timeoutMs),
      onClose: () => void plane.close().then(() => this.#finish(0)),
    })
    this.#start = start
    this.#running = { plane, session, log, accessLog }
    session.handle({ type: 'members', id: start.id, members })
  }

  /** Takes nobody new, and ends when nothing is left. Called again, it can only shorten the time. */
  #drain(timeoutMs: number | null): void {
    if (this.#running === null) return this.#finish(0)
    const { plane, session } = this.#running
    this.#draining = true
    session.draining = true
    void plane.drain(timeoutMs).then(() => this.#finish(0))
  }

  #onSignal(): void {
    if (this.#draining || this.#running === null) return this.#finish(terminatedCode)
    this.#send({ type: 'draining' })
    this.#orphan?.close()
    this.#drain(this.#start?.options.shutdownTimeoutMs ?? 0)
  }

  #onDisconnect(): void {
    if (this.#running === null || this.#start === null) return this.#finish(0)
    if (this.#draining || this.#ending) return
    const { log, plane, session } = this.#running
    const { orphanGraceMs, shutdownTimeoutMs, stateDir } = this.#start.options
    session.close()
    // The next agent's workers open the same addresses, and this one is told of them only afterwards.
    void plane.prepareHandOver(null)
    log.warn('the agent is gone: this worker serves on with the table it has')
    this.#orphan = new Orphan({
      stateDir,
      graceMs: orphanGraceMs,
      clock: this.#clock,
      log,
      onDrain: timeoutMs => this.#drain(timeoutMs === undefined ? shutdownTimeoutMs : timeoutMs),
    })
  }

  /** An error that nobody expected: what this process has in its memory can't be trusted any more. */
  #break(error: Error): void {
    const reason = reasonOf(error)
    if (this.#running === null) process.stderr.write(`kube-relay worker: ${reason}\n`)
    else this.#running.log.error({ err: error }, 'worker ends because of an unexpected error')
    this.#sayWhy(reason)
    this.#clock.after(lastWordMs, () => this.#exit(brokenCode))
  }

  #sayWhy(reason: string): void {
    const logged = this.#running?.accessLog?.close() ?? Promise.resolve()
    this.#send({ type: 'failed', reason }, () => void logged.then(() => this.#exit(brokenCode)))
  }

  /** Tells the agent the final counters, and ends. */
  #finish(code: number): void {
    if (this.#ending) return
    this.#ending = true
    this.#orphan?.close()
    this.#clock.after(lastWordMs, () => this.#exit(code))
    void this.#sayLast()
      .catch(() => {})
      .then(() => this.#exit(code))
  }

  async #sayLast(): Promise<void> {
    // Before the counters, which have its lines.
    await this.#running?.accessLog?.close()
    await this.#running?.session.report()
  }

  #exit(code: number): void {
    clearInterval(this.#alive)
    this.#end(code)
  }

  /** To an agent that is gone, nothing is sent. */
  #send(message: FromWorker, written: () => void = () => {}): void {
    if (process.send === undefined || !process.connected) return written()
    process.send(message, undefined, undefined, () => written())
  }
}
