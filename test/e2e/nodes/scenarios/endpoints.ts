// Where a Service's endpoints are written: in several EndpointSlices, on the move from one to another, or published though
// their pods aren't ready.

import type { EndpointOptions } from '../objects.ts'
import type { Scenario } from '../scenario.ts'
import type { Pod } from '../topology.ts'
import { bothProtocols, everywhere, protocols } from './probes.ts'

export const endpointScenarios: readonly Scenario[] = [
  {
    name: 'publishNotReadyAddresses',
    body: async context => {
      const { pods, serve, apply, slice, settled, answers, fails } = context
      const ports = bothProtocols
      // What the endpoint slice controller makes of pods that aren't ready, one of them terminating, without and with it.
      const endpoints = (published: boolean): readonly EndpointOptions[] => [
        { pod: pods[0], ready: published, serving: false },
        { pod: pods[3], ready: published, serving: false, terminating: true },
      ]
      const hidden = await serve({ name: 'web', ports }, endpoints(false))
      for (const protocol of protocols)
        await fails(everywhere(context), hidden.target({ protocol }), 'refused')

      const web = await serve(
        { name: 'web', ports, spec: { publishNotReadyAddresses: true } },
        endpoints(true),
      )
      for (const protocol of protocols) {
        await answers(everywhere(context), web.target({ protocol }), [pods[0], pods[3]])
      }
      // They get new flows, so those that they have go on.
      const flow = await pods[1].place.open(web.target({ protocol: 'UDP' }))
      const before = await flow.ask()
      await apply(slice({ service: 'web', ports, endpoints: [...endpoints(true), pods[2]] }))
      await settled()
      context.t.same(await flow.ask(), before, 'the same endpoint, from the same socket')
      await flow.close()
    },
  },
  {
    name: 'multiple endpoint slices',
    body: async context => {
      const { t, pods, serve, apply, remove, slice, settled, answers, fails } = context
      const ports = bothProtocols
      const sliceOf = (number: number, ...endpoints: readonly Pod[]) =>
        slice({ service: 'web', name: `web-${number}`, ports, endpoints })
      const web = await serve({ name: 'web', ports }, [pods[0]])
      const answeredBy = async (...expected: readonly Pod[]): Promise<void> => {
        await settled()
        for (const protocol of protocols) {
          await answers(everywhere(context), web.target({ protocol }), expected)
        }
      }
      await apply(sliceOf(2, pods[1], pods[2]), sliceOf(3, pods[3]))
      await answeredBy(...pods)

      await remove(sliceOf(1))
      await answeredBy(pods[1], pods[2], pods[3])
      await apply(sliceOf(2))
      await answeredBy(pods[3])

      // The only endpoint moves: for a moment it is in two slices, then in the other one alone.
      const traffic = await pods[2].place.traffic(web.target({ protocol: 'TCP' }))
      await apply(sliceOf(2, pods[3]))
      await answeredBy(pods[3])
      await apply(sliceOf(3))
      await answeredBy(pods[3])
      await traffic.more(5)
      const { answered, failures } = await traffic.stop()
      t.same(failures, [], `none of ${answered} requests has failed meanwhile`)

      await remove(sliceOf(2), sliceOf(3))
      await settled()
      for (const protocol of protocols) await fails(everywhere(context), web.target({ protocol }), 'refused')
    },
  },
]
