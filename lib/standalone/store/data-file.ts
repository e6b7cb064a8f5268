// Where objects outlive their process: every change is appended to a file before it is in memory, and a request is
// answered only once the disk has it (one fdatasync for all that wait at the time). A change that can't be appended
// doesn't happen. When most of the file is history, a new one with the live objects takes its place.

import { closeSync, fdatasync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'
import { promisify } from 'node:util'
import { reasonOf } from '../../model/error.ts'
import type { KubeObject } from '../../model/objects.ts'
import { systemClock, type Clock } from '../../ops/clock.ts'
import type { Log } from '../../ops/log.ts'
import { apiVersionOf, type ResourceType } from '../kinds/resources.ts'
import { StatusError } from '../kinds/status.ts'
import {
  appendBehind,
  appendTo,
  createReplacement,
  discardReplacement,
  installReplacement,
  opening,
  resolveDataFile,
  syncFolderOf,
  type OpenFile,
} from './data-file-disk.ts'
import { lockDataFile } from './data-file-lock.ts'
import { createGroupCommit } from './group-commit.ts'
import {
  identityOf,
  journalOf,
  readJournal,
  recordLine,
  type LiveObject,
  type NamedObject,
} from './journal-format.ts'
import { isPersisted } from './persisted.ts'
import type { Journal, StoreEvent } from './store.ts'

export interface DataFile extends Journal {
  /** What was in the file when it was opened. */
  readonly restored: readonly KubeObject[]
  /** Not below any resourceVersion that an earlier process can have shown to anyone. */
  readonly firstResourceVersion: number
  /** Resolves when no compaction is under way. */
  compacted(): Promise<void>
  /** Writes what is pending and gives the file free. May be called twice. */
  close(): Promise<void>
}

export interface DataFileOptions {
  readonly log: Log
  readonly clock?: Clock
  readonly wallTimeMs?: () => number
  /** The file is rewritten when it is larger than this, and than four times what is live in it. */
  readonly compactAboveBytes?: number
  /** The calls that fail when the disk does. */
  readonly disk?: { readonly writeSync: typeof writeSync; readonly fdatasync: typeof fdatasync }
}

interface Compaction {
  /** What was appended since it began: it goes behind the objects that were live then. */
  tail: Buffer[]
  /** The new file, once all but the newest of the tail is safe in it. */
  ready: OpenFile | undefined
  abandoned: boolean
}

/** ResourceVersions that can be given away before the file must hear of it. */
const reservedVersions = 100_000
/** How long a change that nobody waits for may be in the kernel's memory only. */
const lazySyncMs = 200
const repairIntervalMs = 1000
const shortTailBytes = 64 * 1024

/**
 * Opens a data file, or makes one that only its owner can read. Throws INVALID_CONFIG when it can't be used: held by
 * another process, damaged, something else than a data file, or not to be read and written.
 */
export async function openDataFile(path: string, options: DataFileOptions): Promise<DataFile> {
  const { file } = opening(path, () => resolveDataFile(path))
  const unlock = await lockDataFile(file)
  try {
    return startDataFile(file, unlock, options)
  } catch (error) {
    unlock()
    throw error
  }
}

function startDataFile(file: string, unlock: () => void, options: DataFileOptions): DataFile {
  const { log, clock = systemClock, wallTimeMs = Date.now, disk = { writeSync, fdatasync } } = options
  const { compactAboveBytes = 1024 * 1024 } = options
  const { objects: live, resourceVersion, existing } = opening(file, () => readExisting(file, log))
  const restored = [...live.values()].map(({ object }) => object)
  const firstResourceVersion = Math.max(wallTimeMs(), resourceVersion)
  const fdatasyncAsync = promisify(disk.fdatasync)

  let reserved = firstResourceVersion + reservedVersions
  let liveBytes = [...live.values()].reduce((sum, { bytes }) => sum + bytes, 0)
  let current = opening(file, () => existing ?? writeAnew())
  let compactAbove = Math.max(compactAboveBytes, liveBytes * 4)
  let compaction: Compaction | undefined
  let compacting = Promise.resolve()
  /** Why nothing may be appended until the file is written anew. */
  let broken: unknown
  let nextRepairAt = 0
  let isRefusing = false
  let syncing: OpenFile | undefined
  let closing: Promise<void> | undefined

  const commit = createGroupCommit({ sync, clock, delayMs: lazySyncMs })
  if (existing) {
    opening(file, () => appendTo(current, recordLine({ reserved }), disk.writeSync))
    commit.wrote()
  }

  return {
    restored,
    firstResourceVersion,
    append(type, event) {
      if (closing) throw refusal('it is closed')
      const { lines, reserve } = linesOf(type, event)
      if (lines.length === 0) return
      repair()
      const bytes = Buffer.concat(lines)
      try {
        appendTo(current, bytes, disk.writeSync)
      } catch (error) {
        clearTorn()
        throw refusal(error)
      }
      accepted()
      reserved = reserve
      compaction?.tail.push(bytes)
      if (isPersisted(type)) keep(type, event, bytes.length)
      commit.wrote()
      if (current.size > compactAbove && compaction === undefined) compacting = compact()
    },
    committed: () => (broken === undefined ? commit.committed() : Promise.reject(refusal(broken))),
    compacted: () => compacting,
    close() {
      closing ??= (async () => {
        abandonCompaction()
        await compacting
        await commit.committed().catch(() => undefined) // logged where it failed
        await commit.idle()
        closeSync(current.fd)
        unlock()
      })()
      return closing
    },
  }

  function linesOf(
    type: ResourceType,
    { type: change, object, resourceVersion: version }: Change,
  ): { readonly lines: readonly Buffer[]; readonly reserve: number } {
    const reserve = version > reserved - reservedVersions / 2 ? version + reservedVersions : reserved
    const lines = reserve === reserved ? [] : [recordLine({ reserved: reserve })]
    if (isPersisted(type)) {
      const full = named(type, object)
      const { apiVersion, kind, metadata } = full
      const { namespace, name } = metadata
      const place = { name: name ?? '', ...(namespace === undefined ? {} : { namespace }) }
      lines.push(
        recordLine(
          change === 'DELETED'
            ? { delete: { apiVersion, kind, metadata: place }, resourceVersion: version }
            : { put: full },
        ),
      )
    }
    return { lines, reserve }
  }

  /** After a short write, so that the next record doesn't stand behind half a one. */
  function clearTorn(): void {
    try {
      ftruncateSync(current.fd, current.size)
    } catch (error) {
      broken = error
    }
  }

  function keep(type: ResourceType, { type: change, object }: Change, bytes: number): void {
    const full = named(type, object)
    const identity = identityOf(full)
    liveBytes -= live.get(identity)?.bytes ?? 0
    if (change === 'DELETED') {
      live.delete(identity)
    } else {
      live.set(identity, { object: full, bytes })
      liveBytes += bytes
    }
  }

  /** Said once when it begins and once when it is over: every write of every controller ends here meanwhile. */
  function refusal(error: unknown): StatusError {
    const message = `the data file ${file} can't be written (${reasonOf(error)}); nothing is changed until it can`
    if (!isRefusing) log.error({ err: error }, message)
    isRefusing = true
    return new StatusError(500, 'InternalError', `Internal error occurred: ${message}`)
  }
  function accepted(): void {
    if (isRefusing) log.info(`the data file ${file} can be written again`)
    isRefusing = false
  }

  /** Group commit's step: makes what is in the file safe, or changes to the new file, which makes it safe, too. */
  async function sync(): Promise<void> {
    if (swapFiles()) return
    const target = current
    syncing = target
    try {
      await fdatasyncAsync(target.fd)
    } catch (error) {
      // What the kernel has dropped isn't reported twice: only a new file tells what is on the disk.
      if (target !== current) return
      broken = error
      throw refusal(error)
    } finally {
      syncing = undefined
      if (target !== current) closeSync(target.fd)
    }
  }

  /** After a failure whose extent nobody knows, the whole file is written anew before anything else is. */
  function repair(): void {
    if (broken === undefined) return
    if (clock.now() < nextRepairAt) throw refusal(broken)
    nextRepairAt = clock.now() + repairIntervalMs
    try {
      abandonCompaction()
      const old = current
      current = writeAnew()
      retire(old)
      broken = undefined
      commit.safe()
    } catch (error) {
      throw refusal(error)
    }
  }

  function writeAnew(): OpenFile {
    const target = createReplacement(file)
    try {
      for (const piece of journalOf(reserved, live.values())) appendTo(target, piece, disk.writeSync)
      installReplacement(file, target)
      syncFolderOf(file)
      return target
    } catch (error) {
      discardReplacement(file, target)
      throw error
    }
  }

  /** One that is being synced is closed after that: its number must not become another file's meanwhile. */
  function retire(old: OpenFile): void {
    if (syncing !== old) closeSync(old.fd)
  }

  /** Writes the new file beside everything else; what is appended meanwhile goes to both. */
  async function compact(): Promise<void> {
    const running: Compaction = { tail: [], ready: undefined, abandoned: false }
    compaction = running
    let target: OpenFile | undefined
    try {
      target = createReplacement(file)
      for (const piece of journalOf(reserved, [...live.values()])) await appendBehind(target, piece)
      await promisify(fdatasync)(target.fd)
      while (!running.abandoned && sizeOf(running.tail) > shortTailBytes) {
        await appendBehind(target, Buffer.concat(running.tail.splice(0)))
      }
      if (running.abandoned) {
        closeSync(target.fd)
        return
      }
      running.ready = target
      commit.wrote()
    } catch (error) {
      giveUp(running, target, error)
    }
  }

  /** Between two appends: the rest of the tail, the name, and from here on the new file. */
  function swapFiles(): boolean {
    const target = compaction?.ready
    if (compaction === undefined || target === undefined) return false
    try {
      appendTo(target, Buffer.concat(compaction.tail), disk.writeSync)
      installReplacement(file, target)
    } catch (error) {
      giveUp(compaction, target, error)
      return false
    }
    retire(current)
    current = target
    compaction = undefined
    compactAbove = Math.max(compactAboveBytes, liveBytes * 4)
    try {
      syncFolderOf(file)
    } catch (error) {
      broken = error
      throw refusal(error)
    }
    return true
  }

  function giveUp(running: Compaction, target: OpenFile | undefined, error: unknown): void {
    if (running.abandoned) {
      if (target !== undefined) closeSync(target.fd)
      return
    }
    if (target !== undefined) discardReplacement(file, target)
    compaction = undefined
    compactAbove = current.size * 2
    log.warn(
      { err: error },
      `the data file ${file} can't be compacted now (${reasonOf(error)}), and grows on`,
    )
  }

  function abandonCompaction(): void {
    if (compaction === undefined) return
    compaction.abandoned = true
    if (compaction.ready !== undefined) discardReplacement(file, compaction.ready)
    compaction = undefined
  }
}

type Change = Pick<StoreEvent, 'type' | 'object' | 'resourceVersion'>

function readExisting(
  file: string,
  log: Log,
): {
  readonly objects: Map<string, LiveObject>
  readonly resourceVersion: number
  readonly existing: OpenFile | undefined
} {
  const { exists } = resolveDataFile(file)
  if (!exists) return { objects: new Map(), resourceVersion: 0, existing: undefined }
  const fd = openSync(file, 'r+')
  try {
    const bytes = readFileSync(fd)
    const { objects, resourceVersion, end } = readJournal(bytes, file)
    if (end < bytes.length) {
      ftruncateSync(fd, end)
      log.warn(
        { bytes: bytes.length - end },
        `the data file ${file} ended in an incomplete record, which nobody was told is kept: it is dropped`,
      )
    }
    return { objects, resourceVersion, existing: { fd, size: end } }
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

/** The object with the kind that it is found by. */
function named(type: ResourceType, object: KubeObject): NamedObject {
  const { apiVersion = apiVersionOf(type), kind = type.kind } = object
  return { ...object, apiVersion, kind }
}

function sizeOf(pieces: readonly Buffer[]): number {
  return pieces.reduce((sum, piece) => sum + piece.length, 0)
}
