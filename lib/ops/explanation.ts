// What `kube-relay explain` tells: the document that the agent answers, and the text that a person reads.

import type { Protocol } from '../model/address.ts'
import type { FrontendKind } from '../model/proxy-table.ts'
import { explainVerdict, type AffineEndpoint, type EndpointDetail, type ListName } from './endpoint-detail.ts'
import { silentWorkersText, type FrontendStatus } from './status.ts'
import { alignRows, oneLine } from './text-table.ts'

/**
 * What becomes of a connection. `refused`: the port is closed. `reset`: it is accepted and reset at once (a datagram is
 * dropped). `not-proxied`: kube-relay has nothing to do with it, or can't have.
 */
export type Outcome = 'proxied' | 'refused' | 'reset' | 'not-proxied'

export interface Explanation {
  readonly node: string
  readonly generation: number
  /** False: the table isn't whole yet, or is one of before the start. */
  readonly synced: boolean
  /** Workers that don't answer, so that what endpoints have of them is missing; absent: none. */
  readonly silentWorkers?: number
  readonly address: string
  readonly protocol: Protocol
  /** null: any client that is neither this node nor a pod on it, and that may connect. */
  readonly client: string | null
  readonly outcome: Outcome
  /** One sentence. */
  readonly summary: string
  /** null: no frontend has the address. */
  readonly frontend: ExplainedFrontend | null
  /** Others that name the same address and don't get it. */
  readonly rivals: readonly FrontendRival[]
  /** Which endpoints count for this client; null where none would be asked for. */
  readonly list: { readonly name: ListName; readonly why: string } | null
  readonly endpoints: readonly ExplainedEndpoint[]
  /** How one of the eligible endpoints is chosen; "" without any. */
  readonly choice: string
  /** With session affinity and a client: the endpoint that it gets. */
  readonly affinity: AffineEndpoint | null
  /** Where no frontend has the address: what is near it. */
  readonly nearest: readonly NearbyAddress[]
}

export interface ExplainedFrontend extends FrontendStatus {
  readonly service: string
  readonly portName: string
  readonly type: string
  /** The only clients that may connect; null: all may. */
  readonly sourceRanges: readonly string[] | null
}

export interface FrontendRival {
  readonly service: string
  readonly portName: string
  readonly kind: FrontendKind
  readonly reason: string
}

export interface ExplainedEndpoint extends EndpointDetail {
  readonly eligible: boolean
  /** Why not; "eligible" where it is. */
  readonly why: string
}

export interface NearbyAddress {
  /** What it has in common, or that the address itself is an endpoint. */
  readonly near: 'other-protocol' | 'same-ip' | 'same-port' | 'endpoint'
  readonly address: string
  readonly protocol: Protocol
  readonly service: string
  readonly kind: FrontendKind | 'endpoint'
}

export function renderExplanation(explanation: Explanation): string {
  const { address, protocol, client, summary, frontend, rivals, list, endpoints, choice, nearest } =
    explanation
  const from = client === null ? 'from a client elsewhere' : `from ${client}`
  const facts: string[][] = []
  if (frontend !== null) {
    const { service, portName, type, kind, state, reason, sourceRanges } = frontend
    const port = portName === '' ? '' : `, port ${portName}`
    facts.push(['service', `${service}${port} (${type})`])
    facts.push([
      'frontend',
      `${kind} ${frontend.address}, ${state}${reason === undefined ? '' : ` (${reason})`}`,
    ])
    if (sourceRanges !== null) facts.push(['clients', `only ${sourceRanges.join(', ') || 'none'}`])
  }
  for (const { service, portName, kind, reason } of rivals) {
    facts.push(['not served', `${kind} of ${service}${portName === '' ? '' : `:${portName}`} is ${reason}`])
  }
  if (list !== null) facts.push(['endpoints', `the ${list.name} list: ${list.why}`])
  if (choice !== '') facts.push(['choice', choice])
  return [
    oneLine(`${address} (${protocol}) ${from}: ${summary}`),
    ...(facts.length > 0 ? ['', ...alignRows(facts)] : []),
    ...(endpoints.length > 0 ? ['', ...alignRows([endpointColumns, ...endpoints.map(endpointRow)])] : []),
    ...(nearest.length > 0 ? ['', 'near it:', ...alignRows(nearest.map(nearbyRow))] : []),
    ...(explanation.silentWorkers === undefined ? [] : ['', silentWorkersText(explanation.silentWorkers)]),
    ...(explanation.synced
      ? []
      : ['', 'The table is not what the API server says now: see kube-relay status.']),
    '',
  ].join('\n')
}

const endpointColumns = ['ENDPOINT', 'NODE', 'ZONE', 'ELIGIBLE', 'ACTIVE', 'TOTAL', 'WHY']

function endpointRow(endpoint: ExplainedEndpoint): readonly string[] {
  const { address, node, zone, eligible, why, setAsideUntil, connections } = endpoint
  const aside = setAsideUntil === null ? '' : `set aside until ${setAsideUntil}: dials have failed`
  const reasons = [eligible ? '' : why, aside].filter(text => text !== '')
  const counts = [connections.active, connections.total].map(String)
  return [address, node || '-', zone || '-', eligible ? 'yes' : 'no', ...counts, reasons.join('; ')]
}

const nearness: Readonly<Record<NearbyAddress['near'], string>> = {
  'other-protocol': 'with the other protocol',
  'same-ip': 'the same IP, another port',
  'same-port': 'the same port, another IP',
  endpoint: 'an endpoint itself: what is sent to it does not pass kube-relay',
}

function nearbyRow({ near, address, protocol, service, kind }: NearbyAddress): readonly string[] {
  return [`  ${address}`, protocol, kind, service, nearness[near]]
}

/** An endpoint as one list sees it. */
export function explainedEndpoint(detail: EndpointDetail, list: ListName): ExplainedEndpoint {
  return { ...detail, eligible: detail[list] === 'eligible', why: explainVerdict(detail, list) }
}
