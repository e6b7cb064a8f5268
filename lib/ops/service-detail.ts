// One Service as `kube-relay status SERVICE` shows it: the document that the agent answers, and the text of it. It has
// what the whole status has of each port, and the endpoints one by one. Fields may be added, none may change.

import { formatDuration } from '../model/duration.ts'
import type { ProxySettings } from '../model/proxy-settings.ts'
import type { ServiceType } from '../model/service.ts'
import { explainVerdict, type EndpointDetail } from './endpoint-detail.ts'
import { formatRate, silentWorkersText, type Rate, type ServiceStatus } from './status.ts'
import { alignRows, formatBytes, oneLine } from './text-table.ts'

export interface ServiceDetail {
  readonly node: string
  readonly generation: number
  /** False: the table isn't whole yet, or is one of before the start. */
  readonly synced: boolean
  /** Workers that don't answer, so that what endpoints have of them is missing; absent: none. */
  readonly silentWorkers?: number
  readonly namespace: string
  readonly name: string
  readonly type: ServiceType
  readonly settings: ServiceSettings
  /** Those of ours, as they stand there; null: the Service itself isn't known, only what was served of it. */
  readonly annotations: Readonly<Record<string, string>> | null
  /** What of it isn't served as it is written, a sentence each. */
  readonly problems: readonly string[]
  readonly ports: readonly ServicePortDetail[]
}

export interface ServiceSettings extends ProxySettings {
  readonly internalTrafficPolicy: TrafficPolicy
  /** null: it has no external address. */
  readonly externalTrafficPolicy: TrafficPolicy | null
  /** null: no session affinity. */
  readonly affinityTimeoutSeconds: number | null
  /** The only sources that may reach its load balancer IPs; null: all may. */
  readonly sourceRanges: readonly string[] | null
  /** The agent's own, for clients of all Services together; null: no limit. */
  readonly maxConnectionsPerClient: number | null
}

export type TrafficPolicy = 'Cluster' | 'Local'

export interface ServicePortDetail extends ServiceStatus {
  readonly endpointDetails: readonly EndpointDetail[]
}

/** By "http/TCP", and by that and an endpoint's address. */
export interface ServiceRates {
  readonly ports: ReadonlyMap<string, Rate>
  readonly endpoints: ReadonlyMap<string, Rate>
}

/** "http/TCP", or "TCP" of a port without a name. */
export function portLabel({ portName, protocol }: Pick<ServiceStatus, 'portName' | 'protocol'>): string {
  return portName === '' ? protocol : `${portName}/${protocol}`
}

/** With rates, what happens a second is shown too. */
export function renderServiceDetail(detail: ServiceDetail, rates: ServiceRates | null = null): string {
  const { namespace, name, type, node, generation, synced, silentWorkers, settings, problems, ports } = detail
  const headline = `${namespace}/${name} (${type})   node ${node}   generation ${generation}   ${synced ? 'synced' : 'NOT SYNCED'}`
  const annotations = Object.entries(detail.annotations ?? {}).map(
    ([key, value]) => `${key}=${shortened(value)}`,
  )
  return [
    oneLine(headline),
    ...(silentWorkers === undefined ? [] : [silentWorkersText(silentWorkers)]),
    '',
    ...alignRows([
      ...settingRows(settings),
      ...(annotations.length === 0 ? [] : [['annotations', annotations.join(', ')]]),
      ...problems.map(problem => ['problem', problem]),
    ]),
    ...ports.flatMap(port => ['', ...portLines(port, rates)]),
    '',
  ].join('\n')
}

/** An annotation may have a quarter of a megabyte; the document has it whole. */
function shortened(value: string): string {
  return value.length > maxShown ? `${value.slice(0, maxShown)}… (${value.length} characters)` : value
}

const maxShown = 120

function settingRows(settings: ServiceSettings): readonly string[][] {
  const { internalTrafficPolicy, externalTrafficPolicy, affinityTimeoutSeconds, sourceRanges } = settings
  const { balance, proxyProtocol, maxConnections, maxConnectionsPerClient } = settings
  const external = externalTrafficPolicy === null ? '' : `, external ${externalTrafficPolicy}`
  const orNever = (ms: number | null): string => (ms === null ? 'none' : formatDuration(ms))
  const perClient = maxConnectionsPerClient === null ? '' : `, ${maxConnectionsPerClient} a client`
  return [
    ['traffic policy', `internal ${internalTrafficPolicy}${external}`],
    ['affinity', affinityTimeoutSeconds === null ? 'None' : `ClientIP, ${affinityTimeoutSeconds} s`],
    ['balance', balance],
    ['PROXY protocol', proxyProtocol ?? 'off'],
    ['connections', `${maxConnections === null ? 'no limit' : `at most ${maxConnections}`}${perClient}`],
    ['drain timeout', orNever(settings.drainTimeoutMs)],
    ['greatest age', orNever(settings.maxConnectionAgeMs)],
    ...(sourceRanges === null ? [] : [['source ranges', sourceRanges.join(', ') || 'none may connect']]),
  ]
}

function portLines(port: ServicePortDetail, rates: ServiceRates | null): readonly string[] {
  const { frontends, connections, endpointDetails } = port
  const { active, total, bytesIn, bytesOut, dialRetries, dialFailures, failures } = connections
  const failed = Object.entries(failures).filter(([, count]) => count > 0)
  const rate = rates?.ports.get(portLabel(port))
  const reasons =
    failed.length === 0 ? '' : ` (${failed.map(([reason, count]) => `${reason} ${count}`).join(', ')})`
  return [
    oneLine(`port ${portLabel(port)}`),
    ...indent(
      alignRows(
        frontends.map(({ kind, address, state, reason }) => [
          kind,
          address,
          reason === undefined ? state : `${state} (${reason})`,
        ]),
      ),
    ),
    `  connections: ${active} active, ${total} total, ${formatBytes(bytesIn)} in, ${formatBytes(bytesOut)} out, ` +
      `${dialRetries} retries, ${dialFailures} failed${reasons}`,
    ...(rate === undefined ? [] : [`  per second: ${rateText(rate)}`]),
    '',
    ...(endpointDetails.length === 0
      ? ['  no endpoints']
      : indent(
          alignRows([endpointColumns(rates), ...endpointDetails.map(each => endpointRow(port, each, rates))]),
        )),
  ]
}

function rateText(rate: Rate): string {
  const [connections, bytesIn, bytesOut] = formatRate(rate)
  return `${connections} connections, ${bytesIn} in, ${bytesOut} out`
}

function endpointColumns(rates: ServiceRates | null): readonly string[] {
  const perSecond = rates === null ? [] : ['CONN/S', 'IN/S', 'OUT/S']
  return [
    'ENDPOINT',
    'NODE',
    'ZONE',
    'CONDITIONS',
    'ACTIVE',
    'TOTAL',
    ...perSecond,
    'IN',
    'OUT',
    'FAILED',
    'STATE',
  ]
}

function endpointRow(
  port: ServicePortDetail,
  endpoint: EndpointDetail,
  rates: ServiceRates | null,
): readonly string[] {
  const { address, node, zone, conditions, connections, setAsideUntil } = endpoint
  const { active, total, bytesIn, bytesOut, failures } = connections
  const { refused, timeout } = failures
  const failed = [
    ...(refused > 0 ? [`refused ${refused}`] : []),
    ...(timeout > 0 ? [`timeout ${timeout}`] : []),
  ].join(', ')
  const rate = rates?.endpoints.get(`${portLabel(port)} ${address}`)
  const aside = setAsideUntil === null ? [] : [`set aside until ${setAsideUntil}`]
  return [
    address,
    node || '-',
    zone || '-',
    conditions === null ? 'unknown' : conditionText(conditions),
    String(active),
    String(total),
    ...(rates === null ? [] : formatRate(rate)),
    formatBytes(bytesIn),
    formatBytes(bytesOut),
    failed || '0',
    [...verdictTexts(endpoint), ...aside].join('; '),
  ]
}

function conditionText({ ready, serving, terminating }: NonNullable<EndpointDetail['conditions']>): string {
  const states = [
    ready ? 'ready' : 'not ready',
    ...(serving ? ['serving'] : []),
    ...(terminating ? ['terminating'] : []),
  ]
  return states.join(',')
}

/** One text where both lists say the same, or one of them isn't used. */
function verdictTexts(endpoint: EndpointDetail): readonly string[] {
  const texts = (['cluster', 'local'] as const)
    .filter(list => endpoint[list] !== 'unused')
    .map(list => ({ list, text: explainVerdict(endpoint, list) }))
  if (new Set(texts.map(({ text }) => text)).size <= 1) return texts.slice(0, 1).map(({ text }) => text)
  return texts.map(({ list, text }) => `${list}: ${text}`)
}

function indent(lines: readonly string[]): readonly string[] {
  return lines.map(line => `  ${line}`)
}
