// Whose address an endpoint learns from the PROXY protocol: the client's own, wherever the client is, though its
// connection comes from the node.

import type { Scenario } from '../scenario.ts'

const port = 9100

export const sourceScenarios: readonly Scenario[] = [
  {
    name: "client's source address by PROXY protocol, from pod, node and outside",
    body: async context => {
      const { nodes, pods, client, cluster, family, serve, routeFromClient, after, answers, t } = context
      for (const { name, place, addresses } of [pods[0], pods[3]]) {
        const at = { protocol: 'TCP' as const, ip: addresses[family], port }
        const serving = await place.serve({ ...at, server: name, proxyProtocol: true })
        after(() => serving.stop())
      }
      const externalIp = { IPv4: '10.99.0.30', IPv6: 'fd99::30' }[family]
      const web = await serve(
        {
          name: 'web',
          ports: [{ targetPort: port }],
          annotations: { 'kube-relay/proxy-protocol': 'v2' },
          spec: { type: 'NodePort', externalIPs: [externalIp] },
        },
        [pods[0], pods[3]],
      )
      await routeFromClient(externalIp, nodes[1])
      const clients = [
        ...pods.map(({ place, addresses }) => ({ place, ip: addresses[family] })),
        ...nodes.map(({ place, addresses }) => ({ place, ip: addresses[family] })),
        { place: client, ip: cluster.network.clientAddresses[family] },
      ]
      for (const { place, ip } of clients) {
        const inside = place === client ? [] : [web.target()]
        for (const target of [
          ...inside,
          web.targetAt(externalIp),
          ...nodes.map(node => web.nodePort(node)),
        ]) {
          const results = await answers(place, target, [pods[0], pods[3]])
          const seen = new Set(results.map(result => (result.outcome === 'answered' ? result.clientIp : '')))
          t.same([...seen], [ip], `${place.name} is known by its own address`)
        }
      }
      // Its port is the client's own, too.
      const localPort = 45_678
      const own = await pods[2].place.probe(web.target(), { localPort })
      t.match(own, { outcome: 'answered', clientIp: pods[2].addresses[family], clientPort: localPort })
    },
  },
]
