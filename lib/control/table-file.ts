// The last good table, kept in the state directory for a start without an API server. What is there under its name is
// always whole: written beside it, flushed, renamed. A file that can't be used is told of in one line and ignored, and
// a disk that takes nothing costs one warning: what is served never waits for it.

import { randomUUID } from 'node:crypto'
import { closeSync, constants, fstatSync, openSync, readFileSync, statSync, type Stats } from 'node:fs'
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { reasonOf } from '../model/error.ts'
import type { TableSnapshot } from '../model/proxy-table.ts'
import type { TableSaves } from '../ops/agent-metrics.ts'
import type { Clock, Timer } from '../ops/clock.ts'
import type { Log } from '../ops/log.ts'
import { decodeTable, encodeTable } from './table-file-format.ts'

export interface TableFileOptions {
  /** This node's name: a table is of one node only. */
  readonly node: string
  readonly log: Log
  readonly clock: Clock
}

export interface TableFile {
  readonly path: string
  /** What became of the attempts to write. */
  readonly saves: TableSaves
  /** The table of an earlier run; null where there is none, or none that can be used: the log says why. */
  load(): TableSnapshot | null
  /**
   * There is a new table. It is taken when it is written, at most every 5 s; of several the last one wins, and one of a
   * generation that is there already isn't written.
   */
  save(take: () => TableSnapshot): void
  /**
   * Writes what is still to be written, unless another process (or a successor in this one) has written since: its
   * table is the newer one. Waits 5 s at most for a disk that hangs. May be called twice.
   */
  close(): Promise<void>
}

/** In the state directory. */
export const tableFileName = 'table.jsonl'

const saveEveryMs = 5000
/** After a failure, for as long as nothing changes either. */
const retryMs = 30_000
const closeTimeoutMs = 5000

/** A table of 10,000 Services with ten endpoints each has 8 MB. */
const largestFile = 256 * 1024 * 1024

/** What a process that was killed while writing has left behind. Another living one may be writing just now. */
const temporaryName = /^table\.jsonl\.[0-9a-f-]{36}\.tmp$/
const abandonedAfterMs = 600_000

/** Never fails: a directory that can't be made or written shows when something is saved. */
export function openTableFile(directory: string, options: TableFileOptions): TableFile {
  const { node, log, clock } = options
  const file = path.join(directory, tableFileName)
  let pending: (() => TableSnapshot) | null = null
  let writing: Promise<void> | null = null
  let timer: Timer | null = null
  let notBefore = Number.NEGATIVE_INFINITY
  let savedGeneration = 0
  let own: string | null = null
  const saves = { saved: 0, failed: 0 }
  let failing = false
  let closed = false

  const schedule = (): void => {
    if (pending === null || writing !== null || closed) return
    timer?.cancel()
    timer = null
    const waitMs = notBefore - clock.now()
    if (waitMs > 0) timer = clock.after(waitMs, schedule)
    else start()
  }

  const start = (): void => {
    writing = write().finally(() => {
      writing = null
      schedule()
    })
  }

  const write = async (): Promise<void> => {
    const take = pending
    if (take === null) return
    pending = null
    notBefore = clock.now() + saveEveryMs
    try {
      const snapshot = take()
      if (snapshot.generation === savedGeneration) return
      await writeWhole(directory, file, encodeTable(snapshot, node))
      savedGeneration = snapshot.generation
      own = identityOf(await stat(file))
      if (failing) log.info({ path: file }, 'the table is kept on disk again')
      failing = false
      saves.saved++
    } catch (error) {
      pending ??= take
      notBefore = clock.now() + retryMs
      if (!failing)
        log.warn({ path: file }, `the table can't be kept on disk, trying again: ${reasonOf(error)}`)
      failing = true
      saves.failed++
    }
  }

  /** Whether what is under the file's name isn't what this one has read or written last. */
  const isTakenOver = async (): Promise<boolean> => {
    if (own === null) return false
    const now = await stat(file).then(identityOf, () => own)
    return now !== own
  }

  void removeAbandoned(directory)
  return {
    path: file,
    saves,
    load() {
      const found = readTable(directory, file, node)
      if (found === null) return null
      if ('problem' in found) {
        log.warn({ path: file }, `${file} is ignored: ${found.problem}`)
        return null
      }
      own = found.identity
      const { generation, asOf, servicePorts } = found.table
      log.info(
        { path: file, generation, asOf: new Date(asOf).toISOString(), servicePorts: servicePorts.length },
        'found the table of an earlier run',
      )
      return found.table
    },
    save(take) {
      if (closed) return
      pending = take
      schedule()
    },
    async close() {
      closed = true
      timer?.cancel()
      const finish = async (): Promise<void> => {
        await writing
        if (pending !== null && !(await isTakenOver())) await write()
        pending = null
      }
      const { promise: timeout, resolve } = Promise.withResolvers<void>()
      const limit = clock.after(closeTimeoutMs, () => {
        log.warn({ path: file }, 'the table is not written: the disk takes too long')
        resolve()
      })
      await Promise.race([finish(), timeout])
      limit.cancel()
    },
  }
}

type Found = { readonly table: TableSnapshot; readonly identity: string } | { readonly problem: string }

function readTable(directory: string, file: string, node: string): Found | null {
  let descriptor: number
  try {
    // Neither a link to elsewhere nor a pipe that would keep us waiting.
    descriptor = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return null
    return { problem: code === 'ELOOP' ? 'it is a symbolic link' : reasonOf(error) }
  }
  try {
    const stats = fstatSync(descriptor)
    const problem = problemOf(stats) ?? trustProblem(stats, 0o022) ?? directoryProblem(directory)
    if (problem !== null) return { problem }
    const table = decodeTable(readFileSync(descriptor), node)
    return 'problem' in table ? table : { table, identity: identityOf(stats) }
  } catch (error) {
    return { problem: reasonOf(error) }
  } finally {
    closeSync(descriptor)
  }
}

function problemOf(stats: Stats): string | null {
  if (!stats.isFile()) return 'it is not a file'
  if (stats.size === 0) return 'it is empty'
  return stats.size > largestFile ? `it has ${stats.size} bytes, more than any table` : null
}

/** S_ISVTX, inode(7): only its owner may replace a file there. */
const stickyBit = 0o1000

function directoryProblem(directory: string): string | null {
  const stats = statSync(directory)
  // In one like /tmp, what is ours stays ours.
  const sticky = (stats.mode & stickyBit) !== 0
  const problem = sticky ? null : trustProblem(stats, 0o002)
  return problem === null ? null : `its directory: ${problem}`
}

/** Whoever may write the table may send the node's connections where he likes. */
function trustProblem({ uid, mode }: Stats, others: number): string | null {
  const self = process.geteuid?.()
  if (self !== undefined && uid !== self && uid !== 0)
    return `it belongs to user ${uid}, who isn't this one or root`
  return (mode & others) === 0 ? null : 'others may write it (chmod go-w)'
}

/** A file's change time tells it from one that got the same inode later. */
function identityOf({ ino, ctimeMs }: Pick<Stats, 'ino' | 'ctimeMs'>): string {
  return `${ino}/${ctimeMs}`
}

/** Writes the chunks to a new file, brings it to the disk and puts it under the name; leaves nothing behind else. */
async function writeWhole(directory: string, file: string, chunks: Iterable<string>): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const temporary = `${file}.${randomUUID()}.tmp`
  try {
    await using handle = await open(temporary, 'wx', 0o600)
    // Each write gives way to everything else that this process does.
    for (const chunk of chunks) await handle.writeFile(chunk)
    await handle.sync()
    await rename(temporary, file)
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {})
    throw error
  }
  // The name is on the disk when its directory is.
  await using folder = await open(directory, constants.O_RDONLY | constants.O_DIRECTORY)
  await folder.sync()
}

async function removeAbandoned(directory: string): Promise<void> {
  try {
    for (const name of await readdir(directory)) {
      if (!temporaryName.test(name)) continue
      const { mtimeMs } = await stat(path.join(directory, name))
      if (Date.now() - mtimeMs > abandonedAfterMs) await rm(path.join(directory, name), { force: true })
    }
  } catch {
    // It isn't there yet, or not ours to tidy up: saving will tell.
  }
}
