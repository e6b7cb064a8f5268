// What takes new connections when no endpoint is ready: those that still serve while they terminate (KEP-1669), by the
// traffic policy's own list.

import type { ProbeTarget } from '../place-protocol.ts'
import type { Place } from '../place.ts'
import type { Scenario, ScenarioContext } from '../scenario.ts'

const terminating = { terminating: true, serving: true }
const gone = { terminating: true, serving: false }

/** A pod and the host, on the first node and on the second. */
function insideOf({ nodes, pods }: ScenarioContext): readonly [readonly Place[], readonly Place[]] {
  return [
    [pods[1].place, nodes[0].place],
    [pods[3].place, nodes[1].place],
  ]
}

export const terminatingScenarios: readonly Scenario[] = [
  {
    name: 'terminating fallback, internalTrafficPolicy Cluster',
    body: async context => {
      const { pods, serve, apply, slice, settled, answers, fails } = context
      const everywhere = insideOf(context).flat()
      const web = await serve({ name: 'web', spec: { internalTrafficPolicy: 'Cluster' } }, [
        pods[0],
        { pod: pods[2], ...terminating },
      ])
      await answers(everywhere, web.target(), [pods[0]], { times: 4 })
      await apply(
        slice({
          service: 'web',
          endpoints: [
            { pod: pods[0], ready: false },
            { pod: pods[1], ...terminating },
            { pod: pods[2], ...terminating },
            { pod: pods[3], ...gone },
          ],
        }),
      )
      await settled()
      await answers(everywhere, web.target(), [pods[1], pods[2]])
      await apply(slice({ service: 'web', endpoints: [{ pod: pods[1], ...gone }] }))
      await settled()
      await fails(everywhere, web.target(), 'refused')
    },
  },
  {
    name: 'terminating fallback, internalTrafficPolicy Local',
    body: async context => {
      const { pods, serve, apply, slice, settled, answers, fails } = context
      const [onFirst, onSecond] = insideOf(context)
      const web = await serve({ name: 'web', spec: { internalTrafficPolicy: 'Local' } }, [
        { pod: pods[0], ...terminating },
        { pod: pods[1], ...gone },
        pods[2],
        { pod: pods[3], ...terminating },
      ])
      // Each node by what it has: a ready endpoint elsewhere doesn't count.
      await answers(onFirst, web.target(), [pods[0]], { times: 4 })
      await answers(onSecond, web.target(), [pods[2]], { times: 4 })
      await apply(slice({ service: 'web', endpoints: [{ pod: pods[0], ...gone }, pods[2]] }))
      await settled()
      await fails(onFirst, web.target(), 'refused')
      await answers(onSecond, web.target(), [pods[2]])
    },
  },
  {
    name: 'terminating fallback, externalTrafficPolicy Cluster',
    body: async ({ nodes, pods, client, serve, apply, slice, settled, answers, fails }) => {
      const spec = { type: 'NodePort', externalTrafficPolicy: 'Cluster' }
      const web = await serve({ name: 'web', spec }, [pods[0], { pod: pods[2], ...terminating }])
      const each = async (check: (target: ProbeTarget) => Promise<unknown>): Promise<void> => {
        for (const node of nodes) await check(web.nodePort(node))
      }
      await each(target => answers(client, target, [pods[0]], { times: 4 }))
      await apply(
        slice({
          service: 'web',
          endpoints: [
            { pod: pods[0], ready: false },
            { pod: pods[1], ...gone },
            { pod: pods[2], ...terminating },
          ],
        }),
      )
      await settled()
      await each(target => answers(client, target, [pods[2]], { times: 4 }))
      await apply(slice({ service: 'web', endpoints: [{ pod: pods[2], ...gone }] }))
      await settled()
      await each(target => fails(client, target, 'refused'))
    },
  },
  {
    name: 'terminating fallback, externalTrafficPolicy Local',
    body: async ({ nodes, pods, client, serve, apply, slice, settled, answers, fails }) => {
      const spec = { type: 'NodePort', externalTrafficPolicy: 'Local' }
      const web = await serve({ name: 'web', spec }, [
        { pod: pods[0], ...terminating },
        { pod: pods[1], ...gone },
        pods[2],
        { pod: pods[3], ...terminating },
      ])
      await answers(client, web.nodePort(nodes[0]), [pods[0]], { times: 4 })
      await answers(client, web.nodePort(nodes[1]), [pods[2]], { times: 4 })
      // The node itself takes the list of the whole cluster, in which somebody is ready.
      await answers(nodes[0].place, web.nodePort(nodes[0]), [pods[2]], { times: 4 })
      await apply(slice({ service: 'web', endpoints: [{ pod: pods[0], ...gone }, pods[2]] }))
      await settled()
      await fails(client, web.nodePort(nodes[0]), 'reset')
      await answers(client, web.nodePort(nodes[1]), [pods[2]])
      await apply(slice({ service: 'web', endpoints: [{ pod: pods[2], ...gone }] }))
      await settled()
      for (const node of nodes) await fails(client, web.nodePort(node), 'refused')
    },
  },
]
