// What this node is: its zone, its addresses and its pods, and which changes of that are changes of the table.

import { test } from 'tap'
import { NodePortAddresses } from '../../lib/control/node-port-addresses.ts'
import { readNodePortRanges } from '../../lib/model/node-port-ranges.ts'
import { readNode } from '../../lib/model/node.ts'
import { endpoint, endpointSlice, node, service } from '../model/objects.ts'
import { createState, createSyncedState, nodeInfo } from './desired-state-harness.ts'

const loopback = ['127.0.0.0/8', '::1/128']
const localIps = ['192.168.0.1', 'fd00:1::1']
const own = ['192.168.0.1/32', 'fd00:1::1/128']

void test('the first snapshot has the local sources', async t => {
  const { state, sync } = createState({ localIps })
  state.setNode(nodeInfo({ podCidrs: ['10.244.1.0/24', 'fd00:244:1::/64'] }))
  state.markListed('services')
  state.markListed('endpointSlices')
  const localSources = [...loopback, ...own, '10.244.1.0/24', 'fd00:244:1::/64']
  const expected = { type: 'snapshot', generation: 1, localSources, servicePorts: [], healthChecked: [] }
  t.match(sync(), expected)
  t.match(state.snapshot(), expected)
})

void test('local sources that change alone are a delta with nothing else', async t => {
  const { state, sync } = createSyncedState({ localIps })
  state.setService(service())
  t.match(sync(), { generation: 2, localSources: [...loopback, ...own] })
  const expected = (generation: number, localSources: readonly string[]) => ({
    type: 'delta',
    generation,
    localSources: [...loopback, ...localSources],
    changed: [],
    removed: [],
  })
  state.setNode(nodeInfo({ podCidrs: ['10.244.1.0/24'] }))
  t.strictSame(sync(), expected(3, [...own, '10.244.1.0/24']), 'pods')
  t.equal(sync(), null)
  state.setLocalIps(['192.168.0.2'])
  t.strictSame(sync(), expected(4, ['192.168.0.2/32', '10.244.1.0/24']), 'addresses')
  state.setNode(null)
  t.strictSame(sync(), expected(5, ['192.168.0.2/32']), 'the node is gone')
  t.match(state.snapshot(), { generation: 5, localSources: [...loopback, '192.168.0.2/32'] })
})

void test('a delta of the table has them too, as they are', async t => {
  const { state, sync } = createSyncedState({ localIps })
  state.setNode(nodeInfo({ podCidrs: ['10.244.1.0/24'] }))
  state.setService(service())
  t.match(sync(), {
    type: 'delta',
    localSources: [...loopback, ...own, '10.244.1.0/24'],
    changed: [{ name: 'web' }],
  })
})

void test('they change, and are told, without any Service', async t => {
  const { state, sync, changes } = createSyncedState({ localIps })
  const before = changes()
  state.setNode(nodeInfo({ podCidrs: ['10.244.1.0/24'] }))
  t.equal(changes(), before + 1)
  t.match(sync(), { type: 'delta', generation: 2, changed: [], removed: [] })
  state.setLocalIps(['192.168.0.2'])
  t.equal(changes(), before + 2)
  t.match(sync(), {
    type: 'delta',
    generation: 3,
    localSources: [...loopback, '192.168.0.2/32', '10.244.1.0/24'],
  })
})

void test('creating one calls nobody: whoever is called may not be there yet', async t => {
  t.equal(createState({ localIps }).changes(), 0)
})

void test("a configured cluster CIDR counts instead of the node's pod CIDRs", async t => {
  const { state, sync } = createSyncedState({ localIps, clusterCidrs: ['10.244.0.0/16', 'fd00:244::/48'] })
  const localSources = [...loopback, ...own, '10.244.0.0/16', 'fd00:244::/48']
  t.strictSame(state.snapshot().localSources, localSources)
  state.setNode(nodeInfo({ podCidrs: ['10.9.1.0/24'] }))
  t.equal(sync(), null, 'the node says something else')
  t.strictSame(state.snapshot().localSources, localSources)
})

void test('of a Node only what matters here is a change', async t => {
  const { state, sync, changes } = createSyncedState({ localIps })
  state.setService(service())
  sync()
  const zone = (name: string) => ({ labels: { 'topology.kubernetes.io/zone': name } })
  const address = (ip: string) => ({ addresses: [{ type: 'InternalIP', address: ip }] })
  const pods = (podCIDR: string) => ({ podCIDR, podCIDRs: [podCIDR] })
  state.setNode(readNode(node(zone('zone-a'), address('192.168.0.1'), pods('10.244.1.0/24'))))
  sync()
  const before = changes()
  const other = node(
    {
      resourceVersion: '7',
      annotations: { a: 'b' },
      labels: { ...zone('zone-a').labels, 'kubernetes.io/os': 'linux' },
    },
    {
      addresses: [{ type: 'Hostname', address: 'node-1' }, ...address('192.168.0.1').addresses],
      conditions: [{ type: 'Ready', status: 'True', lastHeartbeatTime: '2026-01-01T00:00:01Z' }],
      images: [{ names: ['a'] }],
    },
    { ...pods('10.244.1.0/24'), unschedulable: true },
  )
  state.setNode(readNode(other))
  t.equal(changes(), before, 'a heartbeat, labels, annotations, images, a cordon')
  t.equal(sync(), null)
  const changed: readonly [string, ReturnType<typeof node>][] = [
    ['zone', node(zone('zone-b'), address('192.168.0.1'), pods('10.244.1.0/24'))],
    ['address', node(zone('zone-b'), address('192.168.0.2'), pods('10.244.1.0/24'))],
    ['pod CIDRs', node(zone('zone-b'), address('192.168.0.2'), pods('10.244.2.0/24'))],
  ]
  for (const [index, [name, object]] of changed.entries()) {
    state.setNode(readNode(object))
    t.equal(changes(), before + index + 1, name)
  }
})

void test('--nodeport-addresses primary: as soon as the Node says which, and as that changes', async t => {
  const { state, sync, port } = createSyncedState({
    localIps: ['192.168.0.1', '192.168.0.2', 'fd00:1::1'],
    nodePortAddresses: new NodePortAddresses(readNodePortRanges('primary') ?? []),
  })
  const ports = [{ port: 80, nodePort: 30_080 }]
  state.setService(service({ type: 'NodePort', ports, clusterIPs: ['10.96.0.10', 'fd00:96::a'] }))
  const nodePorts = (): readonly string[] => {
    sync()
    const frontends = ['IPv4', 'IPv6'].flatMap(family => port(`default/web:/TCP/${family}`).frontends)
    return frontends.filter(({ kind }) => kind === 'NodePort').map(({ ip }) => ip)
  }
  t.strictSame(nodePorts(), [], 'the Node is not known yet')
  state.setNode(nodeInfo({ ips: ['192.168.0.1', 'fd00:1::1', '192.168.0.2'] }))
  t.strictSame(nodePorts(), ['192.168.0.1', 'fd00:1::1'])
  state.setNode(nodeInfo({ ips: ['192.168.0.2'] }))
  t.strictSame(nodePorts(), ['192.168.0.2'])
  state.setLocalIps(['192.168.0.1'])
  t.strictSame(nodePorts(), [], 'an address that the machine has not')
  state.setNode(null)
  t.strictSame(nodePorts(), [])
})

void test('who is asked for health, and the local endpoints that are counted', async t => {
  const { state } = createSyncedState()
  const asked = { type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: 32_000 }
  const at = (ip: string, nodeName: string | null, fields: Readonly<Record<string, unknown>> = {}) =>
    endpoint({ addresses: [ip], nodeName, ...fields })
  const draining = { conditions: { ready: false, serving: true, terminating: true } }
  state.setService(service(asked, { uid: 'c0ffee' }))
  state.setService(service({ clusterIP: '10.96.0.11', clusterIPs: [] }, { name: 'other' }))
  const healthChecked = (localEndpoints: number) => [
    { namespace: 'default', name: 'web', uid: 'c0ffee', port: 32_000, localEndpoints },
  ]
  t.strictSame(state.healthChecked(), healthChecked(0))
  state.setEndpointSlice(
    endpointSlice({
      endpoints: [
        at('10.1.0.1', 'node-1'),
        at('10.1.0.2', 'node-2'),
        at('10.1.0.3', null),
        at('10.1.0.4', 'node-1', draining),
        at('10.1.0.5', 'node-1'),
      ],
    }),
  )
  state.setEndpointSlice(endpointSlice({ endpoints: [at('10.1.0.1', 'node-1')] }, { name: 'web-2' }))
  t.strictSame(state.healthChecked(), healthChecked(2), 'each IP once, terminating ones not at all')
  state.setService(service({ ...asked, externalTrafficPolicy: 'Cluster' }))
  t.strictSame(state.healthChecked(), [], 'no longer asked')
})
