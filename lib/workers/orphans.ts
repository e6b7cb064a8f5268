// Workers whose agent was killed serve on, and wait on a socket in the state directory for an agent that takes new
// clients in their place. This is that agent's side: it looks for them, tells them to take nobody new, and clears away
// what dead ones have left there.

import { readdir, rm } from 'node:fs/promises'
import net from 'node:net'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { RelayError, reasonOf } from '../model/error.ts'
import type { Clock, Timer } from '../ops/clock.ts'
import type { Log } from '../ops/log.ts'
import { processArguments } from '../ops/process-arguments.ts'

export interface OrphanWatchOptions {
  /** The state directory; null: there is no place to meet. */
  readonly stateDir: string | null
  readonly log: Log
  readonly clock: Clock
  /** Resolves when new clients are taken here. */
  readonly after: Promise<void>
  /** For how long their connections may go on; null: until they end. */
  readonly drainTimeoutMs: () => number | null
}

/** In the state directory: "PID.sock". */
export const orphanFolder = 'workers'

/** An agent beside this one may be killed at any time, and its workers be orphans from then on. */
const lookEveryMs = 5000
const answerWithinMs = 5000
/** A worker sends its agent the last counters, and ends. */
const endWithinMs = 10_000

/** Looks for orphans once `after` has resolved and from time to time; returns what ends that. */
export function watchOrphans(options: OrphanWatchOptions): () => void {
  const { stateDir, log, clock, after, drainTimeoutMs } = options
  if (stateDir === null) return () => {}
  const folder = path.join(stateDir, orphanFolder)
  let timer: Timer | null = null
  let stopped = false
  const look = async (): Promise<void> => {
    if (stopped) return
    for (const name of await socketsIn(folder)) {
      if (!stopped) await tell(path.join(folder, name), drainTimeoutMs(), log)
    }
    if (!stopped) timer = clock.after(lookEveryMs, () => void look())
  }
  // Where the workers don't start, nobody is to stop serving.
  after.then(look, () => {})
  return () => {
    stopped = true
    timer?.cancel()
  }
}

/**
 * Ends those that wait there now, and their connections; resolves with how many there were when they are gone.
 * @throws ABORTED for those that don't answer or don't end, when all others are gone.
 */
export async function endOrphans(stateDir: string): Promise<number> {
  const folder = path.join(stateDir, orphanFolder)
  const ended: number[] = []
  const problems: string[] = []
  for (const name of await socketsIn(folder)) {
    const file = path.join(folder, name)
    try {
      await sendLine(file, JSON.stringify({ type: 'drain', timeoutMs: 0 }))
      ended.push(Number(path.basename(file, '.sock')))
    } catch (error) {
      if (!['ENOENT', 'ECONNREFUSED'].includes((error as NodeJS.ErrnoException).code ?? '')) {
        problems.push(`the worker that waits at ${file} can't be told to end (${reasonOf(error)})`)
        continue
      }
    }
    await rm(file, { force: true })
  }
  const until = performance.now() + endWithinMs
  for (const pid of ended) {
    while (isWorker(pid) && performance.now() < until) await delay(20)
    if (isWorker(pid)) problems.push(`worker ${pid} doesn't end`)
  }
  if (problems.length > 0) throw new RelayError('ABORTED', `${problems.join('; ')}: kill it, and try again`)
  return ended.length
}

/** Its number may mean another process by now, or always have: where it has its own PID namespace. */
function isWorker(pid: number): boolean {
  return isAlive(pid) && (processArguments(pid)?.includes('worker') ?? true)
}

async function socketsIn(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).filter(name => /^\d+\.sock$/.test(name))
  } catch {
    return []
  }
}

async function tell(file: string, timeoutMs: number | null, log: Log): Promise<void> {
  const pid = Number(path.basename(file, '.sock'))
  try {
    await sendLine(file, JSON.stringify({ type: 'drain', timeoutMs }))
    log.info({ pid }, 'a worker of an earlier agent was still serving: it takes nobody new from now on')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return
    // A dead one's. A living one is about to listen, or another process has its number by now: it is looked at again.
    if (code === 'ECONNREFUSED' && isAlive(pid)) return
    if (code !== 'ECONNREFUSED') {
      log.warn({ pid }, `a worker of an earlier agent can't be told to end at ${file}: ${reasonOf(error)}`)
      return
    }
  }
  await rm(file, { force: true }).catch(() => {})
}

/** Sends one line; resolves when the other side has closed, which it does when it has read the line. */
function sendLine(file: string, line: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(file)
    socket.setTimeout(answerWithinMs, () =>
      socket.destroy(new Error(`no answer within ${answerWithinMs / 1000} s`)),
    )
    socket.on('error', reject)
    socket.on('connect', () => socket.end(`${line}\n`))
    socket.on('close', failed => {
      if (!failed) resolve()
    })
    socket.resume()
  })
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
