// Structured logs on standard error: JSON lines for machines, one readable line each for a terminal or systemd's journal.
// A connection's own failures are counted and logged at debug only, so that no client can fill a disk.

import { fstatSync } from 'node:fs'
import { pino, type Logger } from 'pino'

/** What the layers below see of the logger: pino's own call shapes, nothing to configure. */
export type Log = Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>

export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]
export type LogFormat = 'text' | 'json'

/**
 * A logger on standard error. `text` is one line per entry: time, level, message, then key=value fields; in the journal,
 * which has a time and a priority of its own, `<priority>` instead of the two (sd-daemon(3)).
 */
export function createLog(options: {
  readonly level: LogLevel
  readonly format: LogFormat
  /** What every line says besides its own. */
  readonly fields?: Readonly<Record<string, string | number>>
}): Log {
  const { level, format, fields = {} } = options
  const base = { level, timestamp: pino.stdTimeFunctions.isoTime, base: { ...fields } }
  if (format === 'json') {
    const destination = pino.destination({ fd: 2, sync: true })
    // Whoever read standard error may be gone (EPIPE): that is no reason to end.
    destination.on('error', () => {})
    return pino({ ...base, formatters: { level: label => ({ level: label }) } }, destination)
  }
  const asLine = leadsToJournal(process.env, 2) ? asJournalText : asText
  return pino(base, { write: line => process.stderr.write(asLine(line)) })
}

/** Whether the descriptor is what systemd has named in the environment (systemd.exec(5)), and nobody has redirected it. */
export function leadsToJournal(env: NodeJS.ProcessEnv, descriptor: number): boolean {
  const named = env['JOURNAL_STREAM']
  if (named === undefined) return false
  try {
    const { dev, ino } = fstatSync(descriptor)
    return named === `${dev}:${ino}`
  } catch {
    return false
  }
}

/** A logger that drops everything, for code under test. */
export const silentLog: Log = pino({ level: 'silent' })

const levelNames: Readonly<Record<string, string>> = { 20: 'DEBUG', 30: 'INFO', 40: 'WARN', 50: 'ERROR' }

function asText(line: string): string {
  const { time, level, ...rest } = JSON.parse(line) as Record<string, unknown>
  return `${String(time)} ${levelNames[String(level)] ?? String(level)} ${messageText(rest)}\n`
}

/** syslog's: debug, info, warning, err. */
const priorities: Readonly<Record<string, number>> = { 20: 7, 30: 6, 40: 4, 50: 3 }

/** Each of its lines is an entry of its own to the journal. */
export function asJournalText(line: string): string {
  const { time: _, level, ...rest } = JSON.parse(line) as Record<string, unknown>
  return `<${priorities[String(level)] ?? 6}>${messageText(rest).replaceAll('\n', ' ')}\n`
}

function messageText({ msg, err, ...fields }: Record<string, unknown>): string {
  const pairs = Object.entries(fields).map(([key, value]) => `${key}=${asField(value)}`)
  const cause = (err as { message?: unknown } | undefined)?.message
  if (cause !== undefined) pairs.push(`error=${asField(cause)}`)
  return [typeof msg === 'string' ? msg : '', ...pairs].join('  ')
}

function asField(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return /[\s"=]/.test(text) ? JSON.stringify(text) : text
}
