// The flags about the agent's processes and how they come and go: workers, hand-over, stop, state on disk.

import { availableParallelism } from 'node:os'
import { InvalidArgumentError, Option, type Command } from 'commander'
import { durationExample, readDuration } from '../lib/model/duration.ts'
import { longestTimeoutMs } from '../lib/model/proxy-settings.ts'

export interface LifeCycleFlags {
  readonly workers: number
  /** Absent: the default of the command. */
  readonly stateDir?: string
  readonly shutdownTimeout: number
  readonly orphanGrace: number
}

/** More processes than any node has cores are a mistake in writing. */
const mostWorkers = 1024

export function addLifeCycleFlags(
  command: Command,
  defaults: { readonly workers: 'auto' | '0'; readonly shutdownTimeout: string; readonly stateDir: string },
): Command {
  const timeout = (flag: string, text: string, value: string): Option =>
    new Option(`--${flag} <duration>`, text).argParser(parseTimeout).default(parseTimeout(value), value)
  return command
    .optionsGroup('Processes:')
    .addOption(
      new Option(
        '--workers <n>',
        'processes that proxy; auto = one per core, at least 2; 0 = the agent itself does',
      )
        .argParser(parseWorkers)
        .default(parseWorkers(defaults.workers), defaults.workers),
    )
    .option(
      '--state-dir <dir>',
      `where the last table is kept for a start without API server, and workers that lost their agent are found again; "off" for nowhere (default: ${defaults.stateDir})`,
    )
    .addOption(
      timeout(
        'shutdown-timeout',
        'on SIGTERM, established connections may go on for this long; 0 = end at once',
        defaults.shutdownTimeout,
      ),
    )
    .addOption(
      timeout(
        'orphan-grace',
        'how long workers serve on when their agent was killed and no other comes',
        '10m',
      ),
    )
}

export function parseWorkers(text: string): number {
  // Of two, one still listens on every address while the other is replaced.
  if (text === 'auto') return Math.max(2, availableParallelism())
  const count = /^\d{1,4}$/.test(text) ? Number(text) : NaN
  if (!(count <= mostWorkers)) {
    throw new InvalidArgumentError(`Expected auto, or a whole number from 0 to ${mostWorkers}.`)
  }
  return count
}

function parseTimeout(text: string): number {
  const ms = readDuration(text)
  if (ms === null || ms > longestTimeoutMs) {
    throw new InvalidArgumentError(`Expected ${durationExample}, at most 480h, or 0.`)
  }
  return ms
}
