// Services that come and go while others stay, and those that kube-relay leaves to somebody else.

import type { Scenario, ScenarioContext, Served } from '../scenario.ts'
import type { Pod } from '../topology.ts'
import { bothProtocols, everywhere, nobodyAnswers, protocols } from './probes.ts'

async function answersOnBoth(context: ScenarioContext, served: Served, pods: readonly Pod[]): Promise<void> {
  for (const protocol of protocols) {
    await context.answers(everywhere(context), served.target({ protocol }), pods)
  }
}

async function nobodyAnswersOnBoth(context: ScenarioContext, served: Served): Promise<void> {
  for (const protocol of protocols) {
    await nobodyAnswers(context, everywhere(context), served.target({ protocol }))
  }
}

/** A Service that carries the label is nobody's here: never served, served once it is gone, no more once it is back. */
function labelScenario(label: string): Scenario['body'] {
  return async context => {
    const { t, pods, apply, service, slice, settled, read } = context
    const labels = { [label]: label.endsWith('headless') ? '' : 'another-proxy' }
    // The endpoint slice controller copies a Service's labels to its slices.
    const write = async (
      name: string,
      pod: Pod,
      carried: Readonly<Record<string, string>>,
    ): Promise<Served> => {
      await apply(
        service({ name, ports: bothProtocols, labels: carried }),
        slice({ service: name, ports: bothProtocols, endpoints: [pod], labels: carried }),
      )
      const statuses = await settled()
      const served = Object.keys(carried).length === 0
      for (const status of statuses)
        t.equal(
          status.some(each => each.name === name),
          served,
          `${name} in status`,
        )
      return read(name)
    }
    const never = await write('never', pods[0], labels)
    const always = await write('always', pods[1], {})
    const toggled = await write('toggled', pods[2], labels)
    await nobodyAnswersOnBoth(context, toggled)
    await answersOnBoth(context, always, [pods[1]])

    await write('toggled', pods[2], {})
    await answersOnBoth(context, toggled, [pods[2]])
    await answersOnBoth(context, always, [pods[1]])

    await write('toggled', pods[2], labels)
    await nobodyAnswersOnBoth(context, toggled)
    await answersOnBoth(context, always, [pods[1]])
    await nobodyAnswersOnBoth(context, never)
  }
}

export const serviceScenarios: readonly Scenario[] = [
  {
    name: 'service recreated',
    body: async context => {
      const { t, pods, serve, apply, remove, service, settled } = context
      const options = { name: 'web', ports: bothProtocols }
      const first = await serve(options, [pods[0]])
      await answersOnBoth(context, first, [pods[0]])
      await remove(service(options))
      await settled()
      await nobodyAnswersOnBoth(context, first)

      const same = await serve({ ...options, spec: { clusterIP: first.clusterIp } }, [pods[0], pods[3]])
      t.equal(same.clusterIp, first.clusterIp)
      await answersOnBoth(context, same, [pods[0], pods[3]])

      // Gone and back at once, at another address: somebody else has the first one.
      await remove(service(options))
      await apply(service({ name: 'keeper', ports: options.ports, spec: { clusterIP: first.clusterIp } }))
      const other = await serve(options, [pods[3]])
      t.not(other.clusterIp, first.clusterIp)
      await answersOnBoth(context, other, [pods[3]])
      await nobodyAnswersOnBoth(context, first)
    },
  },
  {
    name: 'up and down services',
    body: async context => {
      const { t, pods, serve, remove, service, slice, settled } = context
      const ports = bothProtocols
      const first = await serve({ name: 'first', ports }, [pods[0], pods[3]])
      // One endpoint: steady requests besides would disturb the turn that answers are counted by.
      const second = await serve({ name: 'second', ports }, [pods[2]])
      await answersOnBoth(context, first, [pods[0], pods[3]])
      await answersOnBoth(context, second, [pods[2]])

      const traffic = await Promise.all(
        protocols.flatMap(protocol =>
          [pods[0], pods[3]].map(pod => pod.place.traffic(second.target({ protocol }))),
        ),
      )
      await remove(service({ name: 'first' }), slice({ service: 'first', endpoints: [] }))
      await settled()
      await nobodyAnswersOnBoth(context, first)
      await answersOnBoth(context, second, [pods[2]])

      const third = await serve({ name: 'third', ports }, [pods[0], pods[2]])
      await answersOnBoth(context, third, [pods[0], pods[2]])
      await answersOnBoth(context, second, [pods[2]])
      await nobodyAnswersOnBoth(context, first)
      for (const each of traffic) {
        await each.more(5)
        const { answered, failures } = await each.stop()
        t.same(failures, [], `none of ${answered} requests to the one that stays has failed`)
      }
    },
  },
  { name: 'service-proxy-name label', body: labelScenario('service.kubernetes.io/service-proxy-name') },
  { name: 'headless label', body: labelScenario('service.kubernetes.io/headless') },
]
