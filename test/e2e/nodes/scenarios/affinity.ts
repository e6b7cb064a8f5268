// Session affinity: a client stays with one endpoint, whichever of the node's workers and whichever node it meets; it is
// switched on and off, and runs out.

import { setTimeout as delay } from 'node:timers/promises'
import { until } from '../../until.ts'
import { targetName, type Place } from '../place.ts'
import type { ProbeResult, ProbeTarget, Protocol } from '../place-protocol.ts'
import type { Scenario, ScenarioContext, Served } from '../scenario.ts'
import type { Pod } from '../topology.ts'
import { bothProtocols, freeNodePorts, protocols } from './probes.ts'

/** More than enough to meet both workers of a node: one of them gets them all once in 8 million times. */
const attempts = 24

type ServiceType = 'ClusterIP' | 'NodePort'

interface Way {
  readonly from: Place
  readonly target: ProbeTarget
}

/** Each client by way of each node, as far as the type lets it. */
function waysTo({ pods, nodes, client }: ScenarioContext, type: ServiceType, served: Served): readonly Way[] {
  return protocols.flatMap(protocol =>
    type === 'ClusterIP'
      ? [pods[0].place, pods[2].place, ...nodes.map(node => node.place)].map(from => ({
          from,
          target: served.target({ protocol }),
        }))
      : [client, pods[1].place].flatMap(from =>
          nodes.map(node => ({ from, target: served.nodePort(node, { protocol }) })),
        ),
  )
}

/** A NodePort Service would get another number each time that it is written. */
interface Kind {
  readonly type: ServiceType
  readonly nodePorts?: Readonly<Record<Protocol, number>>
}

async function kindOf(context: ScenarioContext, type: ServiceType): Promise<Kind> {
  return type === 'NodePort' ? { type, nodePorts: await freeNodePorts(context) } : { type }
}

function withAffinity({ type, nodePorts }: Kind, timeoutSeconds: number | null) {
  const affinity =
    timeoutSeconds === null
      ? { sessionAffinity: 'None' }
      : { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds } } }
  const ports = bothProtocols.map(port => ({
    ...port,
    ...(nodePorts === undefined ? {} : { nodePort: nodePorts[port.protocol] }),
  }))
  return { name: 'web', ports, spec: { type, ...affinity } }
}

const hours = 3 * 3600

/** Below the kernel's own choice, above the servers'. */
let lastLocalPort = 12_000

/** One request. Over UDP from a port that had no flow yet: a flow keeps its endpoint, whatever becomes of the affinity. */
async function ask({ from, target }: Way): Promise<ProbeResult> {
  return from.probe(target, target.protocol === 'UDP' ? { localPort: ++lastLocalPort } : {})
}

/** Asserts that these answer so many requests, all of them and nobody else. */
async function answeredBy(
  { t }: ScenarioContext,
  way: Way,
  pods: readonly Pod[],
  times: number,
): Promise<void> {
  const seen = new Set<string>()
  for (let i = 0; i < times; i++) {
    const result = await ask(way)
    seen.add(result.outcome === 'answered' ? result.server : result.outcome)
  }
  const names = pods.map(({ name }) => name).sort()
  t.same([...seen].sort(), names, `${way.from.name} → ${targetName(way.target)}: answered by ${names.join()}`)
}

/** In turn by each worker: one of the two gets half of the requests or more. */
const answeredByAll = (context: ScenarioContext, way: Way): Promise<void> =>
  answeredBy(context, way, context.pods, 2 * context.pods.length)

/** The pod that answers a first request. */
async function whoAnswers({ pods }: ScenarioContext, way: Way): Promise<Pod> {
  const result = await ask(way)
  const pod = pods.find(({ name }) => result.outcome === 'answered' && result.server === name)
  if (pod === undefined)
    throw new Error(`${targetName(way.target)}: no answer, but ${JSON.stringify(result)}`)
  return pod
}

async function staysWithOne(context: ScenarioContext, way: Way): Promise<Pod> {
  const pod = await whoAnswers(context, way)
  await answeredBy(context, way, [pod], attempts)
  return pod
}

function affinityWorks(type: ServiceType): Scenario['body'] {
  return async context => {
    const { t, pods, agents, serve } = context
    const kind = await kindOf(context, type)
    const served = await serve(withAffinity(kind, hours), pods)
    for (const way of waysTo(context, type, served)) await staysWithOne(context, way)

    // The same with connections that stay, which show that both workers of the node have a part in it.
    const [way] = waysTo(context, type, served)
    if (way === undefined) throw new Error('there is a way')
    const first = await whoAnswers(context, way)
    const open = await Promise.all(Array.from({ length: attempts }, () => way.from.open(way.target)))
    for (const each of open) t.match(await each.ask(), { outcome: 'answered', server: first.name })
    await agents[0].untilStatus(
      'each worker has some of the connections',
      ({ workers }) => workers.filter(({ activeConnections }) => activeConnections > 0).length === 2,
    )
    for (const each of open) await each.close()

    // Its endpoint goes: another one has the client from now on, and keeps it when the first one is back.
    await serve(
      withAffinity(kind, hours),
      pods.filter(pod => pod !== first),
    )
    const second = await staysWithOne(context, way)
    await serve(withAffinity(kind, hours), pods)
    await answeredBy(context, way, [second], attempts)
  }
}

function affinitySwitches(type: ServiceType): Scenario['body'] {
  return async context => {
    const { pods, serve } = context
    const kind = await kindOf(context, type)
    const none = await serve(withAffinity(kind, null), pods)
    const ways = waysTo(context, type, none)
    for (const way of ways) await answeredByAll(context, way)
    await serve(withAffinity(kind, hours), pods)
    for (const way of ways) await staysWithOne(context, way)
    await serve(withAffinity(kind, null), pods)
    for (const way of ways) await answeredByAll(context, way)
  }
}

/**
 * A client that nothing is known of gets the endpoint that its address hashes to. So one that was moved to another and
 * comes back to that one has been forgotten.
 */
function affinityTimesOut(type: ServiceType): Scenario['body'] {
  return async context => {
    const { pods, serve } = context
    const kind = await kindOf(context, type)
    for (const protocol of protocols) {
      const served = await serve(withAffinity(kind, hours), pods)
      const way = waysTo(context, type, served).find(({ target }) => target.protocol === protocol)
      if (way === undefined) throw new Error(`there is a way for ${protocol}`)
      const { from, target } = way
      const first = await staysWithOne(context, way)
      await serve(
        withAffinity(kind, hours),
        pods.filter(pod => pod !== first),
      )
      const second = await staysWithOne(context, way)
      await serve(withAffinity(kind, hours), pods)
      await answeredBy(context, way, [second], attempts)

      const timeoutSeconds = 1
      await serve(withAffinity(kind, timeoutSeconds), pods)
      await until(
        `${from.name} → ${target.ip}: ${first.name} answers, ${second.name} is forgotten`,
        async () => {
          // Every request renews it.
          await delay(timeoutSeconds * 1000 + 200)
          return (await whoAnswers(context, way)) === first || undefined
        },
      )
    }
  }
}

const types: readonly ServiceType[] = ['ClusterIP', 'NodePort']

export const affinityScenarios: readonly Scenario[] = types.flatMap(type => [
  { name: `session affinity works, ${type}`, body: affinityWorks(type) },
  { name: `session affinity switches, ${type}`, body: affinitySwitches(type) },
  { name: `session affinity times out, ${type}`, body: affinityTimesOut(type) },
])
