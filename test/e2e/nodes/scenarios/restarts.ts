// What clients notice when kube-relay, the API server or a whole node goes and comes back: every request is counted.

import { until } from '../../until.ts'
import { processesOf } from '../leftovers.ts'
import type { NodeAgent } from '../node-agent.ts'
import type { Place, Traffic } from '../place.ts'
import type { ProbeTarget } from '../place-protocol.ts'
import type { Scenario, ScenarioContext, Served } from '../scenario.ts'
import type { Node } from '../topology.ts'

const ports = [
  { protocol: 'TCP' as const, port: 80 },
  { protocol: 'UDP' as const, port: 80 },
]
const [tcp, udp] = [{ protocol: 'TCP' as const }, { protocol: 'UDP' as const }]

/** Connections are to end by themselves, and flows that nobody uses any more not long after. */
const patient = ['--shutdown-timeout=50s', '--udp-idle-timeout=5s', '--udp-stream-timeout=5s']

/** Answers that each client must have in each phase. */
const some = 40
/** With 10 ms between two answers, that many take 2 s: only then does a UDP flow survive a second agent (RELIABILITY.md). */
const untilFlowsLast = 200

interface Clients {
  /** Resolves when every client has so many more answers, or a failure. */
  more(answers?: number): Promise<void>
  /** Asserts that none of the requests has failed. */
  end(): Promise<void>
}

/** From a pod of the first node and from the node itself: a connection for each request, and one that stays. */
async function startClients({ t, nodes, pods, after }: ScenarioContext, web: Served): Promise<Clients> {
  const all: { readonly what: string; readonly traffic: Traffic }[] = []
  const begin = async (place: Place, target: ProbeTarget, lasting: boolean): Promise<void> => {
    const what = `${place.name}, ${target.protocol}${lasting ? ', one connection' : ''}`
    all.push({ what, traffic: await place.traffic(target, { lasting }) })
  }
  after(() => Promise.all(all.splice(0).map(({ traffic }) => traffic.stop())))
  for (const place of [pods[0].place, nodes[0].place]) {
    await begin(place, web.target(tcp), false)
    await begin(place, web.target(tcp), true)
  }
  await begin(pods[0].place, web.target(udp), true)
  return {
    more: async (answers = some) => {
      await Promise.all(all.map(({ traffic }) => traffic.more(answers)))
    },
    end: async () => {
      for (const { what, traffic } of all.splice(0)) {
        const { answered, failures } = await traffic.stop()
        t.same(failures, [], `${what}: none of ${answered + failures.length} requests has failed`)
      }
    },
  }
}

async function restartPatient(agent: NodeAgent): Promise<void> {
  await agent.stop()
  await agent.start(patient)
}

/** What kube-relay has on a node beside its files. */
async function ofKubeRelay(node: Node): Promise<readonly string[]> {
  const answers = await Promise.all([
    node.place.run('ip', '-4', 'route', 'show', 'table', 'all', 'proto', '143'),
    node.place.run('ip', '-6', 'route', 'show', 'table', 'all', 'proto', '143'),
    node.place.run('ip', 'netns', 'list'),
    node.place.run('ip', '-o', 'link', 'show', 'type', 'veth'),
  ])
  const [ipv4, ipv6, namespaces, links] = answers.map(answer =>
    answer.split('\n').filter(line => line !== ''),
  )
  return [
    ...(ipv4 ?? []),
    ...(ipv6 ?? []),
    ...(namespaces ?? []),
    ...(links ?? []).filter(line => line.includes('krelay')),
    ...processesOf(node),
  ]
}

/** What the kubelet and load balancers ask: over IPv4, as that is where it listens. */
async function healthz({ addresses }: Node, { client }: ScenarioContext): Promise<number> {
  const { status } = await client.http(`http://${addresses.IPv4}:10256/healthz`)
  return status
}

export const restartScenarios: readonly Scenario[] = [
  {
    name: 'kube-relay restart: killed, and started again',
    body: async context => {
      const { nodes, pods, agents, serve, settled, apply, slice, answers, t } = context
      await restartPatient(agents[0])
      const web = await serve({ name: 'web', ports }, [pods[1], pods[2]])
      const clients = await startClients(context, web)
      await clients.more(untilFlowsLast)
      await agents[0].kill()
      const orphans = processesOf(nodes[0])
      t.equal(orphans.length, 2, 'both workers serve on')
      await clients.more()
      await agents[0].start()
      await clients.more()
      await clients.end()
      await until('its workers have ended with their clients', () => {
        const now = processesOf(nodes[0])
        return orphans.every(each => !now.includes(each)) || undefined
      })
      await apply(slice({ service: 'web', ports, endpoints: [pods[3]] }))
      await settled()
      for (const choice of [tcp, udp]) await answers(pods[0].place, web.target(choice), [pods[3]])
    },
  },
  {
    name: 'kube-relay restart: two agents overlap',
    body: async context => {
      const { nodes, pods, agents, secondAgent, serve, settled, apply, slice, answers, t } = context
      const [first, second] = [agents[0], secondAgent(nodes[0])]
      await restartPatient(first)
      const web = await serve({ name: 'web', ports }, [pods[1], pods[2]])
      for (const [old, successor] of [
        [first, second],
        [second, first],
      ] as const) {
        const clients = await startClients(context, web)
        await clients.more(untilFlowsLast)
        await successor.start(patient)
        await clients.more()
        const stopped = old.stop()
        await clients.more()
        await clients.end()
        t.equal(await stopped, 0, 'the old agent ends once its connections have')
        await answers([pods[0].place, nodes[0].place], web.target(tcp), [pods[1], pods[2]])
      }
      await apply(slice({ service: 'web', ports, endpoints: [pods[3]] }))
      await settled()
      for (const choice of [tcp, udp]) await answers(pods[0].place, web.target(choice), [pods[3]])
    },
  },
  {
    name: 'kube-relay restart: stopped, and started again',
    body: async context => {
      const { nodes, pods, agents, mode, serve, answers, t } = context
      await restartPatient(agents[0])
      const web = await serve({ name: 'web', ports }, [pods[1], pods[2]])
      const lasting = await pods[0].place.open(web.target(tcp))
      t.match(await lasting.ask(), { outcome: 'answered' })

      const stopped = agents[0].stop()
      await until('it takes nobody new', async () => {
        const { outcome } = await pods[0].place.probe(web.target(tcp))
        return outcome === 'refused' || undefined
      })
      t.match(await lasting.ask(), { outcome: 'answered' }, 'who is connected goes on')
      await answers(pods[2].place, web.target(tcp), [pods[1], pods[2]])
      await lasting.close()
      t.equal(await stopped, 0)
      if (mode !== 'none') t.same(await ofKubeRelay(nodes[0]), [], 'nothing is left of it')
      t.not((await pods[0].place.probe(web.target(tcp), { timeoutMs: 1000 })).outcome, 'answered')

      await agents[0].start()
      for (const choice of [tcp, udp]) {
        await answers([pods[0].place, nodes[0].place], web.target(choice), [pods[1], pods[2]])
      }
    },
  },
  {
    name: 'API server restart',
    body: async context => {
      const { pods, cluster, serve, settled, apply, slice, answers } = context
      const { apiserver } = cluster.control
      const web = await serve({ name: 'web', ports }, [pods[1], pods[2]])
      const clients = await startClients(context, web)
      await clients.more()
      await apiserver.crash()
      await clients.more()
      await apiserver.start()
      await clients.more()
      await clients.end()
      await apply(slice({ service: 'web', ports, endpoints: [pods[0], pods[3]] }))
      const other = await serve({ name: 'other', ports }, [pods[2]])
      await settled()
      for (const choice of [tcp, udp]) {
        await answers([pods[0].place, pods[2].place], web.target(choice), [pods[0], pods[3]])
        await answers([pods[0].place, pods[2].place], other.target(choice), [pods[2]])
      }
    },
  },
  {
    name: 'node removed and added',
    body: async context => {
      const { nodes, pods, client, cluster, serve, settled, apply, slice, answers, fails, after, t } = context
      const { control } = cluster
      const [, node] = nodes
      const web = await serve({ name: 'web', ports }, [pods[0]])
      // What is taken from the Node object: who is a pod of this node, and so isn't from outside.
      const local = await serve(
        { name: 'local', spec: { type: 'NodePort', externalTrafficPolicy: 'Local' } },
        [pods[0]],
      )
      const clients = await startClients(context, web)
      const all = slice({ service: 'web', ports, endpoints: [pods[0], pods[2], pods[3]] })
      await apply(all)
      await settled()
      await answers(pods[3].place, local.nodePort(node), [pods[0]])
      t.equal(await healthz(node, context), 200)
      await clients.more()

      await apply(slice({ service: 'web', ports, endpoints: [pods[0]] }))
      await settled()
      await clients.more()
      await Promise.all([pods[2].stop(), pods[3].stop()])
      await control.deleteNode(node)
      let there = false
      after(async () => (there ? undefined : control.createNode(node)))
      await until(
        'load balancers are told to leave it out',
        async () => (await healthz(node, context)) === 503 || undefined,
      )
      await settled()
      await answers([pods[1].place, ...nodes.map(({ place }) => place)], web.target(tcp), [pods[0]], {
        times: 6,
      })
      await clients.more()

      await control.createNode(node)
      there = true
      await Promise.all([pods[2].start(), pods[3].start()])
      await until(
        'load balancers may use it again',
        async () => (await healthz(node, context)) === 200 || undefined,
      )
      await apply(all)
      await settled()
      await clients.more()
      // First, as other clients' connections would get some of the turns.
      await clients.end()
      for (const choice of [tcp, udp]) {
        await answers([pods[0].place, pods[3].place], web.target(choice), [pods[0], pods[2], pods[3]])
      }
      await answers(pods[3].place, local.nodePort(node), [pods[0]])
      await fails(client, local.nodePort(node), 'reset')
    },
  },
]
