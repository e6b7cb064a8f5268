// The whole cluster for one VIP mode: the network, four pods, the control plane and an agent on each node. And the
// barrier: how a test knows that both agents serve everything that was written before.

import type { VipMode } from '../../../lib/model/vip-mode.ts'
import type { StatusDocument } from '../../../lib/ops/status.ts'
import type { Api } from '../api.ts'
import { requireSandbox, temporaryFolder } from '../sandbox.ts'
import { startControlPlane, type ControlPlane } from './control-plane.ts'
import { addForeign, endProcessesOf, networkChanges, networkState, processesOf } from './leftovers.ts'
import { createNodeAgent, portsOf, type NodeAgent } from './node-agent.ts'
import { endpointSlice, service } from './objects.ts'
import { startNetwork, type Network, type Node, type Pod } from './topology.ts'

export interface Cluster {
  readonly mode: VipMode
  readonly network: Network
  readonly control: ControlPlane
  /** One on each node, in the nodes' order. */
  readonly agents: readonly [NodeAgent, NodeAgent]
  /** Two on node-1, two on node-2. */
  readonly pods: readonly [Pod, Pod, Pod, Pod]
  /**
   * Resolves once every agent that runs has applied all that was written before the call, and none of the namespace's
   * frontends is on its way any more. The result is their status documents, in the agents' order.
   */
  settled(namespace: string): Promise<readonly StatusDocument[]>
  /** Stops the agents; node by node, what differs from before their first start, before this stop and after it. */
  stopAgents(): Promise<{ readonly made: Differences; readonly left: Differences }>
  close(): Promise<void>
  /** What the control plane and the agents said last. */
  tail(): string
}

/** A line for each difference, and for each process of an agent's; a list for each node. */
export type Differences = readonly (readonly string[])[]

/** Resolves when both agents serve. */
export async function startCluster(mode: VipMode): Promise<Cluster> {
  requireSandbox()
  const folder = temporaryFolder('nodes')
  const closers: (() => Promise<void>)[] = [async () => folder.remove()]
  const close = async (): Promise<void> => {
    const errors: unknown[] = []
    for (let next = closers.pop(); next !== undefined; next = closers.pop()) {
      await next().catch((error: unknown) => errors.push(error))
    }
    if (errors.length > 0) throw new AggregateError(errors, `closing the cluster: ${errors.join('; ')}`)
  }
  try {
    const network = await startNetwork()
    closers.push(() => network.close())
    const [control, pods] = await Promise.all([startControlPlane(folder.path), startPods(network)])
    closers.push(() => control.close())
    for (const node of network.nodes) {
      await control.createNode(node)
      await addForeign(node)
    }
    const before = await Promise.all(network.nodes.map(networkState))
    const differences = (): Promise<Differences> =>
      Promise.all(
        network.nodes.map(async (node, index) => [
          ...networkChanges(before[index] ?? [], await networkState(node)),
          ...processesOf(node).map(each => `runs: ${each}`),
        ]),
      )
    const createAgent = (node: Node): NodeAgent =>
      createNodeAgent(node, { kubeconfig: control.agentKubeconfig, mode })
    const agents = [createAgent(network.nodes[0]), createAgent(network.nodes[1])] as const
    closers.push(async () => {
      await Promise.all(agents.filter(agent => agent.running()).map(agent => agent.stop()))
      // Workers of an agent that was killed, if a scenario left it at that.
      for (const node of network.nodes) endProcessesOf(node)
    })
    await Promise.all(agents.map(agent => agent.start()))
    const inMode = (status: StatusDocument): boolean => status.vips?.mode === mode
    await Promise.all(agents.map(agent => agent.untilStatus(`its VIP mode is ${mode}`, inMode)))
    return {
      mode,
      network,
      control,
      agents,
      pods,
      settled: await createBarrier(control.api, agents, pods[0]),
      stopAgents: async () => {
        const made = await differences()
        await Promise.all(agents.filter(agent => agent.running()).map(agent => agent.stop()))
        return { made, left: await differences() }
      },
      close,
      tail: () => [control.tail(), ...agents.map(agent => agent.log().slice(-3000))].join('\n'),
    }
  } catch (error) {
    await close()
    throw error
  }
}

async function startPods(network: Network): Promise<Cluster['pods']> {
  const [first, second] = network.nodes
  const start = (node: Node): Promise<Pod> => network.startPod(node)
  return Promise.all([start(first), start(first), start(second), start(second)])
}

const barrierNamespace = 'barrier'

/**
 * A watch brings changes in the order in which they were written. So an agent that serves the newest port of the
 * barrier's Service, and the newest endpoint of its EndpointSlice, has everything that was written before.
 */
async function createBarrier(api: Api, agents: readonly NodeAgent[], pod: Pod): Promise<Cluster['settled']> {
  const path = `/api/v1/namespaces/${barrierNamespace}/services/barrier`
  const slicePath = `/apis/discovery.k8s.io/v1/namespaces/${barrierNamespace}/endpointslices/barrier-1`
  const ports = [{ name: 'barrier', port: 1 }]
  await api.must('POST', '/api/v1/namespaces', {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: barrierNamespace },
  })
  const slice = endpointSlice(barrierNamespace, 'IPv4', { service: 'barrier', endpoints: [pod], ports })
  await api.must('POST', slicePath.replace(/\/[^/]+$/, ''), slice)
  const barrier = service(barrierNamespace, 'IPv4', { name: 'barrier', ports })
  await api.must('POST', path.replace(/\/[^/]+$/, ''), barrier)

  let last = 1000
  return async namespace => {
    const port = ++last
    const endpoint = `${pod.addresses.IPv4}:${port}`
    await Promise.all([
      api.must('PATCH', slicePath, { ports: [{ name: 'barrier', protocol: 'TCP', port }] }),
      api.must('PATCH', path, { spec: { ports: [{ name: 'barrier', protocol: 'TCP', port }] } }),
    ])
    const accept = (status: StatusDocument): boolean => {
      const [now] = portsOf(status, barrierNamespace)
      const reached =
        now?.endpoints.cluster?.includes(endpoint) === true &&
        now.frontends.every(({ address, state }) => address.endsWith(`:${port}`) && state === 'listening')
      const binding = portsOf(status, namespace).some(({ frontends }) =>
        frontends.some(({ state }) => state === 'binding'),
      )
      return reached && !binding
    }
    const what = `it serves what was written before, up to the barrier's port ${port}`
    return Promise.all(agents.filter(agent => agent.running()).map(agent => agent.untilStatus(what, accept)))
  }
}
