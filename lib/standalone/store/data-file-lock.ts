// Keeps a data file to one process. The lock is SQLite's on an empty file beside it: the kernel drops it however its
// holder ends, it holds between containers that share a volume, and there is no moment in which two can have it (which is
// where files with a process id in them fail). The data file itself can't be it, since compaction replaces that.

import { RelayError, reasonOf } from '../../model/error.ts'

/** Takes the lock and returns what gives it back. Throws INVALID_CONFIG when another process has it. */
export async function lockDataFile(file: string): Promise<() => void> {
  // Loaded here because only --data-file needs it, and a start without one shouldn't wait for it.
  const { DatabaseSync } = await import('node:sqlite')
  const lockFile = `${file}.lock`
  let database: InstanceType<typeof DatabaseSync> | undefined
  try {
    database = new DatabaseSync(lockFile, { timeout: 0 })
    database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
  } catch (error) {
    database?.close()
    if ((error as { readonly errcode?: unknown }).errcode === sqliteBusy) {
      throw new RelayError(
        'INVALID_CONFIG',
        `--data-file: another kube-relay uses ${file}: stop it, or name another file`,
        { cause: error },
      )
    }
    throw new RelayError('INVALID_CONFIG', `--data-file: ${lockFile} can't be locked (${reasonOf(error)})`, {
      cause: error,
    })
  }
  const held = database
  return () => {
    if (held.isOpen) held.close()
  }
}

const sqliteBusy = 5
