// Services and EndpointSlices that kubectl creates are served by kube-relay: ClusterIP and NodePort, TCP and UDP.

import t from 'tap'
import { startAgent, targetOf } from './agent.ts'
import { ask, askTimes, failureOf, targetName, type Target } from './client.ts'
import { startCluster } from './cluster.ts'
import { nodeAddress } from './network.ts'
import { endpointSlice, service } from './objects.ts'
import { podPort, startPod, type Pod } from './pods.ts'

const both = ['TCP', 'UDP'] as const

const cluster = await startCluster(t)
const { kubectl } = cluster
// One worker: turns are exact in each, not over several.
const agent = await startAgent(t, cluster, { flags: ['--workers=1'] })

const pods = await Promise.all(['pod-a', 'pod-b', 'pod-c'].map(name => startPod(name)))
t.teardown(() => Promise.all(pods.map(pod => pod.close())))

const endpointsOf = (some: readonly Pod[]): string[] => some.map(pod => `${pod.address}:${podPort}`)

/** Creates a NodePort Service with these pods, TCP and UDP, and resolves to its frontends once they are served. */
async function serve(name: string, some: readonly Pod[]): Promise<readonly Target[]> {
  await kubectl.create(
    service({ name, type: 'NodePort', protocols: both }),
    endpointSlice({ service: name, pods: some, protocols: both }),
  )
  const ports = await agent.untilServing(name, endpointsOf(some))
  return ports.flatMap(port => [
    targetOf(port, 'ClusterIP'),
    targetOf(port, 'NodePort'),
    targetOf(port, 'NodePort', nodeAddress),
  ])
}

void t.test('a Service is reached over ClusterIP and NodePort, TCP and UDP, each pod in turn', async t => {
  const targets = await serve('web', pods)
  t.equal(targets.length, 6)
  for (const target of targets) {
    const answers = await askTimes(target, 9)
    t.same(answers.slice(3), answers.slice(0, 6), `${targetName(target)}: in turn`)
    t.same(new Set(answers), new Set(['pod-a', 'pod-b', 'pod-c']), `${targetName(target)}: by all three`)
  }
})

void t.test('endpoints that are added and removed take effect', async t => {
  const [first, second, third] = pods as [Pod, Pod, Pod]
  const targets = await serve('changing', [first])
  const answering = async (expected: readonly Pod[]): Promise<void> => {
    await kubectl.replace(endpointSlice({ service: 'changing', pods: expected, protocols: both }))
    await agent.untilServing('changing', endpointsOf(expected))
    const names = expected.map(pod => pod.name)
    for (const target of targets) {
      t.same(new Set(await askTimes(target, 6)), new Set(names), `${targetName(target)}: ${names.join()}`)
    }
  }
  await answering([first, second])
  await answering([first, second, third])
  await answering([third])
  await answering([second])
})

void t.test('a second slice adds to the first, and takes its endpoints away with it', async t => {
  const [first, second] = pods as [Pod, Pod, Pod]
  const [target] = (await serve('sliced', [first])) as [Target]
  await kubectl.create(
    endpointSlice({ service: 'sliced', name: 'sliced-2', pods: [second], protocols: both }),
  )
  await agent.untilServing('sliced', endpointsOf([first, second]))
  t.same(new Set(await askTimes(target, 4)), new Set(['pod-a', 'pod-b']))
  await kubectl('delete', 'endpointslice', 'sliced-1')
  await agent.untilServing('sliced', endpointsOf([second]))
  t.same(new Set(await askTimes(target, 4)), new Set(['pod-b']))
})

void t.test('no endpoints: refused, until there is one', async t => {
  const targets = await serve('empty', [])
  for (const target of targets) t.equal(await failureOf(target), 'ECONNREFUSED', targetName(target))
  await kubectl.replace(endpointSlice({ service: 'empty', pods: pods.slice(0, 1), protocols: both }))
  await agent.untilServing('empty', endpointsOf(pods.slice(0, 1)))
  for (const target of targets) t.equal((await ask(target, 'hello')).pod, 'pod-a', targetName(target))
  await kubectl.replace(endpointSlice({ service: 'empty', pods: [], protocols: both }))
  await agent.untilServing('empty', [])
  for (const target of targets) t.equal(await failureOf(target), 'ECONNREFUSED', targetName(target))
})

void t.test('a Service that is deleted is refused, and its addresses serve the next one', async t => {
  const targets = await serve('short-lived', pods)
  await kubectl('delete', 'service/short-lived', 'endpointslice/short-lived-1')
  await agent.untilGone('short-lived')
  for (const target of targets) t.equal(await failureOf(target), 'ECONNREFUSED', targetName(target))

  const clusterIP = targets[0]?.address ?? ''
  await kubectl.create(
    service({ name: 'next', clusterIP }),
    endpointSlice({ service: 'next', pods: pods.slice(1, 2) }),
  )
  await agent.untilServing('next', endpointsOf(pods.slice(1, 2)))
  t.same(await ask({ protocol: 'TCP', address: clusterIP, port: 80 }, 'hello'), {
    pod: 'pod-b',
    text: 'hello',
  })
})

void t.test('a pod that dies, and is removed only later, costs no TCP request', async t => {
  const doomed = await startPod('doomed')
  t.teardown(() => doomed.close())
  const [target] = (await serve('resilient', [...pods, doomed])) as [Target]
  t.ok((await askTimes(target, 8)).includes('doomed'))
  await doomed.kill()
  for (let i = 0; i < 40; i++) t.not((await ask(target, `after-${i}`)).pod, 'doomed')
  await kubectl.replace(endpointSlice({ service: 'resilient', pods, protocols: both }))
  await agent.untilServing('resilient', endpointsOf(pods))
})

void t.test('SIGTERM ends it with status 0, and nothing is served any more', async t => {
  const targets = await serve('last', pods)
  t.equal(await agent.stop(), 0, agent.tail())
  for (const target of targets) t.equal(await failureOf(target), 'ECONNREFUSED', targetName(target))
})
