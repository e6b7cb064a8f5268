// The data plane in worker processes: each opens its own listeners on every address and gets the same table. The pool
// keeps them alive and equal, and speaks for all of them. A worker that dies or hangs never holds the others up.

import type {
  ConnectionStatus,
  DataPlane,
  DataPlaneStatus,
  ServicePortStatus,
} from '../dataplane/data-plane.ts'
import type { SharedFact } from '../dataplane/shared-facts.ts'
import type { ServicePort, ServicePortKey, TableUpdate } from '../model/proxy-table.ts'
import { applyDiff } from '../model/table-diff.ts'
import type { Clock, Timer } from '../ops/clock.ts'
import type { ServicePortInspection } from '../ops/endpoint-detail.ts'
import type { Log } from '../ops/log.ts'
import type { AccessCounts } from '../ops/access-record.ts'
import { addDialTimes, noDialTimes, type DialTimes } from '../ops/dial-times.ts'
import { addCounts, noRestarts, type WorkerRestarts, type WorkerStatus } from '../ops/status.ts'
import { FactBoard } from './fact-board.ts'
import { factsPerMessage } from './fact-outbox.ts'
import { mergeInspections, mergeServicePorts, retiredCounts } from './merge-status.ts'
import type { WorkerOptions } from './messages.ts'
import { PoolWorker } from './pool-worker.ts'
import { restartDelayMs } from './restart-delay.ts'

export interface WorkerPoolOptions {
  /** How many; at least 1. */
  readonly workers: number
  /** How to start one: the program with all its arguments, [execPath, ...execArgv, entry, 'worker']. */
  readonly command: readonly string[]
  readonly options: WorkerOptions
  readonly log: Log
  readonly clock: Clock
  readonly env?: NodeJS.ProcessEnv
  /** What another pool's workers have found out (`facts`), for these to begin with. */
  readonly facts?: Iterable<SharedFact>
  /** How often a worker is asked for a sign of life. */
  readonly pingEveryMs?: number
  /** A worker that gave none for so long is killed. */
  readonly hungAfterMs?: number
}

/** A place for a worker: one has its index at any time, or will have it. */
interface Place {
  readonly index: number
  worker: PoolWorker | null
  restart: Timer | null
  /** How many in a row ended soon after their start. */
  shortLives: number
  /** Since when nobody serves here. */
  missingSince: number | null
}

/** For how long an answer is waited for that can be done without. */
const patienceMs = 1000
/** Heartbeats without an answer after which nobody waits for a worker any more, though it isn't given up yet. */
const patientTicks = 2
/** A program that takes longer than this from its start to its first word won't say one. */
const startTimeoutMs = 60_000
/** So many heartbeats lie between two looks at the counters, which would be lost with a worker that is killed. */
const ticksPerStatus = 5
const ticksPerPrune = 60
const closeTimeoutMs = 2000
/** A worker that ends sooner is likely to end again. */
const shortLifeMs = 10_000
/** What a worker gets beyond its drain timeout to end its connections and itself. */
const drainSlackMs = 10_000

export class WorkerPool implements DataPlane {
  /**
   * Resolves when every worker is up and takes updates; rejects with the reason when one ended before that. The pool
   * goes on trying all the same: a caller that doesn't want it has to close it.
   */
  readonly started: Promise<void>
  readonly #options: WorkerPoolOptions
  readonly #pingEveryMs: number
  readonly #hungAfterMs: number
  readonly #places: readonly Place[]
  readonly #leaving = new Set<PoolWorker>()
  /** The indexes that share the frontends that only one of them may have. */
  readonly #members: Set<number>
  readonly #board: FactBoard
  readonly #retired = new Map<ServicePortKey, ConnectionStatus>()
  #retiredLines: AccessCounts = { written: 0, dropped: 0 }
  #retiredDials: DialTimes = noDialTimes
  readonly #table = new Map<ServicePortKey, ServicePort>()
  /** What the table is, besides its service ports; null before the first update. */
  #head: Pick<TableUpdate, 'generation' | 'localSources'> | null = null
  #waiting: { readonly generation: number; readonly resolve: () => void }[] = []
  #restarts: WorkerRestarts = noRestarts
  #heartbeat: Timer
  #ticks = 0
  /** From drain or close on: nobody is replaced. */
  #stopping = false
  readonly #ended = Promise.withResolvers<void>()

  constructor(options: WorkerPoolOptions) {
    this.#options = options
    const { workers, clock, pingEveryMs = 1000, hungAfterMs = 10_000, facts = [] } = options
    this.#pingEveryMs = pingEveryMs
    this.#hungAfterMs = hungAfterMs
    this.#board = new FactBoard(clock)
    this.#board.learn(facts)
    this.#places = Array.from({ length: workers }, (_, index) => ({
      index,
      worker: null,
      restart: null,
      shortLives: 0,
      missingSince: null,
    }))
    // Those that start together share the frontends from the start, or each would have to give some up to the next.
    this.#members = new Set(this.#places.map(({ index }) => index))
    this.started = Promise.all(this.#places.map(place => this.#startFirst(place))).then(() => {})
    this.started.catch(() => {})
    this.#heartbeat = clock.after(this.#pingEveryMs, () => this.#tick())
  }

  /** What the workers have found out, for a pool that takes this one's place. */
  facts(): Iterable<SharedFact> {
    return this.#board.facts()
  }

  /** Resolves when every worker that is alive and answers has applied it, and at least one has. */
  async apply(update: TableUpdate): Promise<void> {
    this.#learnTable(update)
    for (const worker of this.#living()) if (worker.fed) void worker.update(update)
    await new Promise<void>(resolve => {
      this.#waiting.push({ generation: update.generation, resolve })
      this.#settle()
    })
  }

  /** Never waits for longer than a second: a worker that doesn't answer is shown as it was last known. */
  async status(): Promise<DataPlaneStatus> {
    const living = [...this.#living()].filter(worker => worker.ready)
    const answered = new Set<PoolWorker>()
    const refresh = async (worker: PoolWorker): Promise<void> => {
      if (await worker.refreshStatus()) answered.add(worker)
    }
    await this.#within(patienceMs, Promise.all(living.map(refresh)))
    const workers = [...this.#living()].flatMap(worker => workerStatus(worker, answered.has(worker)))
    const serving = [...this.#living()].filter(({ phase }) => phase === 'serving')
    const sum = (count: (worker: WorkerStatus) => number): number =>
      workers.reduce((total, worker) => total + count(worker), 0)
    return {
      pid: process.pid,
      engine: workers[0]?.engine ?? 'none',
      generation: serving.length === 0 ? 0 : Math.min(...serving.map(({ applied }) => applied)),
      activeConnections: sum(worker => worker.activeConnections),
      udpFlows: sum(worker => worker.udpFlows),
      descriptors: {
        used: sum(({ descriptors }) => descriptors.used),
        limit: sum(({ descriptors }) => descriptors.limit),
        accepting: workers.some(({ draining, descriptors }) => !draining && descriptors.accepting),
      },
      servicePorts: this.#servicePorts(),
      workers,
      workerRestarts: this.#restarts,
      dialTimes: workers.reduce((total, { dialTimes }) => addDialTimes(total, dialTimes), this.#retiredDials),
      ...(this.#options.options.accessLog && { accessLog: this.#accessLines(workers) }),
    }
  }

  /** From the workers that answer within a second. Counts of workers that are gone are gone with them. */
  async inspect(
    keys: readonly ServicePortKey[],
    clientIp: string | null,
  ): Promise<readonly ServicePortInspection[]> {
    const found: (readonly ServicePortInspection[])[] = []
    const ask = async (worker: PoolWorker): Promise<void> => {
      found.push((await worker.inspect(keys, clientIp)) ?? [])
    }
    const asked = [...this.#living()].filter(worker => worker.ready).map(ask)
    await this.#within(patienceMs, Promise.all(asked))
    return mergeInspections(found)
  }

  /** For a file that has been renamed. */
  reopenAccessLog(): void {
    for (const worker of this.#living()) if (worker.ready) worker.tell({ type: 'reopen-access-log' })
  }

  /** To be called before another data plane opens the same addresses (a reload): UDP flows stay here from now on. */
  async prepareHandOver(): Promise<void> {
    await this.#within(patienceMs, Promise.all(this.#serving().map(worker => worker.prepareHandOver())))
  }

  /** Also ends the processes, each when nothing is left in it. No worker is replaced from now on. */
  async drain(timeoutMs: number | null): Promise<void> {
    this.#stop()
    for (const worker of this.#living()) {
      if (worker.ready) worker.tell({ type: 'drain', timeoutMs })
      else worker.kill()
    }
    const slack = timeoutMs === null ? null : this.#killAfter(timeoutMs + drainSlackMs)
    await this.#ended.promise
    slack?.cancel()
  }

  async close(): Promise<void> {
    this.#stop()
    for (const worker of this.#living()) {
      if (worker.ready) worker.tell({ type: 'close' })
      else worker.kill()
    }
    const slack = this.#killAfter(closeTimeoutMs)
    await this.#ended.promise
    slack.cancel()
  }

  #stop(): void {
    this.#stopping = true
    for (const place of this.#places) {
      place.restart?.cancel()
      if (place.worker !== null) this.#leave(place, place.worker)
    }
    this.#endIfEmpty()
  }

  #killAfter(ms: number): Timer {
    return this.#options.clock.after(ms, () => {
      for (const worker of this.#living()) worker.kill()
    })
  }

  #endIfEmpty(): void {
    if (!this.#stopping || this.#leaving.size > 0) return
    this.#heartbeat.cancel()
    this.#settle()
    this.#ended.resolve()
  }

  *#living(): Generator<PoolWorker> {
    for (const { worker } of this.#places) if (worker !== null && !worker.ended) yield worker
    for (const worker of this.#leaving) if (!worker.ended) yield worker
  }

  #serving(): readonly PoolWorker[] {
    return this.#places.flatMap(({ worker }) => (worker?.phase === 'serving' ? worker : []))
  }

  /** Resolves when this place's first worker serves; rejects when it ends before. */
  #startFirst(place: Place): Promise<void> {
    return new Promise((resolve, reject) => this.#start(place, { resolve, reject }))
  }

  #start(
    place: Place,
    first: { readonly resolve: () => void; readonly reject: (error: Error) => void } | null,
  ): void {
    const { command, clock, log, env = process.env } = this.#options
    const { index } = place
    place.restart = null
    place.worker = new PoolWorker({
      index,
      command,
      clock,
      env,
      onReady: worker => {
        void this.#bringUp(place, worker).then(serves => {
          if (serves) first?.resolve()
        })
      },
      onApplied: () => this.#settle(),
      onFacts: (worker, facts) => this.#share(worker, facts),
      onDraining: worker => this.#onDraining(place, worker),
      onEnd: (worker, reason) => {
        first?.reject(new Error(`worker ${index} has ended before it served: ${reason}`))
        this.#onEnd(place, worker, reason)
      },
    })
    log.debug({ worker: index, pid: place.worker.pid }, 'worker starts')
  }

  /** From a process that listens to us to a worker like the others. True when it serves. */
  async #bringUp(place: Place, worker: PoolWorker): Promise<boolean> {
    const { options, clock, log } = this.#options
    const { index, pid } = worker
    const isMember = this.#members.has(index)
    const started = worker.start(options, [...this.#members])
    this.#teach(worker)
    const table = this.#snapshot()
    worker.fed = true
    const ready = await (table === null ? started : worker.update(table))
    if (!ready || (!isMember && !(await this.#join(worker)))) return false
    if (worker.phase !== 'starting' || worker.ended) return false
    worker.phase = 'serving'
    if (place.missingSince !== null) {
      const gapMs = Math.round(clock.now() - place.missingSince)
      place.missingSince = null
      this.#restarts = { ...this.#restarts, lastGapMs: gapMs }
      log.info({ worker: index, pid, gapMs }, 'a new worker serves in the place of the one that ended')
    }
    this.#settle()
    return true
  }

  /** Gives a worker that comes later its share of the frontends that only one worker may have. */
  async #join(worker: PoolWorker): Promise<boolean> {
    this.#members.add(worker.index)
    const members = [...this.#members]
    // In this order nothing is lost: what others give up stays open for a moment.
    await this.#within(patienceMs, Promise.all(this.#serving().map(other => other.setMembers(members))))
    return worker.setMembers([...this.#members])
  }

  #onDraining(place: Place, worker: PoolWorker): void {
    if (place.worker !== worker) return
    this.#leave(place, worker)
    if (this.#stopping) return
    this.#options.log.warn(
      { worker: place.index, pid: worker.pid },
      'worker was told to stop; it is replaced',
    )
    this.#count('stopped')
    place.missingSince ??= this.#options.clock.now()
    this.#loseMember(place.index)
    this.#start(place, null)
  }

  #onEnd(place: Place, worker: PoolWorker, reason: string): void {
    const { clock, log } = this.#options
    this.#retire(worker)
    if (!this.#leaving.delete(worker) && place.worker === worker) {
      place.worker = null
      this.#loseMember(place.index)
      this.#count(worker.hung ? 'hung' : 'crashed')
      const now = clock.now()
      place.missingSince ??= now
      place.shortLives = now - worker.startedAt < shortLifeMs ? place.shortLives + 1 : 0
      const delayMs = restartDelayMs(place.shortLives)
      log.error({ worker: place.index, pid: worker.pid, reason, restartInMs: delayMs }, 'worker has ended')
      if (delayMs === 0) this.#start(place, null)
      else place.restart = clock.after(delayMs, () => this.#start(place, null))
    } else if (worker.hung) {
      log.error({ worker: place.index, pid: worker.pid, reason }, 'draining worker has ended')
    }
    this.#settle()
    this.#endIfEmpty()
  }

  /** It goes on with what it has, and another one may take its place. */
  #leave(place: Place, worker: PoolWorker): void {
    worker.phase = 'leaving'
    this.#leaving.add(worker)
    place.worker = null
  }

  #loseMember(index: number): void {
    const clients = this.#board.forgetWorker(index)
    this.#members.delete(index)
    for (const other of this.#serving()) {
      other.share(clients)
      void other.setMembers([...this.#members])
    }
  }

  #count(what: 'crashed' | 'hung' | 'stopped'): void {
    this.#restarts = { ...this.#restarts, [what]: this.#restarts[what] + 1 }
  }

  #tick(): void {
    const { clock, log } = this.#options
    this.#ticks++
    for (const worker of this.#living()) {
      if (worker.ready) worker.tick()
      const silent = worker.ready
        ? worker.silentTicks * this.#pingEveryMs >= hungAfterMs(worker, this.#hungAfterMs)
        : clock.now() - worker.startedAt >= startTimeoutMs
      if (silent) {
        if (!worker.hung) {
          log.error({ worker: worker.index, pid: worker.pid }, 'worker gives no sign of life; it is killed')
        }
        worker.hung = true
        worker.kill()
      } else if (this.#ticks % ticksPerStatus === 0 && worker.ready) void worker.refreshStatus()
    }
    if (this.#ticks % ticksPerPrune === 0) this.#board.prune(key => this.#affinityTimeoutMs(key))
    // Nobody waits for a worker that has become silent.
    this.#settle()
    this.#heartbeat = clock.after(this.#pingEveryMs, () => this.#tick())
  }

  #affinityTimeoutMs(key: ServicePortKey): number | null | undefined {
    const port = this.#table.get(key)
    if (port === undefined) return undefined
    return port.affinityTimeoutSeconds === null ? null : port.affinityTimeoutSeconds * 1000
  }

  #share(from: PoolWorker, told: readonly SharedFact[]): void {
    // Its index may belong to another worker by now.
    if (from.phase === 'leaving') return
    const facts = told.map(fact => (fact.kind === 'client' ? { ...fact, worker: from.index } : fact))
    this.#board.learn(facts)
    for (const worker of this.#living()) if (worker !== from && worker.fed) worker.share(facts)
  }

  #teach(worker: PoolWorker): void {
    let batch: SharedFact[] = []
    for (const fact of this.#board.facts()) {
      batch.push(fact)
      if (batch.length < factsPerMessage) continue
      worker.teach(batch)
      batch = []
    }
    if (batch.length > 0) worker.teach(batch)
  }

  #learnTable(update: TableUpdate): void {
    const { generation, localSources } = update
    this.#head = { generation, localSources }
    if (update.type === 'delta') applyDiff(this.#table, update)
    else {
      this.#table.clear()
      for (const port of update.servicePorts) this.#table.set(port.key, port)
    }
    for (const key of this.#retired.keys()) if (!this.#table.has(key)) this.#retired.delete(key)
  }

  #snapshot(): TableUpdate | null {
    if (this.#head === null) return null
    return { type: 'snapshot', ...this.#head, servicePorts: [...this.#table.values()] }
  }

  /** Lets those go on who wait for an update that has been applied by now wherever it can be. */
  #settle(): void {
    this.#waiting = this.#waiting.filter(({ generation, resolve }) => {
      if (!this.#isApplied(generation)) return true
      resolve()
      return false
    })
  }

  #isApplied(generation: number): boolean {
    let somewhere = this.#stopping
    for (const worker of this.#living()) {
      if (worker.applied >= generation) somewhere = true
      else if (this.#isWaitedFor(worker)) return false
    }
    return somewhere
  }

  #isWaitedFor(worker: PoolWorker): boolean {
    if (worker.applied === 0) return this.#places[worker.index]?.missingSince === null
    return worker.phase !== 'starting' && worker.silentTicks < patientTicks
  }

  #accessLines(workers: readonly WorkerStatus[]): AccessCounts {
    return workers.reduce(
      (sum, { accessLog }) => (accessLog === undefined ? sum : addLines(sum, accessLog)),
      this.#retiredLines,
    )
  }

  /** What a worker has counted isn't lost with it. */
  #retire(worker: PoolWorker): void {
    const { accessLog: lines, dialTimes } = worker.reported.worker ?? {}
    if (lines !== undefined) this.#retiredLines = addLines(this.#retiredLines, lines)
    if (dialTimes !== undefined) this.#retiredDials = addDialTimes(this.#retiredDials, dialTimes)
    for (const { key, connections } of worker.reported.servicePorts) {
      if (!this.#table.has(key)) continue
      const counts = retiredCounts(connections)
      const before = this.#retired.get(key)
      this.#retired.set(key, before === undefined ? counts : addCounts(before, counts))
    }
  }

  #servicePorts(): readonly ServicePortStatus[] {
    const reported = [...this.#living()].map(worker => worker.reported.servicePorts)
    return mergeServicePorts(reported, this.#retired)
  }

  /** Resolves with the promise, or when the time is over. */
  async #within(ms: number, promise: Promise<unknown>): Promise<void> {
    const { promise: late, resolve } = Promise.withResolvers<void>()
    const timer = this.#options.clock.after(ms, resolve)
    await Promise.race([promise, late])
    timer.cancel()
  }
}

function addLines(a: AccessCounts, b: AccessCounts): AccessCounts {
  return { written: a.written + b.written, dropped: a.dropped + b.dropped }
}

/** The first table may be a large one, whose listeners keep a worker busy for a while: that is no hang. */
function hungAfterMs(worker: PoolWorker, usualMs: number): number {
  return worker.applied === 0 ? Math.max(startTimeoutMs, usualMs) : usualMs
}

/** Nothing of a worker that hasn't reported yet. */
function workerStatus(worker: PoolWorker, responding: boolean): WorkerStatus[] {
  const status = worker.reported.worker
  if (status === null) return []
  return [{ ...status, generation: worker.applied, draining: worker.phase === 'leaving', responding }]
}
