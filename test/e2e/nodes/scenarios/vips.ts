// How long a VIP is local to a node, and what is left alone: from its Service's beginning until the last connection after
// its end, across crashes and somebody else's hands, beside whatever else is on the node.

import { formatAddress } from '../../../../lib/model/address.ts'
import { until } from '../../until.ts'
import { networkState, processesOf } from '../leftovers.ts'
import { portsOf } from '../node-agent.ts'
import type { Family } from '../place-protocol.ts'
import type { Scenario, ScenarioContext } from '../scenario.ts'
import type { Node } from '../topology.ts'

const flags: Readonly<Record<Family, string>> = { IPv4: '-4', IPv6: '-6' }
const active = ['local', 'netns'] as const

/** Whether kube-relay has made the VIP local: by a route of its own, in whichever table. */
async function isLocal({ family }: ScenarioContext, node: Node, ip: string): Promise<boolean> {
  const routes = await node.place.run(
    'ip',
    flags[family],
    'route',
    'show',
    'table',
    'all',
    ip,
    'proto',
    '143',
  )
  return routes.trim() !== ''
}

async function untilLocal(
  context: ScenarioContext,
  node: Node,
  ip: string,
  expected: boolean,
): Promise<void> {
  await until(
    `${node.name}: ${ip} is ${expected ? '' : 'not '}local`,
    async () => (await isLocal(context, node, ip)) === expected || undefined,
  )
}

/** Everything of a node that names one of the addresses and isn't kube-relay's. */
async function foreignState(node: Node, ips: readonly string[]): Promise<readonly string[]> {
  const lines = await networkState(node)
  return lines.filter(line => !line.includes('proto 143') && ips.some(ip => line.split(/[ /]/).includes(ip)))
}

export const vipScenarios: readonly Scenario[] = [
  {
    name: 'VIP: gone with its Service, but not under an established connection; mended if somebody takes it away',
    modes: active,
    body: async context => {
      const { nodes, pods, family, serve, service, remove, settled, answers, fails, t } = context
      const [first, second] = nodes
      const [gone, used, flushed] = [
        await serve({ name: 'gone' }, [pods[1]]),
        await serve({ name: 'used' }, [pods[1]]),
        await serve({ name: 'flushed' }, [pods[1], pods[2]]),
      ]
      for (const node of nodes) {
        for (const { clusterIp } of [gone, used, flushed]) {
          t.ok(await isLocal(context, node, clusterIp), `${node.name}: ${clusterIp} is local`)
        }
      }
      const removal = async (): Promise<void> => {
        const lasting = await pods[0].place.open(used.target())
        await remove(service({ name: 'used' }), service({ name: 'gone' }))
        await settled()
        for (const node of nodes) await untilLocal(context, node, gone.clusterIp, false)
        // Asked for no earlier than the other one, and found in use; on the second node nobody uses it.
        t.ok(await isLocal(context, first, used.clusterIp))
        await untilLocal(context, second, used.clusterIp, false)
        t.match(await lasting.ask(), { outcome: 'answered', server: pods[1].name })
        await fails(pods[0].place, used.target(), 'refused')
        await lasting.close()
        await untilLocal(context, first, used.clusterIp, false)
      }
      const mending = async (): Promise<void> => {
        const { clusterIp } = flushed
        await first.place.run(
          'ip',
          flags[family],
          'route',
          'flush',
          'table',
          'all',
          clusterIp,
          'proto',
          '143',
        )
        t.notOk(await isLocal(context, first, clusterIp))
        await untilLocal(context, first, clusterIp, true)
        await answers([pods[0].place, pods[3].place, first.place], flushed.target(), [pods[1], pods[2]])
      }
      await Promise.all([removal(), mending()])
    },
  },
  {
    name: "VIP: somebody else's routes and addresses stay as they are",
    modes: active,
    body: async context => {
      const { nodes, pods, family, mode, agents, namespace, after, t } = context
      const { serve, service, remove, settled, answers } = context
      const [node, neighbour] = nodes
      const { address, local, routed, free } = {
        IPv4: { address: '10.99.1.1', local: '10.99.1.2', routed: '10.99.1.3', free: '10.99.1.4' },
        IPv6: { address: 'fd99:1::1', local: 'fd99:1::2', routed: 'fd99:1::3', free: 'fd99:1::4' },
      }[family]
      const bits = family === 'IPv4' ? 32 : 128
      const lines = [
        `address VERB ${address}/${bits} dev lo`,
        `route VERB local ${local}/${bits} dev lo proto 99`,
        `route VERB ${routed}/${bits} via ${neighbour.addresses[family]} proto 99`,
      ]
      await node.place.ip(...lines.map(line => line.replace('VERB', 'add')))
      after(() => node.place.ip(...lines.map(line => line.replace('VERB', 'del'))))
      const foreign = [address, local, routed]
      const before = await foreignState(node, foreign)
      t.equal(before.length >= foreign.length, true, before.join('\n'))
      const ports = [{ protocol: 'UDP' as const }]
      await serve({ name: 'everywhere', ports, spec: { type: 'NodePort' } }, [pods[0]])
      await agents[0].untilStatus('it serves at its new address, too', status =>
        portsOf(status, namespace, 'everywhere').some(({ frontends }) =>
          frontends.some(frontend => frontend.address.startsWith(formatAddress(address, 0).slice(0, -1))),
        ),
      )

      const spec = { externalIPs: [address, local, routed, free] }
      const web = await serve({ name: 'web', spec }, [pods[0], pods[3]])
      t.same(await foreignState(node, foreign), before, 'while a Service has their addresses')
      const inside = [pods[1].place, node.place]
      // The node's own address is served as it is. Otherwise what was there first keeps its meaning, and status tells.
      await answers(inside, web.targetAt(address), [pods[0], pods[3]])
      await answers(inside, web.targetAt(free), [pods[0], pods[3]])
      await answers([pods[2].place, neighbour.place], web.targetAt(routed), [pods[0], pods[3]])
      t.equal(await isLocal(context, node, free), true)
      t.equal(await isLocal(context, node, address), false)
      t.equal(await isLocal(context, node, local), false)
      const failed = (await agents[0].status()).vips?.failed ?? []
      t.same(
        failed
          .map(({ ip }) => ip)
          .filter(ip => foreign.includes(ip))
          .sort(),
        [local, routed],
      )
      if (mode === 'local') await answers(inside, web.targetAt(local), [pods[0], pods[3]])

      await remove(service({ name: 'web' }))
      await settled()
      for (const each of nodes) await untilLocal(context, each, free, false)
      t.same(await foreignState(node, foreign), before, 'after it')
    },
  },
  {
    name: 'VIP: crash and start reconcile',
    modes: active,
    body: async context => {
      const { nodes, pods, agents, mode, serve, service, slice, apply, remove, read, settled, answers, t } =
        context
      const [node] = nodes
      const identify = async (): Promise<string> =>
        mode === 'netns' ? node.place.run('stat', '--format=%i', '/run/netns/kube-relay') : ''
      const [stays, goes] = [
        await serve({ name: 'stays' }, [pods[0], pods[3]]),
        await serve({ name: 'goes' }, [pods[0]]),
      ]
      const namespace = await identify()

      await agents[0].kill()
      // And its workers, which would serve on.
      for (const line of processesOf(node)) process.kill(Number(line.split(' ')[0]), 'SIGKILL')
      await until('every process of it is gone', () => processesOf(node).length === 0 || undefined)
      t.ok(await isLocal(context, node, goes.clusterIp), 'what a crash leaves')
      await remove(service({ name: 'goes' }))
      await apply(service({ name: 'comes' }), slice({ service: 'comes', endpoints: [pods[1]] }))
      await agents[0].start()
      await settled()

      const comes = await read('comes')
      const inside = [pods[0].place, node.place]
      await answers(inside, stays.target(), [pods[0], pods[3]])
      await answers(inside, comes.target(), [pods[1]])
      await untilLocal(context, node, goes.clusterIp, false)
      t.ok(await isLocal(context, node, stays.clusterIp))
      t.equal(await identify(), namespace, 'the same network namespace')
      await answers(inside, stays.target(), [pods[0], pods[3]])
    },
  },
  {
    name: 'VIP: 1,000 Services at once',
    timeoutMs: 300_000,
    body: async context => {
      const { nodes, pods, mode, api, namespace, agents, service, slice, settled, after, t } = context
      const names = Array.from({ length: 1000 }, (_, index) => `service-${index}`)
      const services = `/api/v1/namespaces/${namespace}/services`
      const slices = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`
      // Not by way of `apply`: to take them away one after the other would last longer than all the rest.
      const left = [...names]
      const removeAll = async (): Promise<void> => {
        await inParallel(left.splice(0), name => api.send('DELETE', `${services}/${name}`))
        await api.must('DELETE', slices)
      }
      after(removeAll)
      await inParallel(names, async name => {
        await api.must('POST', services, service({ name }))
        await api.must('POST', slices, slice({ service: name, endpoints: [pods[1]] }))
      })
      const start = performance.now()
      await settled()
      t.comment(`served on both nodes ${Math.round(performance.now() - start)} ms after the last was written`)
      const { items } = await api.must('GET', services)
      const ips = (items as readonly { spec: { clusterIP: string } }[]).map(({ spec }) => spec.clusterIP)
      t.equal(new Set(ips).size, names.length, 'as many VIPs')
      for (const { place } of [pods[0], nodes[1]]) {
        const failures: string[] = []
        await inParallel(ips, async ip => {
          const result = await place.probe({ protocol: 'TCP', ip, port: 80 })
          if (result.outcome !== 'answered' || result.server !== pods[1].name) {
            failures.push(`${ip}: ${JSON.stringify(result)}`)
          }
        })
        t.same(failures, [], `${place.name} reaches every one`)
      }
      for (const agent of mode === 'none' ? [] : agents) {
        const { vips } = await agent.status()
        t.ok((vips?.local ?? 0) >= names.length, `${agent.node.name} has ${vips?.local} VIPs`)
        t.same(vips?.failed, [])
      }
      await removeAll()
      if (mode === 'none') return
      await settled()
      for (const agent of agents) {
        await agent.untilStatus(
          'all of them are gone',
          ({ vips }) => (vips?.local ?? Infinity) < names.length / 10,
        )
      }
    },
  },
]

/** Sixteen at a time. */
async function inParallel<T>(all: readonly T[], act: (each: T) => Promise<unknown>): Promise<void> {
  const rest = all.values()
  const work = async (): Promise<void> => {
    for (const each of rest) await act(each)
  }
  await Promise.all(Array.from({ length: 16 }, work))
}
