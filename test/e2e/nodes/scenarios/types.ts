// A Service's type changes: what it has in the new type answers, what it had in the old one doesn't any more.

import type { Scenario, ScenarioContext, Served } from '../scenario.ts'
import { bothProtocols, everywhere, everywhereAndOutside, nobodyAnswers, protocols } from './probes.ts'

const name = 'web'

/** The Service as this type, with one endpoint. */
async function become(context: ScenarioContext, type: string): Promise<Served> {
  const { apply, service, slice, settled, read, pods, t } = context
  const external = type === 'ExternalName'
  const spec = external ? { type, externalName: 'elsewhere.test' } : { type }
  await apply(
    service({ name, ports: bothProtocols, spec }),
    slice({ service: name, ports: bothProtocols, endpoints: [pods[3]] }),
  )
  const kinds = external ? [] : type === 'NodePort' ? ['ClusterIP', 'NodePort'] : ['ClusterIP']
  for (const status of await settled()) {
    const seen = new Set(status.flatMap(({ frontends }) => frontends.map(({ kind }) => kind)))
    t.same([...seen].sort(), kinds, `${type}: frontends of these kinds`)
  }
  return read(name)
}

async function clusterIpAnswers(context: ScenarioContext, served: Served): Promise<void> {
  const { pods, answers } = context
  for (const protocol of protocols) {
    await answers(everywhere(context), served.target({ protocol }), [pods[3]])
  }
}

async function nodePortsAnswer(context: ScenarioContext, served: Served): Promise<void> {
  const { pods, nodes, answers } = context
  for (const protocol of protocols) {
    for (const node of nodes) {
      await answers(everywhereAndOutside(context), served.nodePort(node, { protocol }), [pods[3]])
    }
  }
}

async function clusterIpIsGone(context: ScenarioContext, served: Served): Promise<void> {
  for (const protocol of protocols) {
    await nobodyAnswers(context, everywhere(context), served.target({ protocol }))
  }
}

async function nodePortsAreGone(context: ScenarioContext, served: Served): Promise<void> {
  for (const protocol of protocols) {
    for (const node of context.nodes) {
      await context.fails(everywhereAndOutside(context), served.nodePort(node, { protocol }), 'refused')
    }
  }
}

export const typeScenarios: readonly Scenario[] = [
  {
    name: 'type changes: ExternalName ↔ ClusterIP',
    body: async context => {
      await become(context, 'ExternalName')
      const served = await become(context, 'ClusterIP')
      await clusterIpAnswers(context, served)
      await become(context, 'ExternalName')
      await clusterIpIsGone(context, served)
      await clusterIpAnswers(context, await become(context, 'ClusterIP'))
    },
  },
  {
    name: 'type changes: ExternalName ↔ NodePort',
    body: async context => {
      await become(context, 'ExternalName')
      const served = await become(context, 'NodePort')
      await clusterIpAnswers(context, served)
      await nodePortsAnswer(context, served)
      await become(context, 'ExternalName')
      await clusterIpIsGone(context, served)
      await nodePortsAreGone(context, served)
    },
  },
  {
    name: 'type changes: ClusterIP ↔ NodePort',
    body: async context => {
      const { t, pods } = context
      const before = await become(context, 'ClusterIP')
      await clusterIpAnswers(context, before)
      const traffic = await Promise.all(
        protocols.map(protocol => pods[1].place.traffic(before.target({ protocol }))),
      )
      const served = await become(context, 'NodePort')
      t.equal(served.clusterIp, before.clusterIp)
      await clusterIpAnswers(context, served)
      await nodePortsAnswer(context, served)
      await become(context, 'ClusterIP')
      await clusterIpAnswers(context, before)
      await nodePortsAreGone(context, served)
      for (const each of traffic) {
        await each.more(5)
        t.same((await each.stop()).failures, [], 'no request to the cluster IP has failed meanwhile')
      }
    },
  },
]
