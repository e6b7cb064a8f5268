// The control plane goes away and comes back while clients use Services: no request may fail, and what changes
// afterwards, or changed meanwhile, arrives.

import t from 'tap'
import { startAgent, targetOf, type Agent } from './agent.ts'
import { ask, askTimes, type Target } from './client.ts'
import { startCluster } from './cluster.ts'
import { endpointSlice, service } from './objects.ts'
import { podPort, startPod, type Pod } from './pods.ts'
import { createToken } from './service-account.ts'
import { startTraffic } from './traffic.ts'

const both = ['TCP', 'UDP'] as const
/** How many answers each client must have in each phase of an outage. */
const someTraffic = 50

const cluster = await startCluster(t)
const { kubectl, etcd, apiserver } = cluster

const pods = await Promise.all(['pod-a', 'pod-b', 'pod-c'].map(name => startPod(name)))
t.teardown(() => Promise.all(pods.map(pod => pod.close())))
const [podA, podB] = pods as [Pod, Pod, Pod]

const endpointsOf = (some: readonly Pod[]): string[] => some.map(pod => `${pod.address}:${podPort}`)

async function serve(agent: Agent, name: string, some: readonly Pod[]): Promise<readonly Target[]> {
  await kubectl.create(
    service({ name, type: 'NodePort', protocols: both }),
    endpointSlice({ service: name, pods: some, protocols: both }),
  )
  const ports = await agent.untilServing(name, endpointsOf(some))
  return ports.flatMap(port => [targetOf(port, 'ClusterIP'), targetOf(port, 'NodePort')])
}

/** Replaces the Service's pods and resolves to the names of those that answer then. */
async function move(agent: Agent, name: string, target: Target, to: readonly Pod[]): Promise<Set<string>> {
  await kubectl.replace(endpointSlice({ service: name, pods: to, protocols: both }))
  await agent.untilServing(name, endpointsOf(to))
  return new Set(await askTimes(target, 6))
}

const outages: readonly { what: string; crash: () => Promise<void>; recover: () => Promise<void> }[] = [
  { what: 'the API server', crash: () => apiserver.crash(), recover: () => apiserver.start() },
  { what: 'etcd', crash: () => etcd.crash(), recover: () => etcd.start() },
  {
    what: 'both',
    crash: async () => {
      await Promise.all([apiserver.crash(), etcd.crash()])
    },
    recover: async () => {
      await etcd.start()
      await apiserver.start()
    },
  },
]

for (const [index, { what, crash, recover }] of outages.entries()) {
  void t.test(`kill -9 and restart of ${what} during traffic: no request fails`, async t => {
    const agent = await startAgent(t, cluster)
    const steady = await serve(agent, `steady-${index}`, pods)
    const [moving] = (await serve(agent, `moving-${index}`, [podA])) as [Target]
    const traffic = startTraffic(steady)
    await traffic.answered(someTraffic)

    await crash()
    await traffic.answered(someTraffic)
    await recover()
    await traffic.answered(someTraffic)

    t.same(
      await move(agent, `moving-${index}`, moving, [podB]),
      new Set(['pod-b']),
      'a change afterwards arrives',
    )
    const [created] = (await serve(agent, `created-${index}`, [podA])) as [Target]
    t.equal((await ask(created, 'hello')).pod, 'pod-a', 'a new Service, too')
    await kubectl('delete', `service/created-${index}`)
    await agent.untilGone(`created-${index}`)
    const { answered, failures } = await traffic.stop()
    t.same(failures, [], `${answered} requests answered`)
  })
}

void t.test('what changed while the agent could not see it, it finds when it can', async t => {
  const agent = await startAgent(t, cluster)
  const steady = await serve(agent, 'unseen-steady', pods)
  const [moved] = (await serve(agent, 'unseen-moved', [podA])) as [Target]
  await serve(agent, 'unseen-deleted', [podA])
  const traffic = startTraffic(steady)
  await traffic.answered(someTraffic)

  await apiserver.crash()
  await agent.untilStatus('it says that it is not connected', ({ watches }) =>
    Object.values(watches).every(state => state.startsWith('not connected')),
  )
  // Through another server, so that the agent hears nothing; then the history it could have resumed from goes.
  const second = await cluster.createSecondApiserver()
  await second.start()
  const elsewhere = ['--server', second.url]
  const patch = JSON.stringify(endpointSlice({ service: 'unseen-moved', pods: [podB], protocols: both }))
  await kubectl(...elsewhere, 'patch', 'endpointslice', 'unseen-moved-1', '--type=merge', '--patch', patch)
  await kubectl(...elsewhere, 'delete', 'service/unseen-deleted')
  await second.crash()
  await etcd.compact()

  await apiserver.start()
  await agent.untilServing('unseen-moved', endpointsOf([podB]))
  await agent.untilGone('unseen-deleted')
  t.equal((await ask(moved, 'hello')).pod, 'pod-b')
  const { answered, failures } = await traffic.stop()
  t.same(failures, [], `${answered} requests answered`)
})

void t.test('an API server that is unreachable at the start and appears later', async t => {
  await kubectl.create(service({ name: 'waiting' }), endpointSlice({ service: 'waiting', pods: [podA] }))
  const earlier = await startAgent(t, cluster)
  const [port] = await earlier.untilServing('waiting', endpointsOf([podA]))
  if (port === undefined) throw new Error('no port')
  await earlier.stop()

  const token = await createToken(cluster.api)
  await apiserver.crash()
  const agent = await startAgent(t, cluster, { token })
  await agent.untilLogged(/ECONNREFUSED/)
  t.equal((await agent.status()).synced, false)
  await apiserver.start()
  await agent.untilServing('waiting', endpointsOf([podA]))
  t.equal((await ask(targetOf(port, 'ClusterIP'), 'hello')).pod, 'pod-a')
})
