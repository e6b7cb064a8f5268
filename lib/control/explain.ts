// What becomes of a connection to an address, and why. Pure, and by the code that decides for real: the table, the
// assessment of endpoints, `listFor`, the source ranges. What the data plane knows comes in as data.

import { familyOf, formatAddress, type Protocol } from '../model/address.ts'
import { nameKey } from '../model/objects.ts'
import type { Frontend, ServicePort } from '../model/proxy-table.ts'
import type { VipMode } from '../model/vip-mode.ts'
import type { AffineEndpoint, EndpointDetail, ListName } from '../ops/endpoint-detail.ts'
import {
  explainedEndpoint,
  type ExplainedEndpoint,
  type Explanation,
  type FrontendRival,
  type NearbyAddress,
} from '../ops/explanation.ts'
import type { FrontendStatus } from '../ops/status.ts'
import { listFor, SourceRanges } from '../policy/source-ranges.ts'
import { isWildcard } from './frontend-claims.ts'

export interface ExplainQuery {
  /** Canonical. */
  readonly ip: string
  readonly port: number
  readonly protocol: Protocol
  /** Canonical and of the same family; null: a client that is neither this node nor a pod on it. */
  readonly client: string | null
}

/** What the agent knows. */
export interface ExplainView {
  readonly node: string
  readonly generation: number
  readonly synced: boolean
  readonly servicePorts: Iterable<ServicePort>
  readonly localIps: ReadonlySet<string>
  readonly localSources: readonly string[]
  readonly vipMode: VipMode
  /** VIPs that should be local and aren't, with the reason. */
  readonly failedVips: ReadonlyMap<string, string>
}

/** Whose an address is. */
export interface FoundFrontend {
  readonly port: ServicePort
  readonly frontend: Frontend
}

export interface FrontendSearch {
  readonly owner: FoundFrontend | null
  readonly rivals: readonly FrontendRival[]
}

/** What runs for the frontend that was found. */
export interface RunningFrontend {
  readonly state: Pick<FrontendStatus, 'state' | 'reason'>
  readonly endpoints: readonly EndpointDetail[]
  readonly affinity: Readonly<Record<ListName, AffineEndpoint | null>> | null
}

/** A listener at the address itself goes before one at all addresses, as in the kernel. */
export function findFrontend(query: ExplainQuery, view: ExplainView): FrontendSearch {
  const wildcard = familyOf(query.ip) === 'IPv4' ? '0.0.0.0' : '::'
  const exact = frontendsAt(query.ip, query, view)
  const owner = exact.find(({ frontend }) => frontend.conflict === undefined)
  const rivals = exact.flatMap(({ port, frontend: { kind, conflict } }): FrontendRival[] =>
    conflict === undefined
      ? []
      : [{ service: nameKey(port), portName: port.portName, kind, reason: conflict }],
  )
  if (owner !== undefined || !wildcardAnswers(query.ip, view)) return { owner: owner ?? null, rivals }
  const everywhere = frontendsAt(wildcard, query, view)
  return { owner: everywhere.find(({ frontend }) => frontend.conflict === undefined) ?? null, rivals }
}

function frontendsAt(
  ip: string,
  { port, protocol }: ExplainQuery,
  view: ExplainView,
): readonly FoundFrontend[] {
  return frontendsOf(
    view,
    (frontend, owner) => frontend.ip === ip && frontend.port === port && owner.protocol === protocol,
  )
}

/** Of tens of thousands, those that are wanted. */
function frontendsOf(
  { servicePorts }: ExplainView,
  isWanted: (frontend: Frontend, owner: ServicePort) => boolean,
): readonly FoundFrontend[] {
  const found: FoundFrontend[] = []
  for (const port of servicePorts) {
    for (const frontend of port.frontends) if (isWanted(frontend, port)) found.push({ port, frontend })
  }
  return found
}

function isVip(ip: string, view: ExplainView): boolean {
  return frontendsOf(view, frontend => frontend.vip === true && frontend.ip === ip).length > 0
}

/** Whether listeners on all addresses of the node get what is sent to this one. */
function wildcardAnswers(ip: string, view: ExplainView): boolean {
  if (isOnNode(ip, view)) return true
  return view.vipMode === 'local' && isVip(ip, view)
}

function isOnNode(ip: string, { localIps }: ExplainView): boolean {
  return localIps.has(ip) || ip.startsWith('127.') || ip === '::1'
}

type Told = Pick<
  Explanation,
  'outcome' | 'summary' | 'frontend' | 'list' | 'endpoints' | 'choice' | 'affinity' | 'nearest'
>

/** `running`: what the data plane has for the owner that `findFrontend` has found; null without an owner. */
export function explain(
  query: ExplainQuery,
  view: ExplainView,
  { owner, rivals }: FrontendSearch,
  running: RunningFrontend | null,
): Explanation {
  const { ip, port, protocol, client } = query
  const { node, generation, synced } = view
  const told =
    owner === null || running === null
      ? withoutFrontend(query, view, rivals)
      : withFrontend(query, view, owner, running)
  return { node, generation, synced, address: formatAddress(ip, port), protocol, client, rivals, ...told }
}

function withFrontend(
  { ip, protocol, client }: ExplainQuery,
  view: ExplainView,
  { port, frontend }: FoundFrontend,
  { state, endpoints, affinity }: RunningFrontend,
): Told {
  const { kind, sourceRanges = null } = frontend
  const list = listOf(frontend, client, view)
  const explained = endpoints.map(endpoint => explainedEndpoint(endpoint, list.name))
  const eligible = explained.filter(endpoint => endpoint.eligible)
  const affine = client === null ? null : (affinity?.[list.name] ?? null)
  const told = {
    frontend: {
      kind,
      address: formatAddress(frontend.ip, frontend.port),
      ...state,
      service: nameKey(port),
      portName: port.portName,
      type: port.type,
      sourceRanges,
    },
    list,
    endpoints: explained,
    choice: '',
    affinity: null,
    nearest: [],
  }
  const service = `${nameKey(port)}${port.portName === '' ? '' : `:${port.portName}`}`
  const notLocal = view.failedVips.get(ip)
  if (notLocal !== undefined) {
    return {
      ...told,
      outcome: 'not-proxied',
      summary: `the address is not local to this node (${notLocal}), so ${service} is not reached`,
    }
  }
  if (state.state === 'bind-failed') {
    const summary = `${service} can't be served here, because the address can't be bound (${state.reason ?? 'unknown'})`
    return { ...told, outcome: 'not-proxied', summary: `${summary}; it is tried again and again` }
  }
  const isOpen =
    isNonEmpty(port[frontend.list]) || (frontend.shortCircuit === true && isNonEmpty(port.cluster))
  if (!isOpen) {
    const summary = `refused, because ${service} has no eligible endpoint (the port is closed)`
    return { ...told, outcome: 'refused', summary }
  }
  if (client !== null && sourceRanges !== null && !new SourceRanges(sourceRanges).contains(client)) {
    const how = protocol === 'TCP' ? 'reset' : 'dropped'
    return {
      ...told,
      outcome: 'reset',
      summary: `${how}, because ${client} is outside the source ranges of ${service}`,
    }
  }
  if (eligible.length === 0) {
    const how = protocol === 'TCP' ? 'reset' : 'dropped'
    const summary = `${how}, because ${service} has no eligible endpoint for this client`
    return { ...told, outcome: 'reset', summary }
  }
  const goes =
    affine === null
      ? `${eligible.length} eligible endpoint${eligible.length > 1 ? 's' : ''}`
      : affine.endpoint
  return {
    ...told,
    affinity: affine,
    choice: choiceOf(port, eligible, client, affine),
    outcome: 'proxied',
    summary: `goes to ${service}, ${goes}`,
  }
}

function isNonEmpty(list: readonly string[] | null): boolean {
  return list !== null && list.length > 0
}

/** Which list, and why: the rule is `listFor`'s, this puts it in words. */
function listOf(
  frontend: Frontend,
  client: string | null,
  view: ExplainView,
): { name: ListName; why: string } {
  const name =
    client === null ? frontend.list : listFor(frontend, client, new SourceRanges(view.localSources))
  const policy = frontend.kind === 'ClusterIP' ? 'internalTrafficPolicy' : 'externalTrafficPolicy'
  if (frontend.list === 'cluster') return { name, why: `${policy} is Cluster: endpoints on every node` }
  if (name === 'cluster') {
    return {
      name,
      why: `${policy} is Local, but ${client} is this node or a pod on it: endpoints on every node`,
    }
  }
  const others = frontend.shortCircuit ? ' (this node and its pods get every endpoint)' : ''
  return { name, why: `${policy} is Local: endpoints on ${view.node} only${others}` }
}

function choiceOf(
  { affinityTimeoutSeconds, settings }: ServicePort,
  eligible: readonly ExplainedEndpoint[],
  client: string | null,
  affine: AffineEndpoint | null,
): string {
  const aside = eligible.filter(({ setAsideUntil }) => setAsideUntil !== null).length
  const last =
    aside === 0
      ? ''
      : aside === eligible.length
        ? '; all are set aside, and tried all the same'
        : `; ${aside} set aside, tried last`
  if (affinityTimeoutSeconds === null) return `${settings.balance} over ${eligible.length}${last}`
  const affinity = `ClientIP affinity (${affinityTimeoutSeconds} s)`
  if (affine !== null) {
    const how = affine.remembered ? 'which the client had' : 'by the hash of its address'
    return `${affinity}: ${affine.endpoint}, ${how}${last}`
  }
  return client === null
    ? `${affinity}: by the client's address; name one with --client to see which${last}`
    : `${affinity}: no worker answers which${last}`
}

const maxNearby = 5
/** Kubernetes' default for --service-node-port-range. */
const nodePorts = { first: 30_000, last: 32_767 }

function withoutFrontend(query: ExplainQuery, view: ExplainView, rivals: readonly FrontendRival[]): Told {
  const nothing = { frontend: null, list: null, endpoints: [], choice: '', affinity: null }
  const nearest = nearby(query, view)
  if (rivals.length > 0) {
    const [{ service, kind, reason } = { service: '', kind: '', reason: '' }] = rivals
    const summary = `not proxied: the ${kind} of ${service} is ${reason}`
    return { ...nothing, nearest, outcome: 'not-proxied', summary }
  }
  return { ...nothing, nearest, ...unclaimed(query, view, nearest) }
}

function unclaimed(
  { ip, port, protocol }: ExplainQuery,
  view: ExplainView,
  nearest: readonly NearbyAddress[],
): Pick<Explanation, 'outcome' | 'summary'> {
  const none = `no Service has port ${port}/${protocol} of this address`
  const isEndpoint = nearest.some(({ near }) => near === 'endpoint')
  if (isEndpoint && !isOnNode(ip, view)) {
    return { outcome: 'not-proxied', summary: 'not a Service address, but one of an endpoint: not proxied' }
  }
  const vip = isVip(ip, view)
  if (vip && view.vipMode === 'netns') return { outcome: 'refused', summary: `refused: ${none}` }
  if (vip || isOnNode(ip, view) || isWildcard(ip)) {
    const range = port >= nodePorts.first && port <= nodePorts.last && !vip
    const nodePort = range ? ', nor is it a NodePort of one' : ''
    return {
      outcome: 'not-proxied',
      summary: `${none}${nodePort}: refused, unless another program of this node listens there`,
    }
  }
  const sameIp = nearest.some(({ near }) => near === 'same-ip' || near === 'other-protocol')
  if (sameIp) {
    return {
      outcome: 'not-proxied',
      summary: `${none}; kube-relay doesn't make the address local, whoever does (--vip-mode ${view.vipMode}) decides`,
    }
  }
  return {
    outcome: 'not-proxied',
    summary:
      'no Service has this address, nor is it one of this node: not proxied, but routed like any other',
  }
}

/** The same IP with the other protocol or another port first, then the same port elsewhere. */
function nearby({ ip, port, protocol }: ExplainQuery, view: ExplainView): readonly NearbyAddress[] {
  const family = familyOf(ip)
  const local = wildcardAnswers(ip, view)
  const isHere = (frontend: Frontend): boolean =>
    frontend.ip === ip || (local && isWildcard(frontend.ip) && familyOf(frontend.ip) === family)
  const served = frontendsOf(
    view,
    (frontend, owner) =>
      frontend.conflict === undefined &&
      (isHere(frontend) ||
        (frontend.port === port && owner.protocol === protocol && familyOf(frontend.ip) === family)),
  )
  const here = served.filter(({ frontend }) => isHere(frontend))
  const distance = ({ frontend }: FoundFrontend): number => Math.abs(frontend.port - port)
  const describe = (near: NearbyAddress['near'], found: readonly FoundFrontend[]): NearbyAddress[] =>
    found.map(({ port: owner, frontend }) => ({
      near,
      address: formatAddress(frontend.ip, frontend.port),
      protocol: owner.protocol,
      service: nameKey(owner),
      kind: frontend.kind,
    }))
  return [
    ...describe(
      'other-protocol',
      here.filter(({ frontend }) => frontend.port === port),
    ),
    ...describe(
      'same-ip',
      here
        .filter(({ frontend }) => frontend.port !== port)
        .sort((a, b) => distance(a) - distance(b))
        .slice(0, maxNearby),
    ),
    ...describe('same-port', served.filter(({ frontend }) => !isHere(frontend)).slice(0, maxNearby)),
    ...endpointsAt(ip, view),
  ]
}

/** Where the address is one of an endpoint; a few of its ports. */
function endpointsAt(ip: string, { servicePorts }: ExplainView): readonly NearbyAddress[] {
  const prefix = familyOf(ip) === 'IPv6' ? `[${ip}]:` : `${ip}:`
  const found = new Map<string, NearbyAddress>()
  const look = (addresses: readonly string[], owner: ServicePort): void => {
    for (const address of addresses) {
      if (!address.startsWith(prefix)) continue
      const { protocol } = owner
      const service = nameKey(owner)
      found.set(`${address}/${protocol}`, { near: 'endpoint', address, protocol, service, kind: 'endpoint' })
    }
  }
  for (const port of servicePorts) {
    look(port.serving, port)
    look(port.unserving, port)
    if (found.size >= maxNearby) break
  }
  return [...found.values()].slice(0, maxNearby)
}
