// What runs in a node's own network beside kube-relay: pods with hostNetwork as endpoints, and daemons on wildcard
// addresses, which have the ports of Services as well.

import { until } from '../../until.ts'
import type { Place } from '../place.ts'
import type { Family, ProbeTarget, Protocol } from '../place-protocol.ts'
import type { Scenario, ScenarioContext } from '../scenario.ts'
import type { Node } from '../topology.ts'

const protocols: readonly Protocol[] = ['TCP', 'UDP']
const externalIps: Readonly<Record<Family, string>> = { IPv4: '10.99.0.20', IPv6: 'fd99::20' }

interface Daemon {
  readonly name: string
  stop(): Promise<void>
}

/** Listens on 0.0.0.0 and on [::], TCP and UDP, until it is stopped or the scenario is over. */
async function startDaemon({ after }: ScenarioContext, node: Node, port: number): Promise<Daemon> {
  const name = `daemon-${port}`
  const targets = protocols.flatMap(protocol =>
    ['0.0.0.0', '::'].map((ip): ProbeTarget => ({ protocol, ip, port })),
  )
  const servings = await Promise.all(targets.map(target => node.place.serve({ ...target, server: name })))
  const stop = async (): Promise<void> => {
    await Promise.all(servings.splice(0).map(serving => serving.stop()))
  }
  after(stop)
  return { name, stop }
}

/**
 * From where a wildcard daemon of the first node can answer. Over UDP that isn't everywhere: its reply to a pod of its
 * own node leaves from the address that is nearest to the pod, which isn't the one that was asked.
 */
function askingDaemons({ nodes, pods, client }: ScenarioContext, protocol: Protocol): readonly Place[] {
  const nearby = protocol === 'TCP' ? [pods[0].place] : []
  return [...nearby, pods[2].place, ...nodes.map(node => node.place), client]
}

export const hostNetworkScenarios: readonly Scenario[] = [
  {
    name: 'hostNetwork endpoints',
    body: async ({ nodes, pods, client, serve, startHostPod, apply, slice, settled, answers }) => {
      const ports = protocols.map(protocol => ({ protocol, port: 80, targetPort: 9090 }))
      const hosts = [await startHostPod(nodes[0], 9090), await startHostPod(nodes[1], 9090)] as const
      const web = await serve({ name: 'web', ports, spec: { type: 'NodePort' } }, [hosts[0]])
      const everywhere: readonly Place[] = [pods[0].place, pods[2].place, ...nodes.map(node => node.place)]
      for (const endpoints of [[hosts[0]], [hosts[1]], [...hosts]]) {
        await apply(slice({ service: 'web', ports, endpoints }))
        await settled()
        for (const protocol of protocols) {
          await answers(everywhere, web.target({ protocol }), endpoints)
          for (const node of nodes) await answers(client, web.nodePort(node, { protocol }), endpoints)
        }
      }
    },
  },
  {
    name: 'wildcard daemon on the same port: no conflict, no leak',
    modes: ['netns'],
    body: async context => {
      const { nodes, pods, client, family, serve, settled, agents, routeFromClient, answers, fails, t } =
        context
      const [shared, daemonOnly, laterShared] = [7443, 7444, 7445]
      const first = await startDaemon(context, nodes[0], shared)
      const alone = await startDaemon(context, nodes[0], daemonOnly)
      const ports = protocols.flatMap(protocol => [
        { protocol, port: shared },
        { protocol, port: laterShared },
      ])
      const externalIp = externalIps[family]
      const web = await serve({ name: 'web', ports, spec: { externalIPs: [externalIp] } }, [pods[0], pods[3]])
      // One that comes when the Service is served already.
      const later = await startDaemon(context, nodes[0], laterShared)
      await routeFromClient(externalIp, nodes[0])

      const [ofFirst] = await settled()
      t.same(
        (ofFirst ?? []).flatMap(({ frontends }) => frontends.map(({ state }) => state)),
        Array.from({ length: 8 }, () => 'listening'),
        'every port, at both addresses',
      )
      const inside = [pods[0].place, pods[2].place, ...nodes.map(node => node.place)]
      const ofNode = (protocol: Protocol, port: number): ProbeTarget => ({
        protocol,
        ip: nodes[0].addresses[family],
        port,
      })
      for (const protocol of protocols) {
        for (const port of [shared, laterShared]) {
          await answers(inside, web.target({ protocol, port }), [pods[0], pods[3]])
          await answers([...inside, client], web.targetAt(externalIp, { protocol, port }), [pods[0], pods[3]])
        }
        const outside = askingDaemons(context, protocol)
        await answers(outside, ofNode(protocol, shared), [first])
        await answers(outside, ofNode(protocol, laterShared), [later])
        await answers(outside, ofNode(protocol, daemonOnly), [alone])
        // No leak: a VIP is no way to a port of the node.
        for (const ip of [web.clusterIp, externalIp]) {
          await fails(inside, { protocol, ip, port: daemonOnly }, 'refused')
        }
        await fails(client, { protocol, ip: externalIp, port: daemonOnly }, 'refused')
      }
      t.same((await agents[0].status()).vips?.failed, [])
    },
  },
  {
    name: 'wildcard daemon on the same port: reported, and bound when it is gone',
    modes: ['local'],
    body: async context => {
      const { nodes, pods, family, namespace, serve, settled, agents, events, answers, fails, t } = context
      const [taken, free] = [7443, 7444]
      const daemon = await startDaemon(context, nodes[0], taken)
      const ports = protocols.flatMap(protocol => [
        { protocol, port: taken },
        { protocol, port: free },
      ])
      const web = await serve({ name: 'web', ports }, [pods[0], pods[3]])
      const other = await serve({ name: 'other' }, [pods[1]])
      const [ofFirst, ofSecond] = await settled()
      for (const { name, frontends, protocol } of ofFirst ?? []) {
        for (const { address, state, reason } of frontends) {
          const expected = address.endsWith(`:${taken}`)
            ? ['bind-failed', 'EADDRINUSE']
            : ['listening', undefined]
          t.same([state, reason], expected, `${name}: ${protocol} ${address} on the daemon's node`)
        }
      }
      t.same(
        [...new Set((ofSecond ?? []).flatMap(({ frontends }) => frontends.map(({ state }) => state)))],
        ['listening'],
        'all of it on the other node',
      )
      const event = await until('an event tells of the port', async () =>
        (await events()).find(({ note }) => note.includes(String(taken)) && note.includes('EADDRINUSE')),
      )
      t.match(event, { type: 'Warning', regarding: { kind: 'Service', name: 'web' } })
      t.match(event.note, /node-1/)

      const [onFirst, onSecond] = [
        [pods[0].place, nodes[0].place],
        [pods[2].place, nodes[1].place],
      ]
      for (const protocol of protocols) {
        // Everything else goes on.
        await answers(onFirst, web.target({ protocol, port: free }), [pods[0], pods[3]])
        await answers(onSecond, web.target({ protocol, port: taken }), [pods[0], pods[3]])
        const ofNode = { protocol, ip: nodes[0].addresses[family], port: taken }
        await answers(askingDaemons(context, protocol), ofNode, [daemon])
      }
      // What the mode costs: the daemon listens on whatever is local.
      await answers(onFirst, web.target({ protocol: 'TCP', port: taken }), [daemon])
      await answers([...onFirst, ...onSecond], other.target(), [pods[1]])

      await daemon.stop()
      await agents[0].untilStatus('it has the port that the daemon has left', status =>
        status.services
          .filter(each => each.namespace === namespace)
          .every(({ frontends }) => frontends.every(({ state }) => state === 'listening')),
      )
      for (const protocol of protocols) {
        await answers(onFirst, web.target({ protocol, port: taken }), [pods[0], pods[3]])
        await fails(onSecond, { protocol, ip: nodes[0].addresses[family], port: taken }, 'refused')
      }
    },
  },
]
