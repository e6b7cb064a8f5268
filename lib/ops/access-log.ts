// The access log of one process: a line for each TCP connection and UDP flow that has ended, as JSON or as columns.
// A line is made at once, and written later (line-writer.ts), so that traffic never waits for a disk.

import { formatAddress } from '../model/address.ts'
import type { AccessEnd, AccessRecord, AccessSink, ServicePortName } from './access-record.ts'
import type { Clock } from './clock.ts'
import { LineWriter } from './line-writer.ts'
import type { Log } from './log.ts'

export type AccessLogFormat = 'json' | 'text'

/** Plain JSON: workers get it from their agent. */
export interface AccessLogSettings {
  /** "-": standard output. */
  readonly path: string
  readonly format: AccessLogFormat
  /** The share of the connections which ended as they should that get a line: more than 0, at most 1. */
  readonly sample: number
  readonly node: string
}

export interface AccessLogOptions {
  readonly clock: Clock
  readonly log: Log
  /** Uniform in [0, 1). */
  readonly random: () => number
  /** Milliseconds since 1970, as Date.now. */
  readonly wallClock: () => number
}

export interface AccessLog extends AccessSink {
  /** Goes on with the file that has the name now. */
  reopen(): void
  /** Resolves when everything is written, or can't be. May be called twice. */
  close(): Promise<void>
}

/** How connections end that nobody has to look into; everything else is never left out. */
const usualEnds: ReadonlySet<AccessEnd> = new Set(['closed', 'client-reset', 'idle'])

export function openAccessLog(settings: AccessLogSettings, options: AccessLogOptions): AccessLog {
  const { path, sample } = settings
  const { clock, log, random, wallClock } = options
  const writer = new LineWriter({ path, purpose: 'access log', clock, log })
  const lineOf = settings.format === 'json' ? jsonLines(settings.node, process.pid) : textLine
  return {
    ended(record, lastUsedAt = clock.now()) {
      if (sample < 1 && isUsual(record) && random() >= sample) return
      writer.write(lineOf(record, wallClock(), lastUsedAt))
    },
    counts: () => writer.counts(),
    reopen: () => writer.reopen(),
    close: () => writer.close(),
  }
}

export type LineFormat = (record: AccessRecord, wallTime: number, lastUsedAt: number) => string

/** One JSON object a line, with the fields in the order of docs/ACCESS-LOG.md. */
export function jsonLines(node: string, pid: number): LineFormat {
  const process = `"node":${JSON.stringify(node)},"pid":${pid}}\n`
  return (record, wallTime, lastUsedAt) => {
    const { protocol, endpoint, reason, startedAt, answeredAt } = record
    const { clientIp, clientPort, frontendIp, frontendPort } = record
    // Written out: JSON.stringify takes twice as long, and only the names could need its escapes.
    return (
      `{"time":"${new Date(wallTime).toISOString()}","protocol":"${protocol}"` +
      `,"client":"${formatAddress(clientIp, clientPort)}"` +
      `,"frontend":"${formatAddress(frontendIp, frontendPort)}"` +
      `,"service":${JSON.stringify(serviceName(record.service))}` +
      `,"endpoint":${endpoint === null ? 'null' : `"${endpoint}"`},"end":"${record.end}"` +
      `,"reason":${reason === null ? 'null' : `"${reason}"`},"tries":${record.tries}` +
      `,"bytesIn":${record.bytesIn},"bytesOut":${record.bytesOut}` +
      `,"durationMs":${milliseconds(lastUsedAt - startedAt)}` +
      `,"dialMs":${answeredAt === null ? 'null' : milliseconds(answeredAt - startedAt)},${process}`
    )
  }
}

/** The same fields as columns between single spaces, "-" for what isn't there; without node and process. */
export function textLine(record: AccessRecord, wallTime: number, lastUsedAt: number): string {
  const { startedAt, answeredAt } = record
  const columns = [
    new Date(wallTime).toISOString(),
    record.protocol,
    formatAddress(record.clientIp, record.clientPort),
    formatAddress(record.frontendIp, record.frontendPort),
    asColumn(serviceName(record.service)),
    record.endpoint ?? '-',
    record.end,
    record.reason ?? '-',
    record.tries,
    record.bytesIn,
    record.bytesOut,
    milliseconds(lastUsedAt - startedAt),
    answeredAt === null ? '-' : milliseconds(answeredAt - startedAt),
  ]
  return `${columns.join(' ')}\n`
}

function isUsual({ end, reason }: AccessRecord): boolean {
  return reason === null && usualEnds.has(end)
}

/** As Kubernetes writes a ServicePortName. */
function serviceName({ namespace, name, portName }: ServicePortName): string {
  return portName === '' ? `${namespace}/${name}` : `${namespace}/${name}:${portName}`
}

/** Names are Kubernetes' and have none of this; a line that isn't ours is impossible all the same. */
function asColumn(text: string): string {
  return text.replace(/[^!-[\]-~]/gu, char => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`)
}

/** To the microsecond; never negative. */
function milliseconds(ms: number): number {
  return Math.max(0, Math.round(ms * 1000) / 1000)
}
