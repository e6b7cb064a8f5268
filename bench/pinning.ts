// Which cores are whose: the proxy on one set, the load generator and the server on the others, so that none of them
// takes the other's time and the scheduler moves nobody about. taskset does it; without it, or on one core, nothing is.

import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { promisify } from 'node:util'

const run = promisify(execFile)

export interface CoreSets {
  readonly proxy: readonly number[]
  readonly load: readonly number[]
}

export interface Pinning {
  /** Null: nothing is pinned. */
  readonly sets: CoreSets | null
  /** For the header of a report. */
  readonly describe: string
  /** All threads of the processes, and what they start from now on. A process that has ended is passed over. */
  pin(pids: readonly number[], role: keyof CoreSets): Promise<void>
}

/** The proxy gets a core for each thread, but leaves at least one to the load; null where there is one core only. */
export function divideCores(cores: readonly number[], threads: number): CoreSets | null {
  if (cores.length < 2) return null
  const most = cores.length - 1
  const count = Math.min(threads, most)
  return { load: cores.slice(0, cores.length - count), proxy: cores.slice(cores.length - count) }
}

/** "0-2,5" as in /proc/self/status. */
export function readCoreList(text: string): readonly number[] {
  return text.split(',').flatMap(range => {
    const [, from, to = from] = /^(\d+)(?:-(\d+))?$/.exec(range.trim()) ?? []
    const first = Number(from)
    const last = Number(to)
    return last >= first ? Array.from({ length: last - first + 1 }, (_, index) => first + index) : []
  })
}

export async function choosePinning(wanted: boolean, threads: number): Promise<Pinning> {
  if (!wanted) return noPinning('none, as asked for (--no-pin)')
  const sets = divideCores(allowedCores(), threads)
  if (sets === null) return noPinning('none: there is one core only, which the proxy and its load share')
  try {
    await run('taskset', ['--version'])
  } catch {
    return noPinning('none: taskset is missing (apt install util-linux)')
  }
  return {
    sets,
    describe: `proxy on core ${sets.proxy.join(',')}, load generator and server on core ${sets.load.join(',')}`,
    pin: async (pids, role) => {
      await Promise.all(pids.map(pid => pinOne(pid, sets[role])))
    },
  }
}

async function pinOne(pid: number, cores: readonly number[]): Promise<void> {
  try {
    await run('taskset', ['--all-tasks', '--cpu-list', '--pid', cores.join(','), String(pid)])
  } catch (error) {
    // A thread that ends meanwhile is no failure.
    if (threadsOf(pid) > 0 && !/No such process/.test(String(error))) throw error
  }
}

function noPinning(describe: string): Pinning {
  return { sets: null, describe, pin: async () => {} }
}

function allowedCores(): readonly number[] {
  try {
    const line = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))
    return readCoreList(line?.[1] ?? '')
  } catch {
    return []
  }
}

function threadsOf(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/task`).length
  } catch {
    return 0
  }
}
