// Closer looks at what an agent serves: one Service with its endpoints, and what becomes of a connection to an address.
// They put together what the control side knows and what the data plane has seen, and change neither.

import { serviceStatuses } from './agent-status.ts'
import type { DesiredState } from './control/desired-state.ts'
import { explain, findFrontend, type ExplainQuery, type ExplainView } from './control/explain.ts'
import type { DataPlane } from './dataplane/data-plane.ts'
import { canonicalIp, familyOf, formatAddress, isPort, type Protocol } from './model/address.ts'
import { closest } from './model/closest.ts'
import { RelayError } from './model/error.ts'
import { asString, type Fields } from './model/fields.ts'
import { nameKey } from './model/objects.ts'
import { ownAnnotationPrefix } from './model/proxy-settings.ts'
import type { ServicePort } from './model/proxy-table.ts'
import type { VipMode } from './model/vip-mode.ts'
import { endpointDetails } from './ops/endpoint-detail.ts'
import type { Explanation } from './ops/explanation.ts'
import type { ExplainQuestion, Inspection } from './ops/observability-routes.ts'
import type { ServiceDetail, ServiceSettings } from './ops/service-detail.ts'
import { silentWorkersOf, type VipStatus } from './ops/status.ts'

export interface InspectionOptions {
  readonly nodeName: string
  readonly desired: DesiredState
  readonly dataPlane: Pick<DataPlane, 'status' | 'inspect'>
  /** What is served is what the API server has listed. */
  readonly synced: () => boolean
  readonly vipMode: VipMode
  readonly vips: () => VipStatus | undefined
  readonly maxConnectionsPerClient: number | null
  /** Milliseconds since 1970. */
  readonly wallClock: () => number
}

export function createInspection(options: InspectionOptions): Inspection {
  return {
    service: name => inspectService(name, options),
    explain: question => explainAddress(question, options),
  }
}

async function inspectService(text: string, options: InspectionOptions): Promise<ServiceDetail> {
  const { desired, dataPlane, nodeName, synced, wallClock } = options
  const ports = findService(text, [...desired.servicePorts])
  const [first] = ports
  if (first === undefined) throw new TypeError('a Service without ports was found')
  const keys = ports.map(({ key }) => key)
  const [status, inspected] = await Promise.all([dataPlane.status(), dataPlane.inspect(keys, null)])
  const traffic = new Map(inspected.map(each => [each.key, each.endpoints]))
  const written = desired.written(nameKey(first))
  const now = wallClock()
  return {
    node: nodeName,
    generation: desired.generation,
    synced: synced(),
    ...silentWorkersOf(status.workers),
    namespace: first.namespace,
    name: first.name,
    type: first.type,
    settings: settingsOf(ports, options.maxConnectionsPerClient),
    annotations: written === null ? null : ownAnnotations(written.annotations),
    problems: written === null ? [] : [...new Set(written.problems)],
    ports: serviceStatuses(ports, status.servicePorts).map(port => ({
      ...port,
      endpointDetails: ports
        .filter(({ portName, protocol }) => portName === port.portName && protocol === port.protocol)
        .flatMap(each =>
          // The other family's are this Service's too, and stand in its own list.
          endpointDetails(
            desired.assess(each).filter(({ cluster, local }) => ![cluster, local].includes('other-family')),
            traffic.get(each.key) ?? [],
            now,
          ),
        ),
    })),
  }
}

/** The service ports that "name", "namespace/name" or "namespace/name:port" means; the port by name or number. */
function findService(text: string, all: readonly ServicePort[]): readonly ServicePort[] {
  const [, namespace, name = '', portText] = /^(?:([^/:]*)\/)?([^/:]*)(?::([^/:]*))?$/.exec(text) ?? []
  if (name === '') {
    throw invalid(`${quote(text)} is not a Service: expected NAME, NAMESPACE/NAME or NAMESPACE/NAME:PORT`)
  }
  const ports = all.filter(port => port.name === name && (namespace ?? port.namespace) === port.namespace)
  const services = [...new Set(ports.map(nameKey))]
  if (services.length === 0)
    throw invalid(`no Service ${quote(text)} is served here${hintFor(text, namespace, name, all)}`)
  if (services.length > 1)
    throw invalid(`several Services are called ${quote(name)}: ${services.sort().join(', ')}`)
  if (portText === undefined) return ports
  const chosen = ports.filter(
    ({ portName, frontends }) =>
      portName === portText || frontends.some(({ port }) => String(port) === portText),
  )
  if (chosen.length > 0) return chosen
  const names = [
    ...new Set(ports.map(port => port.portName || String(port.frontends[0]?.port ?? 'without a name'))),
  ]
  throw invalid(`Service ${services[0]} has no port ${quote(portText)}, only ${names.join(', ')}`)
}

function hintFor(
  text: string,
  namespace: string | undefined,
  name: string,
  all: readonly ServicePort[],
): string {
  const keys = [...new Set(all.map(nameKey))]
  const elsewhere = keys.find(key => key.endsWith(`/${name}`))
  const names = namespace === undefined ? [...new Set(all.map(port => port.name))] : keys
  const guess = elsewhere ?? closest(text.replace(/:.*$/, '').slice(0, 130), names)
  return guess === undefined ? ' (kube-relay status lists those that are)' : `: did you mean ${guess}?`
}

function settingsOf(ports: readonly ServicePort[], maxConnectionsPerClient: number | null): ServiceSettings {
  const frontends = ports.flatMap(port => port.frontends)
  const external = frontends.filter(({ kind }) => kind !== 'ClusterIP')
  const internalLocal = frontends.some(({ kind, list }) => kind === 'ClusterIP' && list === 'local')
  const restricted = frontends.flatMap(({ sourceRanges }) =>
    sourceRanges === undefined ? [] : [sourceRanges],
  )
  const [first] = ports
  if (first === undefined) throw new TypeError('no service port')
  return {
    ...first.settings,
    internalTrafficPolicy: internalLocal ? 'Local' : 'Cluster',
    externalTrafficPolicy:
      external.length === 0 ? null : external.some(({ list }) => list === 'local') ? 'Local' : 'Cluster',
    affinityTimeoutSeconds: first.affinityTimeoutSeconds,
    sourceRanges: restricted.length === 0 ? null : [...new Set(restricted.flat())],
    maxConnectionsPerClient,
  }
}

function ownAnnotations(annotations: Fields): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(annotations)
      .filter(([key]) => key.startsWith(ownAnnotationPrefix))
      .map(([key, value]) => [key, asString(value)]),
  )
}

async function explainAddress(question: ExplainQuestion, options: InspectionOptions): Promise<Explanation> {
  const { desired, dataPlane, nodeName, synced, vipMode, vips, wallClock } = options
  const query = readQuestion(question)
  const view: ExplainView = {
    node: nodeName,
    generation: desired.generation,
    synced: synced(),
    servicePorts: [...desired.servicePorts],
    localIps: desired.localIps,
    localSources: desired.localSources,
    vipMode,
    failedVips: new Map(vips()?.failed.map(({ ip, reason }) => [ip, reason])),
  }
  const search = findFrontend(query, view)
  if (search.owner === null) return explain(query, view, search, null)
  const { port, frontend } = search.owner
  const [status, inspected] = await Promise.all([
    dataPlane.status(),
    dataPlane.inspect([port.key], query.client),
  ])
  const [running] = inspected
  const address = formatAddress(frontend.ip, frontend.port)
  const [service] = serviceStatuses([port], status.servicePorts)
  const { state, reason } = service?.frontends.find(each => each.address === address) ?? { state: 'binding' }
  const explanation = explain(query, view, search, {
    state: reason === undefined ? { state } : { state, reason },
    endpoints: endpointDetails(desired.assess(port), running?.endpoints ?? [], wallClock()),
    affinity: running?.affinity ?? null,
  })
  return { ...explanation, ...silentWorkersOf(status.workers) }
}

function readQuestion({ address, protocol, client }: ExplainQuestion): ExplainQuery {
  const [, bracketed, plain, number] = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(address) ?? []
  const ip = canonicalIp(bracketed ?? plain)
  const port = Number(number)
  if (ip === null || !isPort(port)) {
    throw invalid(
      `${quote(address)} is not an address: expected IP:PORT such as 10.96.0.10:80 or [fd00::10]:80`,
    )
  }
  const upper = protocol.toUpperCase()
  if (upper !== 'TCP' && upper !== 'UDP') throw invalid(`protocol ${quote(protocol)} is neither tcp nor udp`)
  const from = client === null ? null : canonicalIp(client)
  if (client !== null && from === null) throw invalid(`client ${quote(client)} is not an IP address`)
  if (from !== null && familyOf(from) !== familyOf(ip)) {
    throw invalid(`a client at ${from} can't connect to ${ip}: they are of two IP families`)
  }
  return { ip, port, protocol: upper satisfies Protocol, client: from }
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 130))
}

function invalid(message: string): RelayError {
  return new RelayError('INVALID_CONFIG', message)
}
