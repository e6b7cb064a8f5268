// What an agent serves now: the document behind `kube-relay status -o json`, and the table that a person reads.
// The document is a contract: fields may be added, none may change its meaning.

import type { Protocol } from '../model/address.ts'
import type { FrontendKind } from '../model/proxy-table.ts'
import type { ServiceType } from '../model/service.ts'
import type { VipMode } from '../model/vip-mode.ts'
import type { AccessCounts } from './access-record.ts'
import type { DialTimes } from './dial-times.ts'
import { alignRows, formatBytes, oneLine } from './text-table.ts'

export interface StatusDocument {
  readonly node: string
  readonly generation: number
  /** `snapshot`: a table of before the start, until everything has been listed. */
  readonly source: 'apiserver' | 'snapshot' | 'manifests'
  /** With `snapshot`, when its table was what the API server said (RFC 3339). */
  readonly asOf?: string
  /** The table is whole: everything that exists has been listed, and the data plane has applied it. */
  readonly synced: boolean
  /** How each list-watch is doing, by resource: "watching", "listing", or why it is backing off. */
  readonly watches: Readonly<Record<string, string>>
  readonly services: readonly ServiceStatus[]
  readonly workers: readonly WorkerStatus[]
  readonly workerRestarts: WorkerRestarts
  /** Of TCP endpoints, since the start of these workers. */
  readonly dialTimes: DialTimes
  /** Lines of the access log since the start of these workers; absent: there is none. */
  readonly accessLog?: AccessCounts
  /** The process that answers, where it can be told to reload. */
  readonly agent?: AgentProcess
  readonly vips?: VipStatus
}

export interface VipStatus {
  /** Who makes the VIPs local; with "none", not this agent. */
  readonly mode: VipMode
  /** How many are local by our doing. */
  readonly local: number
  /** Those that should be and aren't. */
  readonly failed: readonly { readonly ip: string; readonly reason: string }[]
}

export interface AgentProcess {
  readonly pid: number
  /** Names this boot of this machine and the PID namespace: `pid` means nothing to a process with another one. */
  readonly pidScope: string
  /** RFC 3339. */
  readonly startedAt: string
  /** Reloads that went well. */
  readonly reloads: number
  /** How often a reload was asked for. */
  readonly reloadRequests: number
  readonly lastReload: LastReload | null
}

export interface LastReload {
  /** When it ended (RFC 3339). */
  readonly at: string
  readonly ok: boolean
  /** Why the agent goes on as it was before; not where it went well. */
  readonly reason?: string
  /** The `reloadRequests` when it began: it counts for all of them. */
  readonly request: number
}

export interface ServiceStatus {
  readonly namespace: string
  readonly name: string
  readonly portName: string
  readonly protocol: Protocol
  readonly type: ServiceType
  readonly sessionAffinity: 'None' | 'ClientIP'
  /** Eligible endpoints, both families; null where nothing of the service uses the list. */
  readonly endpoints: { readonly cluster: readonly string[] | null; readonly local: readonly string[] | null }
  /** Endpoints that get no new connections for a while because dialing them failed. */
  readonly setAside: readonly string[]
  readonly frontends: readonly FrontendStatus[]
  readonly connections: ConnectionCounts
}

export interface FrontendStatus {
  readonly kind: FrontendKind
  readonly address: string
  readonly state: 'listening' | 'refusing' | 'binding' | 'bind-failed' | 'conflict'
  readonly reason?: string
}

export interface ConnectionCounts {
  readonly active: number
  readonly total: number
  readonly bytesIn: number
  readonly bytesOut: number
  readonly dialRetries: number
  readonly dialFailures: number
  readonly failures: Readonly<Record<string, number>>
}

/** Adds up, reason by reason: of the two IP families, or of several workers. */
export function addCounts<T extends ConnectionCounts>(a: T, b: T): T {
  const reasons = new Set([...Object.keys(a.failures), ...Object.keys(b.failures)])
  return {
    ...a,
    active: a.active + b.active,
    total: a.total + b.total,
    bytesIn: a.bytesIn + b.bytesIn,
    bytesOut: a.bytesOut + b.bytesOut,
    dialRetries: a.dialRetries + b.dialRetries,
    dialFailures: a.dialFailures + b.dialFailures,
    failures: Object.fromEntries(
      [...reasons].map(reason => [reason, (a.failures[reason] ?? 0) + (b.failures[reason] ?? 0)]),
    ),
  }
}

export interface WorkerStatus {
  /** From 0; a worker that takes another's place has its index. */
  readonly index: number
  readonly pid: number
  /** It takes nobody new and ends when nothing is left. */
  readonly draining: boolean
  /** False: it doesn't answer, and this is as it was last known. */
  readonly responding: boolean
  readonly engine: string
  /** The last update that was applied in full; 0 before the first. */
  readonly generation: number
  readonly activeConnections: number
  readonly udpFlows: number
  readonly descriptors: { readonly used: number; readonly limit: number; readonly accepting: boolean }
  readonly dialTimes: DialTimes
  /** Lines of the access log since its start; absent: there is none. */
  readonly accessLog?: AccessCounts
}

/** Workers that were replaced since the start, by what had become of them. */
export interface WorkerRestarts {
  /** Ended by themselves or by a signal. */
  readonly crashed: number
  /** Killed because they gave no sign of life. */
  readonly hung: number
  /** Told to end by somebody else than their agent. */
  readonly stopped: number
  /** How long the last one was missing: from its end until another one served in its place. */
  readonly lastGapMs: number | null
}

export const noRestarts: WorkerRestarts = { crashed: 0, hung: 0, stopped: 0, lastGapMs: null }

/** What happens a second. */
export interface Rate {
  readonly connections: number
  readonly bytesIn: number
  readonly bytesOut: number
}

/** By `rateKey`; what isn't in it isn't known yet. */
export type StatusRates = ReadonlyMap<string, Rate>

export function rateKey({ namespace, name, portName, protocol }: ServiceStatus): string {
  return `${namespace}/${name}:${portName}/${protocol}`
}

/** Connections, bytes in and bytes out, as three cells. */
export function formatRate(rate: Rate | undefined): readonly string[] {
  if (rate === undefined) return ['-', '-', '-']
  return [rate.connections.toFixed(1), formatBytes(rate.bytesIn), formatBytes(rate.bytesOut)]
}

const perSecond = ['CONN/S', 'IN/S', 'OUT/S']

/**
 * The document as a table: a headline, then a line per frontend; repeated cells are left blank. With rates, what happens
 * a second is shown too.
 */
export function renderStatus(status: StatusDocument, rates: StatusRates | null = null): string {
  const { node, generation, source, asOf, synced, services, vips } = status
  const from = asOf === undefined ? source : `${source} of ${asOf}`
  const local = vips === undefined || vips.mode === 'none' ? '' : `   VIPs ${vips.local} (${vips.mode})`
  const headline = `node ${node}   generation ${generation}   source ${from}   ${synced ? 'synced' : 'NOT SYNCED'}${local}`
  const troubles = [
    ...Object.entries(status.watches)
      .filter(([, state]) => state !== 'watching')
      .map(([resource, state]) => `${resource}: ${state}`),
    ...vipTroubles(vips?.failed ?? []),
    ...status.workers.flatMap(workerTroubles),
  ]
  const place = ['NAMESPACE', 'SERVICE', 'PORT', 'KIND', 'ADDRESS', 'STATE', 'ENDPOINTS']
  const columns = [...place, 'ACTIVE', 'TOTAL', ...(rates === null ? [] : perSecond), 'RETRIES', 'FAILED']
  const rows = services.flatMap(service => serviceRows(service, rates))
  const table = rows.length === 0 ? ['no services'] : alignRows([columns, ...rows])
  return [...[headline, ...troubles].map(oneLine), '', ...table, ''].join('\n')
}

function workerTroubles({ index, pid, draining, responding, descriptors }: WorkerStatus): readonly string[] {
  const worker = `worker ${index} (process ${pid})`
  if (!responding) return [`${worker} does not answer: what it has counted is as last known`]
  const { accepting, used, limit } = descriptors
  if (draining || accepting) return []
  return [`${worker} accepts nobody: ${used} of ${limit} descriptors are in use`]
}

/** Absent where all answer; for documents that have counts of the workers that do. */
export function silentWorkersOf(workers: readonly WorkerStatus[]): { readonly silentWorkers?: number } {
  const silent = workers.filter(({ responding }) => !responding).length
  return silent === 0 ? {} : { silentWorkers: silent }
}

/** What a person is told of them. */
export function silentWorkersText(silent: number): string {
  return `${silent} worker${silent === 1 ? ' does' : 's do'} not answer: what endpoints have of ${silent === 1 ? 'it' : 'them'} is missing here`
}

/** One line a reason: where one VIP fails, thousands may. */
function vipTroubles(failed: VipStatus['failed']): readonly string[] {
  const byReason = Map.groupBy(failed, ({ reason }) => reason)
  return [...byReason].map(([reason, vips]) => {
    const more = vips.length > 1 ? ` and ${vips.length - 1} more` : ''
    return `VIP ${vips[0]?.ip}${more}, not local: ${reason}`
  })
}

function serviceRows(service: ServiceStatus, rates: StatusRates | null): readonly string[][] {
  const { connections } = service
  const endpoints = new Set([...(service.endpoints.cluster ?? []), ...(service.endpoints.local ?? [])])
  const port = service.portName === '' ? service.protocol : `${service.portName}/${service.protocol}`
  const aside = service.setAside.length === 0 ? '' : ` (${service.setAside.length} set aside)`
  const { active, total, dialRetries, dialFailures } = connections
  const rate = rates === null ? [] : formatRate(rates.get(rateKey(service)))
  const counts = [
    `${endpoints.size}${aside}`,
    ...[active, total].map(String),
    ...rate,
    ...[dialRetries, dialFailures].map(String),
  ]
  return service.frontends.map(({ kind, address, state, reason }, index) => {
    const first = index === 0
    const shown = reason === undefined ? state : `${state} (${reason})`
    return [
      ...(first ? [service.namespace, service.name, port] : ['', '', '']),
      kind,
      address,
      shown,
      ...(first ? counts : []),
    ]
  })
}
