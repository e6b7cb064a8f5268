// The steps on the file system that a data file is made of. A new file gets its final name only once all of it is on the
// disk, so that there is always one whole file of that name.

import {
  closeSync,
  fsyncSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  write,
  type writeSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { RelayError, reasonOf } from '../../model/error.ts'

/** A file and where its next byte goes. */
export interface OpenFile {
  readonly fd: number
  size: number
}

/**
 * The file that a path leads to, through symbolic links: it is replaced, not the link. It need not be there. Throws
 * INVALID_CONFIG for what can't be a file.
 */
export function resolveDataFile(path: string): { readonly file: string; readonly exists: boolean } {
  const found = statSync(path, { throwIfNoEntry: false })
  if (found === undefined) {
    const folder = dirname(path)
    if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true) {
      return { file: join(realpathSync(folder), basename(path)), exists: false }
    }
    throw new RelayError(
      'INVALID_CONFIG',
      `--data-file: there is no folder ${folder} for ${path}: make it first`,
    )
  }
  if (found.isFile()) return { file: realpathSync(path), exists: found.size > 0 }
  throw new RelayError('INVALID_CONFIG', `--data-file: ${path} is not a regular file: name another one`)
}

/** Appends all bytes; when it throws, some may be behind `size`. */
export function appendTo(target: OpenFile, bytes: Uint8Array, writer: typeof writeSync): void {
  for (let done = 0; done < bytes.length;) {
    done += writer(target.fd, bytes, done, bytes.length - done, target.size + done)
  }
  target.size += bytes.length
}

const writeAsync = promisify(write)

/** The same without holding up the process, for a file that nobody else writes. */
export async function appendBehind(target: OpenFile, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await writeAsync(target.fd, bytes, done, bytes.length - done, target.size + done)
    done += bytesWritten
  }
  target.size += bytes.length
}

/** An empty file beside the data file, which only its owner can read. */
export function createReplacement(file: string): OpenFile {
  const path = replacementOf(file)
  rmSync(path, { force: true })
  return { fd: openSync(path, 'wx', 0o600), size: 0 }
}

export function discardReplacement(file: string, target: OpenFile): void {
  closeSync(target.fd)
  rmSync(replacementOf(file), { force: true })
}

/** Gives a complete replacement the data file's name. */
export function installReplacement(file: string, target: OpenFile): void {
  fsyncSync(target.fd)
  renameSync(replacementOf(file), file)
}

/** Makes the name itself survive a power cut. */
export function syncFolderOf(file: string): void {
  const fd = openSync(dirname(file), 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** Runs a step of opening the file; what fails is the path's fault. */
export function opening<T>(file: string, step: () => T): T {
  try {
    return step()
  } catch (error) {
    if (error instanceof RelayError) throw error
    throw new RelayError('INVALID_CONFIG', `--data-file: ${file} can't be used (${reasonOf(error)})`, {
      cause: error,
    })
  }
}

function replacementOf(file: string): string {
  return `${file}.new`
}
