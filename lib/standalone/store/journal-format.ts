// How a data file is written: lines of JSON, each with a checksum before it. The first says what the file is, the
// others are changes in their order. Every object is valid JSON on one line, so the file can be read, searched and
// compared with ordinary tools.

import { crc32 } from 'node:zlib'
import { RelayError } from '../../model/error.ts'
import { asFields } from '../../model/fields.ts'
import { objectKey, type KubeObject } from '../../model/objects.ts'

export type JournalRecord =
  | { readonly put: NamedObject }
  /** The object's last state is of no use any more: its name is enough. */
  | {
      readonly delete: Pick<KubeObject, 'apiVersion' | 'kind' | 'metadata'>
      readonly resourceVersion: number
    }
  /** All resourceVersions up to this one may have been seen, also those of objects that aren't kept. */
  | { readonly reserved: number }

/** An object that says itself what it is. */
export type NamedObject = KubeObject & { readonly apiVersion: string; readonly kind: string }

export interface JournalContents {
  /** Live objects by identity; each has the size of its line. */
  readonly objects: Map<string, LiveObject>
  /** No resourceVersion was higher. */
  readonly resourceVersion: number
  /** Where the next record goes: after the last whole one. */
  readonly end: number
}

export interface LiveObject {
  readonly object: NamedObject
  readonly bytes: number
}

const format = 'kube-relay data file'
const formatVersion = 1

function headerLine(): Buffer {
  return lineOf({ format, version: formatVersion })
}

export function recordLine(record: JournalRecord): Buffer {
  return lineOf(record)
}

/** "0a1b2c3d {…}\n": the CRC-32 of the JSON text's bytes, in hexadecimal. */
function lineOf(value: object): Buffer {
  const text = JSON.stringify(value)
  return Buffer.from(`${checksum(text)} ${text}\n`)
}

function checksum(text: string | Uint8Array): string {
  return crc32(text).toString(16).padStart(8, '0')
}

/** What an object is called among all kinds. */
export function identityOf({
  apiVersion,
  kind,
  metadata,
}: Pick<NamedObject, 'apiVersion' | 'kind' | 'metadata'>): string {
  return `${apiVersion} ${kind} ${objectKey({ metadata })}`
}

/**
 * Reads a data file. A last record that is incomplete or damaged was being written when the machine or the process
 * stopped, so nobody was told that it is kept: `end` is before it. Throws INVALID_CONFIG for damage anywhere else, and for
 * a file that is something else.
 */
export function readJournal(bytes: Buffer, file: string): JournalContents {
  const headerEnd = bytes.indexOf(0x0a)
  const header = asFields(headerEnd < 0 ? undefined : readLine(bytes.subarray(0, headerEnd)))
  if (header['format'] !== format) {
    throw new RelayError(
      'INVALID_CONFIG',
      `--data-file: ${file} is not a data file of kube-relay, and stays as it is: name another file`,
    )
  }
  if (header['version'] !== formatVersion) {
    throw new RelayError(
      'INVALID_CONFIG',
      `--data-file: ${file} has the format ${String(header['version'])}, and this kube-relay knows ${formatVersion} only: use the version that wrote it`,
    )
  }
  const objects = new Map<string, LiveObject>()
  let resourceVersion = 0
  let at = headerEnd + 1
  while (at < bytes.length) {
    const newline = bytes.indexOf(0x0a, at)
    if (newline < 0) break
    const line = bytes.subarray(at, newline)
    const value = readLine(line)
    if (value === undefined) {
      if (newline + 1 === bytes.length && !hasWholeRecord(line)) break
      throw damaged(file, at, 'its checksum is wrong')
    }
    const problem = replay(value, newline + 1 - at)
    if (problem !== null) throw damaged(file, at, problem)
    at = newline + 1
  }
  return { objects, resourceVersion, end: at }

  function replay(value: unknown, size: number): string | null {
    const { put, delete: deleted, resourceVersion: version, reserved } = asFields(value)
    const seen = reserved ?? version ?? asFields(asFields(put)['metadata'])['resourceVersion']
    resourceVersion = Math.max(resourceVersion, Number(seen))
    if (!Number.isSafeInteger(resourceVersion)) return 'it has no resourceVersion'
    const object = (put ?? deleted) as NamedObject | undefined
    if (object === undefined) return reserved === undefined ? 'it is of no known sort' : null
    if (typeof asFields(object.metadata)['name'] !== 'string') return 'it names no object'
    const identity = identityOf(object)
    if (put === undefined) objects.delete(identity)
    else objects.set(identity, { object, bytes: size })
    return null
  }
}

/** The line's value; undefined unless it is whole. */
function readLine(line: Buffer): unknown {
  const text = line.subarray(9)
  if (line[8] !== 0x20 || line.toString('latin1', 0, 8) !== checksum(text)) return undefined
  try {
    return JSON.parse(text.toString('utf8')) as unknown
  } catch {
    return undefined
  }
}

/** Whether a whole record stands at the end of a line, which then has lost the end of another one. */
function hasWholeRecord(line: Buffer): boolean {
  for (let at = line.indexOf(' {', 9); at >= 0; at = line.indexOf(' {', at + 1)) {
    const record = line.subarray(at - 8)
    if (/^[0-9a-f]{8}$/.test(record.toString('latin1', 0, 8)) && readLine(record) !== undefined) return true
  }
  return false
}

function damaged(file: string, at: number, what: string): RelayError {
  return new RelayError(
    'INVALID_CONFIG',
    `--data-file: ${file} is damaged: ${what}, in the record at byte ${at}. Put a copy in its place; or cut it there, which loses what was written later: truncate --size=${at} '${file}'`,
  )
}

/** A whole file's content in pieces of about a megabyte: the header, the reservation and the live objects. */
export function* journalOf(reserved: number, objects: Iterable<LiveObject>): Generator<Buffer> {
  let lines = [headerLine(), recordLine({ reserved })]
  let size = 0
  for (const { object } of objects) {
    const line = recordLine({ put: object })
    lines.push(line)
    size += line.length
    if (size < 1024 * 1024) continue
    yield Buffer.concat(lines)
    lines = []
    size = 0
  }
  yield Buffer.concat(lines)
}
