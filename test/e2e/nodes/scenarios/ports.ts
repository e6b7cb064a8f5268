// Ports of Services that come, change and go, and node ports: who answers on them, and that they are let go.

import type { Protocol } from '../place-protocol.ts'
import type { Scenario, ScenarioContext, Served } from '../scenario.ts'
import type { Pod } from '../topology.ts'
import {
  bothProtocols,
  cameFrom,
  everywhere,
  everywhereAndOutside,
  freeNodePorts,
  protocols,
} from './probes.ts'

/** From outside, from pods and from both nodes, each to the node ports of both nodes. */
async function answersOnNodePorts(
  context: ScenarioContext,
  served: Served,
  servers: Readonly<Record<Protocol, Pod>>,
): Promise<void> {
  for (const protocol of protocols) {
    for (const node of context.nodes) {
      const pod = servers[protocol]
      const target = served.nodePort(node, { protocol })
      cameFrom(context, await context.answers(everywhereAndOutside(context), target, [pod]), node, pod)
    }
  }
}

async function refusedOnNodePorts(context: ScenarioContext, served: Served): Promise<void> {
  for (const protocol of protocols) {
    for (const node of context.nodes) {
      await context.fails(everywhereAndOutside(context), served.nodePort(node, { protocol }), 'refused')
    }
  }
}

export const portScenarios: readonly Scenario[] = [
  {
    name: 'ports added and removed',
    body: async context => {
      const { t, pods, serve, answers, fails } = context
      const http = { name: 'http', port: 80 }
      const https = { name: 'https', port: 443 }
      const dns = { name: 'dns', protocol: 'UDP' as const, port: 53 }
      const places = everywhere(context)

      const one = await serve({ name: 'web', ports: [http] }, [pods[0]])
      await answers(places, one.target(), [pods[0]])
      await fails(places, { ...one.target(), port: 443 }, 'refused')

      const three = await serve({ name: 'web', ports: [http, https, dns] }, [pods[0]])
      for (const port of [80, 443, 53]) await answers(places, three.target({ port }), [pods[0]])
      const staying = await pods[3].place.open(three.target({ port: 443 }))
      const before = await staying.ask()

      const two = await serve({ name: 'web', ports: [https, dns] }, [pods[0]])
      await fails(places, three.target({ port: 80 }), 'refused')
      for (const port of [443, 53]) await answers(places, two.target({ port }), [pods[0]])
      t.match(before, { outcome: 'answered', server: pods[0].name })
      t.same(await staying.ask(), before, 'a connection to a port that stays goes on')
      await staying.close()

      // The name stays, the number doesn't.
      const moved = await serve({ name: 'web', ports: [{ ...https, port: 8443 }, dns] }, [pods[0]])
      await fails(places, two.target({ port: 443 }), 'refused')
      for (const port of [8443, 53]) await answers(places, moved.target({ port }), [pods[0]])
    },
  },
  {
    name: 'NodePort functioning',
    body: async context => {
      const { pods, serve } = context
      const web = await serve({ name: 'web', ports: bothProtocols, spec: { type: 'NodePort' } }, [pods[0]])
      await answersOnNodePorts(context, web, { TCP: pods[0], UDP: pods[0] })
      // The endpoint is behind the other node now.
      await serve({ name: 'web', ports: bothProtocols, spec: { type: 'NodePort' } }, [pods[2]])
      await answersOnNodePorts(context, await context.read('web'), { TCP: pods[2], UDP: pods[2] })
    },
  },
  {
    name: 'NodePort: same number with different protocols',
    body: async context => {
      const { pods, nodes, apply, service, slice, settled, read, answers, fails } = context
      const { TCP: nodePort } = await freeNodePorts(context)
      const [tcp, udp] = [
        { protocol: 'TCP' as const, port: 80, nodePort },
        { protocol: 'UDP' as const, port: 80, nodePort },
      ]
      const spec = { type: 'NodePort' }
      const alone = async ({ protocol }: typeof tcp | typeof udp, pod: Pod): Promise<void> => {
        await settled()
        const target = (await read('web')).nodePort(nodes[0], { protocol })
        for (const node of nodes) {
          const at = { ...target, ip: node.addresses[context.family] }
          await answers(everywhereAndOutside(context), at, [pod])
          const other = protocol === 'TCP' ? 'UDP' : 'TCP'
          await fails(everywhereAndOutside(context), { ...at, protocol: other }, 'refused')
        }
      }
      // Another pod for each protocol, so that an answer tells by which one it came.
      const slices = [
        slice({ service: 'web', name: 'web-tcp', ports: [tcp], endpoints: [pods[0]] }),
        slice({ service: 'web', name: 'web-udp', ports: [udp], endpoints: [pods[2]] }),
      ]
      await apply(service({ name: 'web', ports: [tcp], spec }), ...slices)
      await alone(tcp, pods[0])
      await apply(service({ name: 'web', ports: [tcp, udp], spec }))
      await settled()
      await answersOnNodePorts(context, await read('web'), { TCP: pods[0], UDP: pods[2] })
      await apply(service({ name: 'web', ports: [udp], spec }))
      await alone(udp, pods[2])
    },
  },
  {
    name: 'NodePort released on delete',
    body: async context => {
      const { t, family, pods, nodes, client, serve, service, remove, settled, answers } = context
      const { TCP: nodePort } = await freeNodePorts(context)
      const ports = bothProtocols.map(port => ({ ...port, nodePort }))
      const spec = { type: 'NodePort' }
      const first = await serve({ name: 'first', ports, spec }, [pods[0]])
      await answersOnNodePorts(context, first, { TCP: pods[0], UDP: pods[0] })
      await remove(service({ name: 'first' }))
      await settled()
      await refusedOnNodePorts(context, first)

      // A program of the node's may have the port …
      for (const node of nodes) {
        for (const protocol of protocols) {
          const ip = node.addresses[family]
          const daemon = { name: `daemon-on-${node.name}` }
          const serving = await node.place.serve({ protocol, ip, port: nodePort, server: daemon.name })
          await answers(client, { protocol, ip, port: nodePort }, [daemon])
          await serving.stop()
        }
      }
      // … and another Service.
      const second = await serve({ name: 'second', ports, spec }, [pods[3]])
      t.equal(second.nodePort(nodes[0], { protocol: 'TCP' }).port, nodePort)
      await answersOnNodePorts(context, second, { TCP: pods[3], UDP: pods[3] })
    },
  },
]
