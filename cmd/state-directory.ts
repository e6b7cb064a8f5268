// Which directory an agent keeps its state in: the flag's, else systemd's, else the usual place where it can be made.

import { accessSync, constants, mkdirSync } from 'node:fs'
import path from 'node:path'
import { RelayError, reasonOf } from '../lib/model/error.ts'
import type { Log } from '../lib/ops/log.ts'

export const usualStateDirectory = '/var/lib/kube-relay'

export interface StateDirectoryOptions {
  /** `--state-dir`. */
  readonly flag: string | undefined
  /** systemd sets STATE_DIRECTORY where the unit has StateDirectory=; several are separated by colons. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** Where neither says anything; null: nowhere. */
  readonly usual: string | null
  readonly log: Log
}

/** null: none. An empty flag or variable means none, too. @throws INVALID_CONFIG for a flag's that can't be used. */
export function stateDirectory({ flag, env, usual, log }: StateDirectoryOptions): string | null {
  const directory = chosenStateDirectory(flag, env, usual)
  if (directory === null) return null
  const problem = makeUsable(directory)
  if (problem === null) return directory
  if (flag !== undefined) {
    throw new RelayError('INVALID_CONFIG', `--state-dir: ${directory} can't be used (${problem})`)
  }
  log.warn(
    `no state is kept: ${directory} can't be used (${problem}); --state-dir names another, "off" says that it is meant`,
  )
  return null
}

/** Which one it would be, whether it can be used or not; null: none. */
export function chosenStateDirectory(
  flag: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
  usual: string | null,
): string | null {
  if (flag !== undefined) return flag === '' || flag === 'off' ? null : path.resolve(flag)
  const fromEnvironment = env['STATE_DIRECTORY']?.split(':')[0]
  return fromEnvironment === '' ? null : (fromEnvironment ?? usual)
}

/** Makes it where it is missing; why it can't be used, or null. */
function makeUsable(directory: string): string | null {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    accessSync(directory, constants.R_OK | constants.W_OK | constants.X_OK)
    return null
  } catch (error) {
    return reasonOf(error)
  }
}
