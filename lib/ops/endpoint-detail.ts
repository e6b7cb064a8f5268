// One endpoint of a service port as `status SERVICE` and `explain` tell of it: what the API server says, what follows
// for each list of endpoints, and what the data plane has seen of it. As for all documents: fields may be added.

import type { ServicePortKey } from '../model/proxy-table.ts'
import type { Ineligibility } from '../policy/eligible-endpoints.ts'

export type ListName = 'cluster' | 'local'

/**
 * What an endpoint is to a list of its service port; `unused`: no frontend takes that list. `never-dialed`: unsafe, or a
 * loop. `no-port`: its slice lacks the port. `gone`: it only has connections left. `unknown`: not eligible by a table of
 * before the start, which doesn't tell why.
 */
export type EndpointVerdict =
  'eligible' | 'unused' | Ineligibility | 'never-dialed' | 'other-family' | 'no-port' | 'gone' | 'unknown'

export interface EndpointConditions {
  readonly ready: boolean
  readonly serving: boolean
  readonly terminating: boolean
}

/** What follows from the API objects alone. */
export interface EndpointFacts {
  /** "10.1.0.1:8080"; the IP alone where its slice lacks the port. */
  readonly address: string
  /** "" where it isn't known, and so for the zone. */
  readonly node: string
  readonly zone: string
  /** null: only known from a table of before the start, or by connections that are left. */
  readonly conditions: EndpointConditions | null
  readonly nodeHints: readonly string[]
  readonly zoneHints: readonly string[]
  /** What it is that makes it one that is never dialed; null: it may be. */
  readonly refusal: string | null
  readonly cluster: EndpointVerdict
  readonly local: EndpointVerdict
}

/** Of an endpoint that is in no slice that we know. */
export const unknownFacts: Omit<EndpointFacts, 'address' | 'cluster' | 'local'> = {
  node: '',
  zone: '',
  conditions: null,
  nodeHints: [],
  zoneHints: [],
  refusal: null,
}

/** What the data plane has seen of an endpoint, in all workers that are alive. */
export interface EndpointTraffic {
  readonly address: string
  /** Connections, dials and UDP flows that it has now. */
  readonly active: number
  /** Connections that it has taken, and UDP flows. */
  readonly total: number
  /** Of TCP connections, those that are open included. */
  readonly bytesIn: number
  readonly bytesOut: number
  /** Dials that failed, by reason. */
  readonly failures: { readonly refused: number; readonly timeout: number }
  /** For how long it gets no new connections because dialing it failed; null: it does. */
  readonly setAsideForMs: number | null
  /** It is no endpoint any more, but some of its connections are left. */
  readonly gone: boolean
}

export interface EndpointDetail extends EndpointFacts {
  readonly connections: Pick<EndpointTraffic, 'active' | 'total' | 'bytesIn' | 'bytesOut' | 'failures'>
  /** RFC 3339; null: it isn't set aside. */
  readonly setAsideUntil: string | null
}

/** Where session affinity sends a client. `remembered`: it had this endpoint; else its address hashes to it. */
export interface AffineEndpoint {
  readonly endpoint: string
  readonly remembered: boolean
}

/** What the data plane has of one service port, endpoint by endpoint. */
export interface ServicePortInspection {
  readonly key: ServicePortKey
  readonly endpoints: readonly EndpointTraffic[]
  /** Where session affinity would send the client that was asked for; null: no client, or no affinity. */
  readonly affinity: Readonly<Record<ListName, AffineEndpoint | null>> | null
}

/** Puts the two sides together; `now` is in milliseconds since 1970. Sorted by address, those that are gone last. */
export function endpointDetails(
  facts: readonly EndpointFacts[],
  traffic: readonly EndpointTraffic[],
  now: number,
): readonly EndpointDetail[] {
  const seen = new Map(traffic.map(each => [each.address, each]))
  const known = new Set(facts.map(({ address }) => address))
  const gone = traffic
    .filter(({ address }) => !known.has(address))
    .map(({ address }) => goneEndpoint(address))
  return [...facts, ...gone].map(each => {
    const { active, total, bytesIn, bytesOut, failures, setAsideForMs } = seen.get(each.address) ?? unseen
    return {
      ...each,
      connections: { active, total, bytesIn, bytesOut, failures },
      setAsideUntil: setAsideForMs === null ? null : new Date(now + setAsideForMs).toISOString(),
    }
  })
}

const unseen: Omit<EndpointTraffic, 'address' | 'gone'> = {
  active: 0,
  total: 0,
  bytesIn: 0,
  bytesOut: 0,
  failures: { refused: 0, timeout: 0 },
  setAsideForMs: null,
}

function goneEndpoint(address: string): EndpointFacts {
  return {
    address,
    ...unknownFacts,
    cluster: 'gone',
    local: 'gone',
  }
}

/** Why the endpoint gets no new connections from the list, or "eligible". */
export function explainVerdict(endpoint: EndpointFacts, list: ListName): string {
  const { node, nodeHints, zoneHints, refusal } = endpoint
  const verdict = endpoint[list]
  switch (verdict) {
    case 'other-node':
      return node === '' ? 'on no node, and the policy is Local' : `on node ${node}, and the policy is Local`
    case 'node-hints':
      return `its topology hints name ${named('node', nodeHints)}`
    case 'zone-hints':
      return `its topology hints name ${named('zone', zoneHints)}`
    case 'never-dialed':
      return `never dialed: ${refusal ?? 'not safe'}`
    default:
      return fixedTexts[verdict]
  }
}

const fixedTexts = {
  eligible: 'eligible',
  unused: 'no frontend uses this list',
  'not-ready': 'not ready',
  terminating: 'terminating, and serves no more',
  'last-resort': 'terminating: it still serves, but others are ready',
  'other-family': 'an address of the other IP family',
  'no-port': "its EndpointSlice has no port with the Service port's name and protocol",
  gone: 'no endpoint any more, but some of its connections are left',
  unknown: 'not eligible in the table of before the start, which does not say why',
} as const satisfies Partial<Record<EndpointVerdict, string>>

function named(what: string, names: readonly string[]): string {
  return `${what}${names.length === 1 ? '' : 's'} ${names.join(', ')}`
}
