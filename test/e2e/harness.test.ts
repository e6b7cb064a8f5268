// The test cluster itself, without kube-relay: a failure here is the cluster's, not the agent's.

import t from 'tap'
import { ask, failureOf } from './client.ts'
import { startCluster } from './cluster.ts'
import { endpointSlice, service } from './objects.ts'
import { podPort, startPod } from './pods.ts'
import { until } from './until.ts'

const cluster = await startCluster(t)
const { api, kubectl } = cluster
const slices = '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices'

void t.test('pods answer with their name over TCP and UDP, and refuse once killed', async t => {
  const pod = await startPod('web-1')
  t.teardown(() => pod.close())
  for (const protocol of ['TCP', 'UDP'] as const) {
    const target = { protocol, address: pod.address, port: podPort }
    t.same(await ask(target, 'hello'), { pod: 'web-1', text: 'hello' }, protocol)
  }
  await pod.kill()
  for (const protocol of ['TCP', 'UDP'] as const) {
    t.equal(await failureOf({ protocol, address: pod.address, port: podPort }), 'ECONNREFUSED', protocol)
  }
})

void t.test('service addresses are local and refuse while nobody listens', async t => {
  t.equal(await failureOf({ protocol: 'TCP', address: '10.96.200.1', port: 80 }), 'ECONNREFUSED')
})

void t.test('kubectl creates Services and EndpointSlices, and the slices come back in pages', async t => {
  const names = ['a', 'b', 'c', 'd', 'e']
  await kubectl.create(
    ...names.map(name => service({ name })),
    ...names.map(name => endpointSlice({ service: name, pods: [{ name: 'pod', address: '10.244.1.200' }] })),
  )
  t.match(await kubectl('get', 'endpointslices', '-o', 'name'), /endpointslice.discovery.k8s.io\/e-1/)
  const first = await api.must('GET', `${slices}?limit=2`)
  const { continue: token, remainingItemCount } = first['metadata'] as Record<string, unknown>
  t.equal((first['items'] as unknown[]).length, 2)
  t.equal(remainingItemCount, 3)
  const second = await api.must('GET', `${slices}?limit=5&continue=${String(token)}`)
  t.equal((second['items'] as unknown[]).length, 3)
  await kubectl('delete', 'services,endpointslices', '--all')
})

void t.test('a watch of EndpointSlices sends changes and bookmarks', async t => {
  const pods = [{ name: 'pod', address: '10.244.1.200' }]
  // The server promises no bookmark: it sends one only after news, and not if it is busy.
  await until('a bookmark has come', async () => {
    const { metadata } = await api.must('GET', slices)
    const { resourceVersion } = metadata as { resourceVersion: string }
    const query = `watch=true&allowWatchBookmarks=true&timeoutSeconds=8&resourceVersion=${resourceVersion}`
    const types: string[] = []
    const watching = (async () => {
      for await (const event of api.watch(`${slices}?${query}`)) types.push(event.type)
    })()
    await kubectl.create(endpointSlice({ service: 'watched', pods: [] }))
    await kubectl.replace(endpointSlice({ service: 'watched', pods }))
    await kubectl('delete', 'endpointslice', 'watched-1')
    await watching
    t.same(
      types.filter(type => type !== 'BOOKMARK'),
      ['ADDED', 'MODIFIED', 'DELETED'],
    )
    return types.includes('BOOKMARK') || undefined
  })
})

void t.test('etcd and the API server come back after a crash with what they had', async t => {
  await kubectl.create(service({ name: 'kept', clusterIP: '10.96.7.7' }))
  await cluster.apiserver.crash()
  await cluster.etcd.crash()
  await t.rejects(api.send('GET', '/readyz'))
  await cluster.etcd.start()
  await cluster.apiserver.start()
  t.equal(await kubectl('get', 'service', 'kept', '-o', 'jsonpath={.spec.clusterIP}'), '10.96.7.7')
  await cluster.etcd.compact()
})
