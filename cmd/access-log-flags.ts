// The flags about the access log: where each connection has its line, as what, and how many of them have one.

import path from 'node:path'
import { isatty } from 'node:tty'
import { InvalidArgumentError, Option, type Command } from 'commander'
import type { AgentConfiguration } from '../lib/config/agent-configuration.ts'
import { RelayError, reasonOf } from '../lib/model/error.ts'
import type { AccessLogFormat } from '../lib/ops/access-log.ts'
import { prepareLineFile } from '../lib/ops/line-writer.ts'

export interface AccessLogFlags {
  readonly accessLog: string
  /** Absent: whichever fits where it goes. */
  readonly accessLogFormat?: AccessLogFormat
  readonly accessLogSample: number
}

export function addAccessLogFlags(command: Command): Command {
  return command
    .optionsGroup('Access log:')
    .addOption(
      new Option(
        '--access-log <file>',
        'a line for each connection and UDP flow that has ended, in this file; "-" for standard output, "off" for none',
      ).default('off'),
    )
    .addOption(
      new Option(
        '--access-log-format <format>',
        'json = an object a line, text = columns (default: text on a terminal, else json)',
      ).choices(['json', 'text']),
    )
    .addOption(
      new Option(
        '--access-log-sample <share>',
        'of the connections that ended as they should, how many have a line: 1/100, 0.01; the others always have',
      )
        .argParser(parseShare)
        .default(1, '1'),
    )
}

/** "1/100" or "0.01": more than 0, at most 1. */
export function parseShare(text: string): number {
  const [, divisor] = /^1\/(\d{1,9})$/.exec(text) ?? []
  const share = divisor === undefined ? (/^\d*\.?\d+$/.test(text) ? Number(text) : NaN) : 1 / Number(divisor)
  if (!(share > 0 && share <= 1)) {
    throw new InvalidArgumentError('Expected 1/N such as 1/100, or a number above 0 and at most 1.')
  }
  return share
}

/** null: none. */
export function accessLogFileOf(flag: string): string | null {
  if (flag === 'off' || flag === '') return null
  // What is renamed and opened anew later is this file, wherever a process is by then.
  return flag === '-' ? flag : path.resolve(flag)
}

export function accessLogConfigurationFrom(
  flags: AccessLogFlags,
): Pick<AgentConfiguration, 'accessLog' | 'accessLogFormat' | 'accessLogSample'> {
  const accessLog = accessLogFileOf(flags.accessLog)
  const usual = accessLog === '-' && isatty(1) ? 'text' : 'json'
  return {
    accessLog,
    accessLogFormat: flags.accessLogFormat ?? usual,
    accessLogSample: flags.accessLogSample,
  }
}

/** @throws RelayError INVALID_CONFIG where there would be no line. */
export function failUnlessWritable(accessLog: string | null): void {
  if (accessLog === null) return
  try {
    prepareLineFile(accessLog)
  } catch (error) {
    throw new RelayError(
      'INVALID_CONFIG',
      `--access-log: ${accessLog} can't be written (${reasonOf(error)}): name a file in a directory that is there`,
      { cause: error },
    )
  }
}
