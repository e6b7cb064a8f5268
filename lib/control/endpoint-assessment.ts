// Every endpoint of one service port with what it is to each list, and why: by the same judges, refusals and slices that
// the table is built with, so that what is told is what is done. Only for whoever asks about one Service.

import { formatAddress } from '../model/address.ts'
import type { EndpointSlice, SliceEndpoint } from '../model/endpoint-slice.ts'
import type { ServicePort } from '../model/proxy-table.ts'
import { unknownFacts, type EndpointFacts, type EndpointVerdict } from '../ops/endpoint-detail.ts'
import { endpointJudges, type Endpoint, type Judge } from '../policy/eligible-endpoints.ts'
import type { BuildContext } from './service-ports.ts'

/** `slices`: all that the Service has. Those that can be dialed first, each group sorted by address. */
export function assessEndpoints(
  port: ServicePort,
  slices: readonly EndpointSlice[],
  context: Pick<BuildContext, 'endpoints' | 'refusal' | 'nodeName' | 'zone'>,
): readonly EndpointFacts[] {
  const { family, portName, protocol } = port
  const { nodeName, zone } = context
  const candidates = context
    .endpoints(family, portName, protocol)
    .map(endpoint => ({ endpoint, refusal: context.refusal(endpoint, protocol) }))
  const dialable = candidates.flatMap(({ endpoint, refusal }) => (refusal === null ? endpoint : []))
  const usesCluster = port.cluster !== null
  const usesLocal = port.local !== null
  const judges = endpointJudges(dialable, { usesCluster, usesLocal, nodeName, zone })
  const unused = (list: readonly string[] | null, otherwise: EndpointVerdict): EndpointVerdict =>
    list === null ? 'unused' : otherwise
  const judged = candidates.map(({ endpoint, refusal }): EndpointFacts => {
    const verdict = (judge: Judge<Endpoint> | null): EndpointVerdict => {
      if (judge === null) return 'unused'
      return refusal === null ? (judge(endpoint) ?? 'eligible') : 'never-dialed'
    }
    return {
      ...factsOf(endpoint, formatAddress(endpoint.ip, endpoint.port)),
      refusal,
      cluster: verdict(judges.cluster),
      local: verdict(judges.local),
    }
  })
  const known = new Set(candidates.map(({ endpoint }) => endpoint.ip))
  const outside = slices.flatMap(slice => {
    const found = slice.ports.find(each => each.name === portName && each.protocol === protocol)
    if (slice.family === family && found !== undefined) return []
    const verdict = slice.family === family ? 'no-port' : 'other-family'
    // One whose ports are spread over several slices is in one of them with this port.
    const strangers = slice.endpoints.filter(({ ip }) => !known.has(ip))
    return strangers.map((endpoint): EndpointFacts => ({
      ...factsOf(endpoint, found === undefined ? endpoint.ip : formatAddress(endpoint.ip, found.port)),
      refusal: null,
      cluster: unused(port.cluster, verdict),
      local: unused(port.local, verdict),
    }))
  })
  return [...judged, ...uniqueByAddress(outside)]
}

/** As much as a table of before the start tells. */
export function assessSavedEndpoints({
  cluster,
  local,
  serving,
  unserving,
}: ServicePort): readonly EndpointFacts[] {
  const addresses = new Set([...(cluster ?? []), ...(local ?? []), ...serving, ...unserving])
  const verdict = (list: readonly string[] | null, address: string): EndpointVerdict => {
    if (list === null) return 'unused'
    return list.includes(address) ? 'eligible' : 'unknown'
  }
  return [...addresses].sort().map(address => ({
    address,
    ...unknownFacts,
    cluster: verdict(cluster, address),
    local: verdict(local, address),
  }))
}

function factsOf(
  { nodeName, zone, ready, serving, terminating, nodeHints, zoneHints }: SliceEndpoint,
  address: string,
): Omit<EndpointFacts, 'refusal' | 'cluster' | 'local'> {
  const conditions = { ready, serving, terminating }
  return { address, node: nodeName, zone, conditions, nodeHints, zoneHints }
}

function uniqueByAddress(endpoints: readonly EndpointFacts[]): readonly EndpointFacts[] {
  const byAddress = new Map(endpoints.map(endpoint => [endpoint.address, endpoint]))
  return [...byAddress.values()].sort((a, b) => (a.address < b.address ? -1 : 1))
}
