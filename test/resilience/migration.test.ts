// From kube-proxy to kube-relay and back on one node, in the order of docs/MIGRATION.md: whose turn it is changes under load, and
// no connection fails. As long as kube-proxy's rules are there, they win.

import { test } from 'tap'
import { untilNotListening, workerPids } from './faults.ts'
import { endpointAddress } from './endpoints.ts'
import { echoPort, requestPort } from './frames.ts'
import { kernelProxy, missingForKernelProxy, type KernelRule } from './kernel-proxy.ts'
import { nodeIp } from './network.ts'
import type { AgentProcess } from './agent-process.ts'
import { resilienceTest } from './resilience-test.ts'
import { steadyLoads } from './scenario.ts'
import { harm, startTraffic } from './traffic.ts'

const endpoints = [0, 1, 2, 3].map(endpointAddress)
const to = (port: number): readonly string[] => endpoints.map(each => `${each}:${port}`)

const rules: readonly KernelRule[] = [
  { protocol: 'tcp', ip: '10.96.1.1', port: 80, endpoints: to(requestPort) },
  { protocol: 'tcp', ip: nodeIp, port: 30080, endpoints: to(requestPort) },
  { protocol: 'tcp', ip: '10.96.1.3', port: 80, endpoints: to(echoPort) },
]

/** Clients of the others expect to stay with their endpoint, which only one of the two proxies knows. */
const loads = steadyLoads.filter(({ name }) => name !== 'clients with affinity' && name !== 'datagrams')

/** How many connections have come to kube-relay so far. */
async function taken(agent: AgentProcess): Promise<number> {
  const { services } = await agent.status()
  return services.reduce((sum, { connections }) => sum + connections.total, 0)
}

for (const mode of ['iptables', 'nftables'] as const) {
  const missing = missingForKernelProxy(mode)
  if (missing !== null) {
    void test(`from kube-proxy (${mode}) to kube-relay and back`, { skip: missing }, async () => {})
    continue
  }
  resilienceTest(`from kube-proxy (${mode}) to kube-relay and back`, async (t, { startAgent: start }) => {
    const kubeProxy = kernelProxy(t, mode, rules)
    kubeProxy.masqueradePods()
    kubeProxy.install()
    const traffic = await startTraffic(t, loads)
    await traffic.answered(60)

    const agent = await start({ args: ['--shutdown-timeout', '2m'] })
    await traffic.answered(60)
    t.equal(await taken(agent), 0, 'it listens, and the rules win')
    kubeProxy.cleanUp()
    await traffic.answered(200)
    const toKubeRelay = await taken(agent)
    t.ok(toKubeRelay > 100, `without the rules, ${toKubeRelay} new connections came to kube-relay`)

    kubeProxy.install()
    await traffic.answered(60)
    const workers = workerPids(await agent.status())
    const stopped = agent.kill('SIGTERM')
    await untilNotListening(workers)
    await traffic.answered(200)
    t.same(harm(await traffic.stop()), [])
    t.equal(await stopped, 0, 'kube-relay ends when its clients have')
  })
}
