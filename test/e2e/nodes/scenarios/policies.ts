// Who gets to which endpoints, by where they are: traffic policies, a load balancer's source ranges, and what its health
// check is told.

import type { Node } from '../topology.ts'
import type { Family, ProbeResult } from '../place-protocol.ts'
import type { Scenario, ScenarioContext } from '../scenario.ts'

const loadBalancerIps: Readonly<Record<Family, string>> = { IPv4: '10.99.0.10', IPv6: 'fd99::10' }
const bits: Readonly<Record<Family, number>> = { IPv4: 32, IPv6: 128 }

const both = [
  { protocol: 'TCP' as const, port: 80 },
  { protocol: 'UDP' as const, port: 80 },
]
/** Long enough for an answer that must not come. */
const silenceMs = 300

/** Not served though the address is: TCP is reset, UDP gets no answer. */
const turnedAway: readonly [(typeof both)[number], Exclude<ProbeResult['outcome'], 'answered'>][] = [
  [both[0] as (typeof both)[number], 'reset'],
  [both[1] as (typeof both)[number], 'timed out'],
]

export const policyScenarios: readonly Scenario[] = [
  {
    name: 'internalTrafficPolicy Local, from node, pod and hostNetwork pod',
    body: async context => {
      const { nodes, pods, startHostPod, serve, apply, slice, settled, answers, fails } = context
      // A pod with hostNetwork is in the node's own network, as are the node's processes.
      const [onFirst, onSecond] = [
        [pods[1].place, nodes[0].place],
        [pods[3].place, nodes[1].place],
      ]
      const ports = both.map(port => ({ ...port, targetPort: 8080 }))
      const web = await serve({ name: 'web', ports, spec: { internalTrafficPolicy: 'Local' } }, [pods[0]])
      for (const { protocol } of ports) {
        await answers(onFirst, web.target({ protocol }), [pods[0]])
        await fails(onSecond, web.target({ protocol }), 'refused')
      }
      const host = await startHostPod(nodes[1], 8080)
      await apply(slice({ service: 'web', ports, endpoints: [pods[0], host] }))
      await settled()
      for (const { protocol } of ports) {
        await answers(onFirst, web.target({ protocol }), [pods[0]], { times: 4 })
        await answers(onSecond, web.target({ protocol }), [host], { times: 4 })
      }
      await apply(slice({ service: 'web', ports, endpoints: [host] }))
      await settled()
      for (const { protocol } of ports) {
        await fails(onFirst, web.target({ protocol }), 'refused')
        await answers(onSecond, web.target({ protocol }), [host])
      }
    },
  },
  {
    name: 'externalTrafficPolicy Local, from outside, node and pod',
    body: async context => {
      const { nodes, pods, client, serve, setLoadBalancer, settled, routeFromClient, answers, fails } =
        context
      const spec = { type: 'LoadBalancer', externalTrafficPolicy: 'Local' }
      const web = await serve({ name: 'web', ports: both, spec }, [pods[0], pods[1]])
      const ip = loadBalancerIps[context.family]
      await setLoadBalancer('web', [ip])
      await settled()
      for (const [{ protocol }, outcome] of turnedAway) {
        const choice = { protocol }
        await answers(client, web.nodePort(nodes[0], choice), [pods[0], pods[1]])
        await fails(client, web.nodePort(nodes[1], choice), outcome, { timeoutMs: silenceMs })
        // The second node has no endpoint, but its own traffic isn't from outside, and takes the whole cluster's.
        const inside = [nodes[1].place, pods[2].place]
        await answers(inside, web.nodePort(nodes[1], choice), [pods[0], pods[1]])
        await answers(inside, web.targetAt(ip, choice), [pods[0], pods[1]])
        await answers(inside, web.target(choice), [pods[0], pods[1]])
        // Other nodes are outside.
        await fails(nodes[0].place, web.nodePort(nodes[1], choice), outcome, { timeoutMs: silenceMs })
      }
      await routeFromClient(ip, nodes[0])
      for (const { protocol } of both)
        await answers(client, web.targetAt(ip, { protocol }), [pods[0], pods[1]])
    },
  },
  {
    name: 'externalTrafficPolicy Local, load balancer IP routed to a node without endpoints',
    body: async context => {
      const { nodes, pods, client, serve, setLoadBalancer, settled, routeFromClient, apply, slice } = context
      const { answers, fails, family } = context
      const spec = { type: 'LoadBalancer', externalTrafficPolicy: 'Local' }
      const web = await serve({ name: 'web', spec }, [pods[0]])
      await setLoadBalancer('web', [loadBalancerIps[family]])
      await settled()
      await routeFromClient(loadBalancerIps[family], nodes[1])
      await fails(client, web.targetAt(loadBalancerIps[family]), 'reset')
      await apply(slice({ service: 'web', endpoints: [pods[0], pods[2]] }))
      await settled()
      await answers(client, web.targetAt(loadBalancerIps[family]), [pods[2]], { times: 4 })
    },
  },
  {
    name: 'loadBalancerSourceRanges, from outside, node and pod',
    body: async context => {
      const { nodes, pods, client, cluster, family, service, apply } = context
      const { serve, read, setLoadBalancer, settled, routeFromClient, answers, fails } = context
      const ip = loadBalancerIps[family]
      const options = (loadBalancerSourceRanges: readonly string[]) => ({
        name: 'web',
        ports: both,
        spec: { type: 'LoadBalancer', loadBalancerSourceRanges },
      })
      const only = (address: string): string => `${address}/${bits[family]}`
      await serve(options([only(cluster.network.clientAddresses[family])]), [pods[0], pods[3]])
      await setLoadBalancer('web', [ip])
      await routeFromClient(ip, nodes[0])
      const places = {
        outside: [client],
        node: nodes.map(node => node.place),
        pod: [pods[0].place, pods[2].place],
      }
      const served = async (...who: readonly (keyof typeof places)[]): Promise<void> => {
        await settled()
        // Its node ports are others now.
        const web = await read('web')
        for (const [{ protocol }, outcome] of turnedAway) {
          const target = web.targetAt(ip, { protocol })
          for (const [name, from] of Object.entries(places)) {
            if ((who as readonly string[]).includes(name)) await answers(from, target, [pods[0], pods[3]])
            else await fails(from, target, outcome, { timeoutMs: silenceMs })
          }
          // The ranges are for the load balancer's address alone.
          await answers([...places.node, ...places.pod], web.target({ protocol }), [pods[0], pods[3]])
          await answers(client, web.nodePort(nodes[0], { protocol }), [pods[0], pods[3]])
        }
      }
      await served('outside')
      await apply(service(options(nodes.map(node => only(node.addresses[family])))))
      await served('node')
      await apply(service(options(nodes.map(node => node.podCidrs[family]))))
      await served('pod')
      await apply(service(options([family === 'IPv4' ? '192.0.2.0/24' : '2001:db8::/32'])))
      await served()
      await apply(service(options([])))
      await served('outside', 'node', 'pod')
    },
  },
  {
    name: 'health check node port',
    body: async context => {
      const { nodes, pods, client, namespace, t, service, serve, apply, slice, settled, read } = context
      const spec = { type: 'LoadBalancer', externalTrafficPolicy: 'Local' }
      const { healthCheckNodePort } = await serve({ name: 'web', spec }, [pods[0], pods[1]])
      const says = async (node: Node, localEndpoints: number): Promise<void> => {
        const address = node.addresses[context.family]
        const host = address.includes(':') ? `[${address}]` : address
        for (const from of [client, nodes[0].place, pods[2].place]) {
          const { status, body, headers } = await from.http(`http://${host}:${healthCheckNodePort}/`)
          t.equal(status, localEndpoints > 0 ? 200 : 503, `${from.name} asks ${node.name}: ${localEndpoints}`)
          t.match(JSON.parse(body), { service: { namespace, name: 'web' }, localEndpoints })
          t.equal(headers['x-load-balancing-endpoint-weight'], String(localEndpoints))
        }
      }
      await says(nodes[0], 2)
      await says(nodes[1], 0)
      // Neither one that isn't ready nor one that terminates is for new clients.
      await apply(
        slice({
          service: 'web',
          endpoints: [
            { pod: pods[0], ready: false },
            { pod: pods[1], terminating: true, serving: true },
            pods[2],
          ],
        }),
      )
      await settled()
      await says(nodes[0], 0)
      await says(nodes[1], 1)

      await apply(service({ name: 'web', spec: { type: 'LoadBalancer', externalTrafficPolicy: 'Cluster' } }))
      await settled()
      t.equal((await read('web')).healthCheckNodePort, null)
      await refusesHttp(context, healthCheckNodePort ?? 0)
    },
  },
]

async function refusesHttp({ nodes, client, family, fails }: ScenarioContext, port: number): Promise<void> {
  for (const node of nodes) {
    await fails(client, { protocol: 'TCP', ip: node.addresses[family], port }, 'refused')
  }
}
