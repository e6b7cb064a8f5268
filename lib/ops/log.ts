// Structured logs on standard error: JSON lines for machines, one readable line each for a terminal.
// A connection's own failures are counted and logged at debug only, so that no client can fill a disk.

import { pino, type Logger } from 'pino'

/** What the layers below see of the logger: pino's own call shapes, nothing to configure. */
export type Log = Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>

export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]
export type LogFormat = 'text' | 'json'

/** A logger on standard error. `text` is one line per entry: time, level, message, then key=value fields. */
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
  return pino(base, { write: line => process.stderr.write(asText(line)) })
}

/** A logger that drops everything, for code under test. */
export const silentLog: Log = pino({ level: 'silent' })

const levelNames: Readonly<Record<string, string>> = { 20: 'DEBUG', 30: 'INFO', 40: 'WARN', 50: 'ERROR' }

function asText(line: string): string {
  const { time, level, msg, err, ...fields } = JSON.parse(line) as Record<string, unknown>
  const pairs = Object.entries(fields).map(([key, value]) => `${key}=${asField(value)}`)
  const cause = (err as { message?: unknown } | undefined)?.message
  if (cause !== undefined) pairs.push(`error=${asField(cause)}`)
  const head = `${String(time)} ${levelNames[String(level)] ?? String(level)} ${typeof msg === 'string' ? msg : ''}`
  return `${[head, ...pairs].join('  ')}\n`
}

function asField(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return /[\s"=]/.test(text) ? JSON.stringify(text) : text
}
