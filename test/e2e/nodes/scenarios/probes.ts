// What scenarios ask again and again: from everywhere in the cluster, over both protocols, that nobody answers, and which
// source an endpoint must have seen.

import type { Place } from '../place.ts'
import type { ProbeResult, ProbeTarget, Protocol } from '../place-protocol.ts'
import { targetName } from '../place.ts'
import type { EndpointPod } from '../objects.ts'
import type { ScenarioContext } from '../scenario.ts'
import type { Node } from '../topology.ts'

export const protocols: readonly Protocol[] = ['TCP', 'UDP']

/** The same port over TCP and UDP. */
export const bothProtocols = protocols.map(protocol => ({ protocol, port: 80 }))

/** A pod and the host, on each node. */
export function everywhere({ nodes, pods }: ScenarioContext): readonly Place[] {
  return [pods[0].place, pods[2].place, ...nodes.map(node => node.place)]
}

/** Those, and the client outside. */
export function everywhereAndOutside(context: ScenarioContext): readonly Place[] {
  return [...everywhere(context), context.client]
}

/**
 * Asserts that the address leads to nobody. While it is local to the node, its port refuses; once it no longer is, there
 * is no route to it, which a UDP client isn't told.
 */
export async function nobodyAnswers(
  { t }: ScenarioContext,
  from: readonly Place[],
  target: ProbeTarget,
): Promise<void> {
  const options = target.protocol === 'UDP' ? { timeoutMs: 500 } : {}
  const results = await Promise.all(from.map(place => place.probe(target, options)))
  for (const [index, result] of results.entries()) {
    const name = `${from[index]?.name} → ${targetName(target)}: nobody answers`
    t.ok(leadsNowhere(result, target.protocol), name, { result })
  }
}

function leadsNowhere(result: ProbeResult, protocol: Protocol): boolean {
  if (result.outcome === 'failed') return ['ENETUNREACH', 'EHOSTUNREACH', 'EACCES'].includes(result.code)
  return result.outcome === 'refused' || (protocol === 'UDP' && result.outcome === 'timed out')
}

/** Asserts that the endpoint saw the node that proxies, at the address by which that node reaches the endpoint's. */
export function cameFrom(
  { t, family }: ScenarioContext,
  results: readonly ProbeResult[],
  node: Node,
  pod: EndpointPod,
): void {
  const gateway = node.podCidrs[family].replace(/(\.0|::)\/\d+$/, family === 'IPv4' ? '.1' : '::1')
  const expected = pod.node === node.name ? gateway : node.addresses[family]
  const seen = results.map(result => (result.outcome === 'answered' ? result.clientIp : result.outcome))
  t.same([...new Set(seen)], [expected], `${pod.name} sees ${node.name} as the client`)
}

/** Node ports that nobody has: they were lent and given back. */
export async function freeNodePorts(context: ScenarioContext): Promise<Readonly<Record<Protocol, number>>> {
  const { apply, service, read, remove, nodes } = context
  const lender = service({ name: 'lender', ports: bothProtocols, spec: { type: 'NodePort' } })
  await apply(lender)
  const lent = await read('lender')
  await remove(lender)
  const [TCP, UDP] = [
    lent.nodePort(nodes[0], { protocol: 'TCP' }),
    lent.nodePort(nodes[0], { protocol: 'UDP' }),
  ]
  return { TCP: TCP.port, UDP: UDP.port }
}
