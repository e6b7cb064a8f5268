// More objects than a page of a list holds: all of them are served.

import t from 'tap'
import { startAgent } from './agent.ts'
import { agentRequests } from './audit.ts'
import { ask } from './client.ts'
import { startCluster } from './cluster.ts'
import { endpointSlice, service } from './objects.ts'
import { podPort, startPod } from './pods.ts'

const serviceCount = 1200

// From its watch cache the server answers a first list (resourceVersion=0) in one piece, whatever the limit. Without
// the cache it comes in pages.
const cluster = await startCluster(t, { apiserverFlags: ['--watch-cache=false'] })
const { api } = cluster

void t.test(`${serviceCount} Services are listed in pages and all served`, async t => {
  const pod = await startPod('pod-a')
  t.teardown(() => pod.close())
  const names = Array.from({ length: serviceCount }, (_, index) => `service-${index}`)
  await inParallel(names, async (name, index) => {
    const clusterIP = `10.96.${100 + Math.floor(index / 250)}.${1 + (index % 250)}`
    await api.must('POST', '/api/v1/namespaces/default/services', service({ name, clusterIP }))
    const slice = endpointSlice({ service: name, pods: [pod] })
    await api.must('POST', '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices', slice)
  })

  const agent = await startAgent(t, cluster)
  const status = await agent.untilStatus('synced', document => document.synced)
  const served = status.services.filter(each => each.name.startsWith('service-'))
  t.equal(served.length, serviceCount)
  const wrong = served.filter(
    each =>
      each.endpoints.cluster?.join() !== `${pod.address}:${podPort}` ||
      each.frontends.some(frontend => frontend.state !== 'listening'),
  )
  t.same(wrong, [])
  for (const resource of ['services', 'endpointslices']) {
    const pages = agentRequests(cluster).filter(
      ({ requestURI, objectRef }) => objectRef?.resource === resource && requestURI.includes('continue='),
    )
    t.ok(pages.length >= 2, `${resource}: the list came in pages`)
  }

  const answers = await inParallel(served, async each => {
    const address = each.frontends[0]?.address.split(':')[0] ?? ''
    return (await ask({ protocol: 'TCP', address, port: 80 }, each.name)).pod
  })
  t.same(new Set(answers), new Set(['pod-a']), 'each of them answers')
})

/** Sixteen at a time, so that neither the API server nor the machine is the limit that is tested. */
async function inParallel<T, R>(
  items: readonly T[],
  work: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = []
  const queue = items.entries()
  const worker = async (): Promise<void> => {
    for (const [index, item] of queue) results[index] = await work(item, index)
  }
  await Promise.all(Array.from({ length: 16 }, worker))
  return results
}
