// Large requests and answers, which take many segments, fragments and turns of both relays' buffers; and UDP clients that
// keep their socket while the endpoints behind the Service change.

import type { LastingProbe, Place } from '../place.ts'
import type { ProbeResult, ProbeTarget } from '../place-protocol.ts'
import type { Scenario, ScenarioContext, Served } from '../scenario.ts'
import type { Pod } from '../topology.ts'
import { bothProtocols, cameFrom, everywhere } from './probes.ts'

const udp = [{ protocol: 'UDP' as const, port: 80 }]

/** A pod of either node to the cluster IP, the client outside to both node ports. */
function udpWays({ pods, nodes, client }: ScenarioContext, served: Served): readonly [Place, ProbeTarget][] {
  return [
    [pods[1].place, served.target()],
    [pods[3].place, served.target()],
    ...nodes.map((node): [Place, ProbeTarget] => [client, served.nodePort(node)]),
  ]
}

async function openAll(ways: readonly (readonly [Place, ProbeTarget])[]): Promise<readonly LastingProbe[]> {
  return Promise.all(ways.map(([place, target]) => place.open(target)))
}

async function eachGets(
  { t }: ScenarioContext,
  sockets: readonly LastingProbe[],
  expected: Partial<ProbeResult>,
  message: string,
  timeoutMs = 10_000,
): Promise<void> {
  for (const [index, socket] of sockets.entries()) {
    t.match(await socket.ask({ timeoutMs }), expected, `${message} (client ${index})`)
  }
}

const from = ({ name }: Pod): Partial<ProbeResult> => ({ outcome: 'answered', server: name })

export const requestScenarios: readonly Scenario[] = [
  {
    name: 'large requests',
    timeoutMs: 180_000,
    body: async context => {
      const { t, pods, nodes, client, serve, answers } = context
      // One endpoint on the first node, so that each place is once on its side and once on the other.
      const web = await serve({ name: 'web', ports: bothProtocols, spec: { type: 'NodePort' } }, [pods[0]])
      const wholly = async (place: Place, target: ProbeTarget, payloadBytes: number): Promise<void> => {
        const results = await answers(place, target, [pods[0]], { times: 1, payloadBytes, timeoutMs: 60_000 })
        t.match(results, [{ intact: true }], `${payloadBytes} bytes came back as they were`)
      }
      for (const place of everywhere(context)) {
        await wholly(place, web.target({ protocol: 'TCP' }), 5_000_000)
        for (const bytes of [1, 1500, 9000, 60_000]) {
          await wholly(place, web.target({ protocol: 'UDP' }), bytes)
        }
      }
      for (const node of nodes) {
        await wholly(client, web.nodePort(node, { protocol: 'TCP' }), 5_000_000)
        await wholly(client, web.nodePort(node, { protocol: 'UDP' }), 60_000)
      }
    },
  },
  {
    name: 'UDP: server pod cycles',
    body: async context => {
      const { pods, serve, apply, slice, settled } = context
      const web = await serve({ name: 'web', ports: udp, spec: { type: 'NodePort' } }, [pods[0]])
      const sockets = await openAll(udpWays(context, web))
      await eachGets(context, sockets, from(pods[0]), 'the first pod')

      // Another pod takes its place, and the first one goes.
      await apply(slice({ service: 'web', ports: udp, endpoints: [pods[2]] }))
      await settled()
      await eachGets(context, sockets, from(pods[2]), 'the second pod, from the same client sockets')
      await pods[0].stop()

      // First the pod goes, then its slice says so: what is asked meanwhile has no answer.
      await pods[2].stop()
      await eachGets(context, sockets, { outcome: 'timed out' }, 'nobody', 300)
      await pods[0].start()
      await apply(slice({ service: 'web', ports: udp, endpoints: [pods[0]] }))
      await settled()
      await eachGets(context, sockets, from(pods[0]), 'the first pod again')

      // A container that starts anew has the same address, and nobody writes anything.
      await pods[0].stop()
      await pods[0].start()
      await eachGets(context, sockets, from(pods[0]), 'the first pod, started anew')
      for (const socket of sockets) await socket.close()
    },
  },
  {
    name: 'UDP: first unready endpoints become ready',
    body: async context => {
      const { pods, serve, apply, slice, settled } = context
      const unready = [{ pod: pods[2], ready: false }]
      const web = await serve({ name: 'web', ports: udp, spec: { type: 'NodePort' } }, unready)
      const sockets = await openAll(udpWays(context, web))
      await eachGets(context, sockets, { outcome: 'refused' }, 'no ready endpoint')
      await apply(slice({ service: 'web', ports: udp, endpoints: [pods[2]] }))
      await settled()
      await eachGets(context, sockets, from(pods[2]), 'ready, for the same client sockets')
      // And back: a flow isn't for ever.
      await apply(slice({ service: 'web', ports: udp, endpoints: unready }))
      await settled()
      await eachGets(context, sockets, { outcome: 'refused' }, 'no ready endpoint any more')
      for (const socket of sockets) await socket.close()
    },
  },
  {
    name: 'UDP from a pod',
    body: async context => {
      const { pods, nodes, serve, answers } = context
      const web = await serve({ name: 'web', ports: udp }, [pods[0]])
      // The client's socket is connected: it takes answers from the cluster IP only.
      for (const pod of pods) {
        const node = nodes.find(({ name }) => name === pod.node)
        if (node === undefined) throw new Error(`${pod.name} is on no node`)
        cameFrom(context, await answers(pod.place, web.target(), [pods[0]]), node, pods[0])
      }
    },
  },
]
