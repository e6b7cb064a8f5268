import { test } from 'tap'
import { endpoint, endpointSlice, service } from '../model/objects.ts'
import { createState, createSyncedState, nodeInfo } from './desired-state-harness.ts'

const web = 'default/web:/TCP/IPv4'

void test('nothing goes out before both lists are complete', async t => {
  const { state, sync } = createState()
  state.setService(service())
  t.equal(state.synced, false)
  t.equal(sync(), null)
  state.markListed('services')
  t.equal(sync(), null)
  state.setEndpointSlice(endpointSlice())
  state.markListed('endpointSlices')
  t.equal(state.synced, true)
  t.match(sync(), {
    type: 'snapshot',
    generation: 1,
    servicePorts: [
      {
        key: web,
        cluster: ['10.1.0.1:8080'],
        local: null,
        serving: ['10.1.0.1:8080'],
        frontends: [{ kind: 'ClusterIP', ip: '10.96.0.10', port: 80, list: 'cluster' }],
      },
    ],
  })
})

void test('a cluster without Services gets a snapshot too: an empty one', async t => {
  const { state, sync } = createState()
  state.markListed('services')
  state.markListed('endpointSlices')
  t.match(sync(), { type: 'snapshot', generation: 1, servicePorts: [] })
  t.equal(sync(), null)
})

void test('then deltas, with generations that grow by one, and nothing where nothing changes', async t => {
  const { state, sync } = createSyncedState()
  state.setService(service())
  t.match(sync(), { type: 'delta', generation: 2, changed: [{ key: web, cluster: [] }], removed: [] })
  state.setEndpointSlice(endpointSlice())
  t.match(sync(), { type: 'delta', generation: 3, changed: [{ key: web, cluster: ['10.1.0.1:8080'] }] })
  state.setEndpointSlice(endpointSlice())
  state.setService(service())
  t.equal(sync(), null, 'the same objects again')
  state.setEndpointSlice(endpointSlice({ endpoints: [] }))
  state.setEndpointSlice(endpointSlice())
  t.equal(sync(), null, 'there and back')
  t.equal(state.generation, 3)
  state.deleteService({ namespace: 'default', name: 'web' })
  t.match(sync(), { type: 'delta', generation: 4, changed: [], removed: [web] })
  t.match(state.snapshot(), { type: 'snapshot', generation: 4, servicePorts: [] })
})

void test('onChange is called for what a sync may have to do, and not for what it has not', async t => {
  const { state, changes } = createSyncedState()
  const calls = (action: () => void): number => {
    const before = changes()
    action()
    return changes() - before
  }
  t.equal(
    calls(() => state.setService(service())),
    1,
  )
  t.equal(
    calls(() => state.setEndpointSlice(endpointSlice())),
    1,
  )
  t.equal(
    calls(() => state.deleteService({ namespace: 'default', name: 'unknown' })),
    0,
  )
  t.equal(
    calls(() => state.deleteEndpointSlice({ namespace: 'default', name: 'unknown' })),
    0,
  )
  t.equal(
    calls(() => state.setEndpointSlice(endpointSlice({}, { labels: {} }))),
    1,
    'it had a label before',
  )
  t.equal(
    calls(() => state.setNode(nodeInfo())),
    0,
  )
  t.equal(
    calls(() => state.setNode(nodeInfo({ zone: 'a' }))),
    1,
  )
})

void test('a Service that becomes one that nobody serves is taken out', async t => {
  const { state, sync, replica } = createSyncedState()
  state.setService(service())
  sync()
  t.equal(replica.size, 1)
  state.setService(service({ type: 'ExternalName' }))
  t.match(sync(), { removed: [web] })
  t.equal(replica.size, 0)
})

void test('a slice that moves to another Service', async t => {
  const { state, sync, port } = createSyncedState()
  state.setService(service())
  state.setService(
    service({ clusterIP: '10.96.0.11', clusterIPs: [] }, { name: 'api', labels: { app: 'api' } }),
  )
  state.setEndpointSlice(endpointSlice())
  sync()
  state.setEndpointSlice(endpointSlice({}, { labels: { 'kubernetes.io/service-name': 'api' } }))
  sync()
  t.strictSame(port('default/web').cluster, [])
  t.strictSame(port('default/api').cluster, ['10.1.0.1:8080'])
})

void test('Services of the same name in two namespaces have their own endpoints', async t => {
  const { state, sync, port } = createSyncedState()
  state.setService(service())
  state.setService(service({ clusterIP: '10.96.0.11', clusterIPs: [] }, { namespace: 'other' }))
  state.setEndpointSlice(endpointSlice())
  state.setEndpointSlice(
    endpointSlice({ endpoints: [endpoint({ addresses: ['10.1.0.2'] })] }, { namespace: 'other' }),
  )
  sync()
  t.strictSame(port('default/web').cluster, ['10.1.0.1:8080'])
  t.strictSame(port('other/web').cluster, ['10.1.0.2:8080'])
})

void test('a zone that becomes known, changes or goes is a rebuild', async t => {
  const { state, sync, port } = createSyncedState()
  const hinted = (ip: string, zone: string) =>
    endpoint({ addresses: [ip], hints: { forZones: [{ name: zone }] } })
  state.setService(service())
  state.setEndpointSlice(
    endpointSlice({ endpoints: [hinted('10.1.0.1', 'zone-a'), hinted('10.1.0.2', 'zone-b')] }),
  )
  const inZone = (zone: string | null): readonly string[] | null => {
    state.setNode(zone === null ? null : nodeInfo({ zone }))
    sync()
    return port(web).cluster
  }
  sync()
  t.strictSame(port(web).cluster, ['10.1.0.1:8080', '10.1.0.2:8080'], 'no node yet')
  t.strictSame(inZone('zone-a'), ['10.1.0.1:8080'])
  t.strictSame(inZone('zone-b'), ['10.1.0.2:8080'])
  t.strictSame(inZone(null), ['10.1.0.1:8080', '10.1.0.2:8080'], 'the node is gone')
})

void test('local addresses that change: UDP NodePorts follow, TCP ones are on the wildcard', async t => {
  const { state, sync, replica } = createSyncedState({ localIps: ['192.168.0.1'] })
  const ports = [
    { name: 'a', port: 80, nodePort: 30_080 },
    { name: 'b', port: 53, nodePort: 30_053, protocol: 'UDP' },
  ]
  state.setService(service({ type: 'NodePort', ports }))
  const nodePorts = (): readonly string[] => {
    sync()
    const frontends = [...replica.values()].flatMap(port => port.frontends)
    return frontends.filter(({ kind }) => kind === 'NodePort').map(({ ip, port }) => `${ip}:${port}`)
  }
  t.strictSame(nodePorts(), ['0.0.0.0:30080', '192.168.0.1:30053'])
  state.setLocalIps(['192.168.0.9', '192.168.0.2'])
  t.strictSame(nodePorts(), ['0.0.0.0:30080', '192.168.0.2:30053', '192.168.0.9:30053'])
  state.setLocalIps(['192.168.0.2', '192.168.0.9'])
  t.equal(sync(), null, 'the order does not matter')
})

void test('a malformed object leaves the others served, and is logged once', async t => {
  const { state, sync, log, replica } = createSyncedState()
  state.setService(service({ ports: [{ port: 'http' }] }, { name: 'broken' }))
  state.setService(service({}, { name: 'a/b' }))
  state.setService(service({}, { namespace: null }))
  state.setService(service())
  state.setEndpointSlice(endpointSlice({ endpoints: [null, endpoint()] }))
  state.setEndpointSlice(endpointSlice({}, { name: 'orphan', labels: null }))
  sync()
  t.strictSame(
    [...replica.values()].map(({ key, cluster }) => [key, cluster]),
    [[web, ['10.1.0.1:8080']]],
  )
  t.strictSame(log.take().toSorted(), [
    'warn EndpointSlice default/orphan: no label kubernetes.io/service-name: ignored',
    'warn EndpointSlice default/web-1: endpoint address undefined is not an IPv4 address',
    'warn Service "default/a/b": metadata.namespace or metadata.name is missing or malformed: ignored',
    'warn Service "web": metadata.namespace or metadata.name is missing or malformed: ignored',
    'warn Service default/broken: spec.ports[0].port "http" is not a port (1 to 65535)',
  ])
  state.setService(service({ ports: [{ port: 'http' }] }, { name: 'broken' }))
  state.setService(service({}, { name: 'a/b' }))
  state.setEndpointSlice(endpointSlice({ endpoints: [null, endpoint()] }))
  state.setNode(nodeInfo({ zone: 'a' }))
  sync()
  t.strictSame(log.take(), [], 'the same again')
  state.deleteService({ namespace: 'default', name: 'broken' })
  sync()
  state.setService(service({ ports: [{ port: 'http' }] }, { name: 'broken' }))
  sync()
  t.equal(log.take().length, 1, 'deleted and made again')
})

void test('SCTP is reported and the other ports are served', async t => {
  const { state, sync, log, replica } = createSyncedState()
  const ports = [
    { name: 'a', port: 80 },
    { name: 'b', port: 81, protocol: 'SCTP' },
  ]
  state.setService(service({ ports }))
  sync()
  t.strictSame([...replica.keys()], ['default/web:a/TCP/IPv4'])
  t.strictSame(log.take(), ["warn Service default/web: port 81 is SCTP, which kube-relay can't proxy"])
})
