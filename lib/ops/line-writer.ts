// Appends lines to a file that other processes append to as well. Lines wait for a moment and go out together, whole
// ones only and one write at a time; nobody waits for a disk, and what it doesn't take in time is dropped and counted.
// The file can be renamed and opened anew (logrotate) without losing a line.

import { close, closeSync, constants, fstat, open, openSync, write, type Stats } from 'node:fs'
import { setImmediate, setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { reasonOf } from '../model/error.ts'
import type { AccessCounts } from './access-record.ts'
import type { Clock, Timer } from './clock.ts'
import type { Log } from './log.ts'

export interface LineWriterOptions {
  /** "-": standard output. */
  readonly path: string
  /** What the lines are, in our log. */
  readonly purpose: string
  readonly clock: Clock
  readonly log: Log
  /** How much may wait, in characters; what comes on top is dropped. */
  readonly maxQueued?: number
}

/** What goes out in one write: whole lines. */
interface Batch {
  text: string
  lines: number
}

interface Target {
  readonly descriptor: number
  /** Of a regular file each write is appended as a whole, unless the disk is full. */
  readonly regular: boolean
  /** Standard output itself, which isn't ours to close. */
  readonly borrowed: boolean
}

const flushAfterMs = 100
const flushAt = 65_536
/** pipe(7): PIPE_BUF. What other processes write can't come in between of no more than this. */
const maxPipeWrite = 4096
/** About a second of a busy node's connections. */
const defaultMaxQueued = 4 * 1024 * 1024
const retryAfterMs = 1000
const warnEveryMs = 60_000
const closeWithinMs = 800
/** At a close, for a reader that is slow. */
const tryAgainMs = 10

/**
 * O_NONBLOCK is for what isn't a file: nobody waits for a pipe's reader, and a pipe without one can't be opened.
 */
const openFlags =
  constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK | constants.O_NOCTTY
/** For its owner and those of its group, who read logs; nobody else learns who talks to whom. */
const fileMode = 0o640

const openAsync = promisify(open)
const closeAsync = promisify(close)
const statAsync = promisify(fstat) as (descriptor: number) => Promise<Stats>
const writeAsync = promisify(write) as (
  descriptor: number,
  data: Uint8Array,
) => Promise<{ readonly bytesWritten: number }>

export class LineWriter {
  readonly #options: LineWriterOptions
  readonly #maxQueued: number
  #batches: Batch[] = []
  /** Characters in all of them. */
  #queued = 0
  #written = 0
  #dropped = 0
  #timer: Timer | null = null
  #target: Target | null = null
  #reopen = true
  /** Settles when nothing more can be done for now. */
  #working: Promise<void> | null = null
  /** The last attempt has failed, or met a reader that is slow: the next one is the timer's. */
  #blocked = false
  #failing = false
  /** When each kind of problem was last told of. */
  readonly #warnedAt = new Map<string, number>()
  #closing: Promise<void> | null = null
  #closed = false

  constructor(options: LineWriterOptions) {
    this.#options = options
    this.#maxQueued = options.maxQueued ?? defaultMaxQueued
    this.#work()
  }

  counts(): AccessCounts {
    return { written: this.#written, dropped: this.#dropped }
  }

  /** `line` ends with "\n" and has no other one. */
  write(line: string): void {
    if (this.#closed || this.#queued + line.length > this.#maxQueued) return this.#drop()
    const last = this.#batches.at(-1)
    // The first one may be on its way.
    const isFree = last !== undefined && (this.#working === null || this.#batches.length > 1)
    if (isFree && last.text.length + line.length <= this.#maxBatch()) {
      last.text += line
      last.lines++
    } else this.#batches.push({ text: line, lines: 1 })
    this.#queued += line.length
    if (this.#queued < flushAt) this.#workAfter(flushAfterMs)
    else if (!this.#blocked) this.#work()
  }

  /** The next line goes to the file that has the name by then; where it can't be opened, to the one that is open. */
  reopen(): void {
    if (this.#options.path === '-') return
    this.#reopen = true
    this.#work()
  }

  /** Writes what waits, for less than a second. May be called twice. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    // The sockets of those who were reset just now close in these turns of the event loop, and each has a line to come.
    await setImmediate()
    await setImmediate()
    const { clock } = this.#options
    const late = Promise.withResolvers<void>()
    const timer = clock.after(closeWithinMs, late.resolve)
    await Promise.race([this.#finish(), late.promise])
    timer.cancel()
    this.#closed = true
    this.#timer?.cancel()
    for (const { lines } of this.#batches) this.#dropped += lines
    this.#batches = []
    // One that is on its way may never come back.
    if (this.#working === null) await this.#release()
  }

  /** Resolves when nothing waits, or the file can't be written. */
  async #finish(): Promise<void> {
    for (;;) {
      this.#work()
      await this.#working
      if (this.#batches.length === 0 || this.#failing || this.#closed) return
      // Unlike the clock's, this keeps a process alive that has nothing else to do any more.
      await delay(tryAgainMs)
    }
  }

  #maxBatch(): number {
    return this.#target?.regular ? flushAt : maxPipeWrite
  }

  #drop(): void {
    this.#dropped++
    if (!this.#failing && !this.#closed) {
      this.#warn('lines come faster than they can be written, and some are dropped')
    }
  }

  #workAfter(ms: number): void {
    this.#timer ??= this.#options.clock.after(ms, () => {
      this.#timer = null
      this.#work()
    })
  }

  #work(): void {
    if (this.#working !== null || this.#closed) return
    this.#timer?.cancel()
    this.#timer = null
    this.#working = this.#writeAll().finally(() => {
      this.#working = null
      if (this.#blocked) this.#workAfter(this.#failing ? retryAfterMs : flushAfterMs)
      else if (this.#reopen || this.#queued >= flushAt) this.#work()
      else if (this.#batches.length > 0) this.#workAfter(flushAfterMs)
    })
  }

  /** Never rejects. */
  async #writeAll(): Promise<void> {
    this.#blocked = false
    try {
      if (this.#reopen) await this.#open()
      // What comes meanwhile waits for its own turn, or each line would be a write of its own.
      let left = this.#batches.length
      while (left > 0 && !this.#closed && this.#target !== null) {
        const [batch] = this.#batches as [Batch]
        if (await this.#writeBatch(this.#target, batch)) {
          this.#batches.shift()
          left--
        }
        if (this.#reopen) await this.#open()
      }
      this.#recovered()
    } catch (error) {
      // A pipe or a terminal whose reader is slow.
      this.#blocked = true
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') this.#failed(error)
    }
  }

  /** False: the rest of the batch is still to be written. */
  async #writeBatch({ descriptor, regular }: Target, batch: Batch): Promise<boolean> {
    const data = Buffer.from(batch.text)
    const { bytesWritten } = await writeAsync(descriptor, data)
    if (bytesWritten === data.length) {
      this.#written += batch.lines
      this.#queued -= batch.text.length
      return true
    }
    const done = data.toString('utf8', 0, bytesWritten)
    const whole = done.slice(0, done.lastIndexOf('\n') + 1)
    const lines = whole.split('\n').filter(Boolean).length
    // In a full file somebody else may be the next to write: the torn line is ended, and written again as a whole.
    const isTorn = regular && done.length > whole.length
    const rest = isTorn ? `\n${batch.text.slice(whole.length)}` : batch.text.slice(done.length)
    this.#written += lines
    this.#queued += rest.length - batch.text.length
    batch.text = rest
    batch.lines -= lines
    return false
  }

  async #open(): Promise<void> {
    this.#reopen = false
    const { path } = this.#options
    try {
      const next = path === '-' ? await openStandardOutput() : await openFile(path)
      await this.#release()
      this.#target = next
    } catch (error) {
      if (this.#target === null) throw error
      this.#warn("can't be opened anew, lines go on to the file that was open", error)
    }
  }

  async #release(): Promise<void> {
    const target = this.#target
    this.#target = null
    // Nothing is lost by a close that fails: what was written has been taken.
    if (target !== null && !target.borrowed) await closeAsync(target.descriptor).catch(() => {})
  }

  #failed(error: unknown): void {
    if (!this.#failing) this.#warn("can't be written, lines are kept for a while", error)
    this.#failing = true
    this.#reopen = true
  }

  #recovered(): void {
    if (!this.#failing) return
    this.#failing = false
    const { log, path, purpose } = this.#options
    log.info({ path, dropped: this.#dropped }, `${purpose}: is written again`)
  }

  #warn(problem: string, error?: unknown): void {
    const { clock, log, path, purpose } = this.#options
    const now = clock.now()
    if (now - (this.#warnedAt.get(problem) ?? -Infinity) < warnEveryMs) return
    this.#warnedAt.set(problem, now)
    const reason = error === undefined ? '' : `: ${reasonOf(error)}`
    log.warn({ path, dropped: this.#dropped }, `${purpose}: ${problem}${reason}`)
  }
}

/** Makes the file, if it isn't there, and leaves it as it is; throws the system's error where it can't be written. */
export function prepareLineFile(path: string): void {
  if (path !== '-') closeSync(openSync(path, openFlags, fileMode))
}

async function openFile(path: string): Promise<Target> {
  const descriptor = await openAsync(path, openFlags, fileMode)
  return { descriptor, regular: (await statAsync(descriptor)).isFile(), borrowed: false }
}

/**
 * Opened anew, where that is possible: what others have open as their standard output, or error, must not become
 * non-blocking for them. A socket (journald's) can't be, and is written as it is.
 */
async function openStandardOutput(): Promise<Target> {
  const kind = await statAsync(1)
  const flags = openFlags & ~constants.O_CREAT
  const descriptor = kind.isSocket() ? 1 : await openAsync('/proc/self/fd/1', flags).catch(() => 1)
  return { descriptor, regular: kind.isFile(), borrowed: descriptor === 1 }
}
