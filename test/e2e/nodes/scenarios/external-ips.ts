// External IPs: routed to a node from outside, an address that a node has anyway, and those that must be refused because
// they would take the node's traffic to somebody else.

import type { ServiceStatus } from '../../../../lib/ops/status.ts'
import type { VipMode } from '../../../../lib/model/vip-mode.ts'
import { until } from '../../until.ts'
import type { Scenario, ScenarioContext } from '../scenario.ts'
import { bothProtocols, everywhere, nobodyAnswers, protocols } from './probes.ts'

/** With "none", somebody else makes them local. */
const modes: readonly VipMode[] = ['local', 'netns']

const externalIps = {
  IPv4: ['203.0.113.10', '203.0.113.11'],
  IPv6: ['2001:db8:113::10', '2001:db8:113::11'],
} as const

function stateAt(ports: readonly ServiceStatus[], ip: string) {
  const frontends = ports.flatMap(port => port.frontends)
  return frontends
    .filter(({ address }) => address === `${ip}:80` || address === `[${ip}]:80`)
    .map(({ kind, state, reason }) => ({ kind, state, ...(reason === undefined ? {} : { reason }) }))
}

/** Asserts that the node leaves the address alone, and says why, in its status and in an event. */
async function isRefused(context: ScenarioContext, ip: string, reason: RegExp): Promise<void> {
  const { t, serve, pods, answers, settled, events } = context
  const web = await serve({ name: 'web', spec: { externalIPs: [ip] } }, [pods[1], pods[3]])
  for (const status of await settled()) {
    t.match(stateAt(status, ip), [{ kind: 'ExternalIP', state: 'conflict', reason }], `${ip} in status`)
  }
  await until(`an event says that ${ip} is refused`, async () =>
    (await events()).find(
      ({ type, note, regarding }) =>
        type === 'Warning' && regarding.name === 'web' && note.includes(ip) && reason.test(note),
    ),
  )
  // All the rest of it is served.
  await answers(everywhere(context), web.target(), [pods[1], pods[3]])
}

export const externalIpScenarios: readonly Scenario[] = [
  {
    name: 'externalIP, routed to a node from outside',
    modes,
    body: async context => {
      const { family, pods, nodes, client, serve, service, remove, settled, answers, fails } = context
      const ips = externalIps[family]
      const options = { name: 'web', ports: bothProtocols, spec: { externalIPs: ips } }
      const web = await serve(options, [pods[0], pods[3]])
      for (const [index, ip] of ips.entries()) await context.routeFromClient(ip, nodes[index === 0 ? 0 : 1])
      const places = [...everywhere(context), client]
      for (const ip of ips) {
        for (const protocol of protocols) {
          const target = web.targetAt(ip, { protocol })
          await answers(places, target, [pods[0], pods[3]])
          await fails(places, { ...target, port: 81 }, 'refused')
        }
      }
      for (const protocol of protocols) {
        await answers(everywhere(context), web.target({ protocol }), [pods[0], pods[3]])
      }
      // Taken from the Service, then gone with it.
      const [kept, dropped] = ips
      const fewer = await serve({ ...options, spec: { externalIPs: [kept] } }, [pods[0], pods[3]])
      for (const protocol of protocols) {
        await answers(places, fewer.targetAt(kept, { protocol }), [pods[0], pods[3]])
        await nobodyAnswers(context, places, web.targetAt(dropped, { protocol }))
      }
      await remove(service(options))
      await settled()
      for (const protocol of protocols) await nobodyAnswers(context, places, web.targetAt(kept, { protocol }))
    },
  },
  {
    name: "externalIP that is a node's own address",
    body: async context => {
      const { t, family, pods, nodes, client, serve, answers } = context
      const [first, second] = nodes
      const ip = first.addresses[family]
      const web = await serve({ name: 'web', ports: bothProtocols, spec: { externalIPs: [ip] } }, [
        pods[0],
        pods[3],
      ])
      const [ofFirst, ofSecond] = await context.settled()
      const each = (state: object) => protocols.map(() => ({ kind: 'ExternalIP', ...state }))
      t.match(stateAt(ofFirst ?? [], ip), each({ state: 'listening' }), `${first.name} serves it`)
      if (context.mode !== 'none') {
        t.match(
          stateAt(ofSecond ?? [], ip),
          each({ state: 'conflict', reason: `an address of node ${first.name}` }),
          second.name,
        )
      }
      for (const protocol of protocols) {
        await answers([...everywhere(context), client], web.targetAt(ip, { protocol }), [pods[0], pods[3]])
      }
      // What else the node has there is reached as before, from everywhere.
      for (const protocol of protocols) {
        const daemon = { name: 'daemon' }
        const target = { protocol, ip, port: 9100 }
        const serving = await first.place.serve({ ...target, server: daemon.name })
        context.after(() => serving.stop())
        await answers([...everywhere(context), client], target, [daemon])
      }
    },
  },
  {
    name: 'externalIP refused: inside a pod CIDR',
    modes,
    body: async context => {
      const { family, pods, answers } = context
      const ip = pods[0].addresses[family]
      await isRefused(context, ip, /inside the pods' range/)
      // The pod is who it was, for all.
      for (const protocol of protocols) {
        await answers(everywhere(context), { protocol, ip, port: 8080 }, [pods[0]])
      }
    },
  },
  {
    name: "externalIP refused: the API server's address",
    modes,
    // The agents' kubeconfig names it by its IPv4 address.
    families: ['IPv4'],
    body: async context => {
      const { cluster, nodes } = context
      const { hostname: ip, port } = new URL(cluster.control.apiserver.url)
      await isRefused(context, ip, /the API server's address/)
      // A new connection to it gets there: `open` rejects where none does.
      for (const { place } of nodes) {
        await (await place.open({ protocol: 'TCP', ip, port: Number(port) })).close()
      }
    },
  },
]
