// That a Service works at all: from everywhere in the cluster, on all its ports, with no endpoint, and from a pod that is
// its own endpoint.

import type { Scenario, ScenarioContext } from '../scenario.ts'
import type { Place } from '../place.ts'

/** A pod and the host, on each node. */
function everywhere({ nodes, pods }: ScenarioContext): readonly Place[] {
  return [pods[0].place, pods[2].place, ...nodes.map(node => node.place)]
}

export const basicScenarios: readonly Scenario[] = [
  {
    name: 'basic endpoint',
    body: async context => {
      const { pods, serve, apply, slice, settled, answers } = context
      const web = await serve({ name: 'web' }, [pods[0]])
      await answers(everywhere(context), web.target(), [pods[0]])
      await apply(slice({ service: 'web', endpoints: [pods[0], pods[3]] }))
      await settled()
      await answers(everywhere(context), web.target(), [pods[0], pods[3]])
      await apply(slice({ service: 'web', endpoints: [pods[3]] }))
      await settled()
      await answers(everywhere(context), web.target(), [pods[3]])
    },
  },
  {
    name: 'multiport',
    body: async context => {
      const { pods, nodes, serve, startHostPod, apply, service, slice, settled, read, answers } = context
      const ports = [{ port: 80 }, { port: 443, targetPort: 8443 }]
      await serve({ name: 'web', ports }, [pods[0]])
      // Each port has its own endpoints, in a slice of its own.
      const host = await startHostPod(nodes[1], 8443)
      const [http, https] = [ports.slice(0, 1), ports.slice(1)]
      await apply(
        service({ name: 'web', ports }),
        slice({ service: 'web', ports: http, endpoints: [pods[0], pods[1]] }),
        slice({ service: 'web', name: 'web-2', ports: https, endpoints: [host] }),
      )
      await settled()
      const web = await read('web')
      await answers(everywhere(context), web.target({ port: 80 }), [pods[0], pods[1]])
      await answers(everywhere(context), web.target({ port: 443 }), [host])
    },
  },
  {
    name: 'same port, different protocols',
    body: async context => {
      const { pods, apply, service, slice, settled, read, answers } = context
      const [tcp, udp] = [
        { protocol: 'TCP' as const, port: 53 },
        { protocol: 'UDP' as const, port: 53 },
      ]
      await apply(
        service({ name: 'dns', ports: [tcp, udp] }),
        slice({ service: 'dns', name: 'dns-tcp', ports: [tcp], endpoints: [pods[0]] }),
        slice({ service: 'dns', name: 'dns-udp', ports: [udp], endpoints: [pods[2]] }),
      )
      await settled()
      const dns = await read('dns')
      await answers(everywhere(context), dns.target({ protocol: 'TCP' }), [pods[0]])
      await answers(everywhere(context), dns.target({ protocol: 'UDP' }), [pods[2]])
    },
  },
  {
    name: 'no endpoints → refused, from host and from a pod',
    body: async context => {
      const { pods, nodes, client, serve, apply, slice, settled, answers, fails } = context
      const ports = [
        { protocol: 'TCP' as const, port: 80 },
        { protocol: 'UDP' as const, port: 80 },
      ]
      const web = await serve({ name: 'web', ports, spec: { type: 'NodePort' } }, [])
      const refused = async (): Promise<void> => {
        for (const { protocol } of ports) {
          await fails(everywhere(context), web.target({ protocol }), 'refused')
          for (const node of nodes) {
            await fails([client, node.place, pods[0].place], web.nodePort(node, { protocol }), 'refused')
          }
        }
      }
      await refused()
      await apply(slice({ service: 'web', ports, endpoints: [pods[1]] }))
      await settled()
      for (const { protocol } of ports) {
        await answers(everywhere(context), web.target({ protocol }), [pods[1]])
        for (const node of nodes) await answers(client, web.nodePort(node, { protocol }), [pods[1]])
      }
      await apply(slice({ service: 'web', ports, endpoints: [{ pod: pods[1], ready: false }] }))
      await settled()
      await refused()
    },
  },
  {
    name: 'hairpin: a pod reaches itself through its Service',
    body: async ({ pods, serve, answers }) => {
      const ports = [
        { protocol: 'TCP' as const, port: 80 },
        { protocol: 'UDP' as const, port: 80 },
      ]
      const self = await serve({ name: 'self', ports }, [pods[0]])
      for (const { protocol } of ports) {
        await answers(pods[0].place, self.target({ protocol }), [pods[0]])
      }
    },
  },
]
