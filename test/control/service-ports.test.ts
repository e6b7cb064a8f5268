// Which frontends a Service has, which endpoint list each takes, and which lists are in use.

import { test } from 'tap'
import type { ServicePort } from '../../lib/model/proxy-table.ts'
import { endpoint, endpointSlice, service } from '../model/objects.ts'
import { createSyncedState } from './desired-state-harness.ts'

const local = endpoint({ addresses: ['10.1.0.1'], nodeName: 'node-1' })
const remote = endpoint({ addresses: ['10.1.0.2'], nodeName: 'node-2' })
const nodePort = [{ port: 80, nodePort: 30_080 }]
const balancer = { loadBalancer: { ingress: [{ ip: '203.0.113.2' }] } }

const L = ['10.1.0.1:8080']
const LR = ['10.1.0.1:8080', '10.1.0.2:8080']

interface Case {
  readonly name: string
  readonly object: Parameters<typeof service>
  readonly cluster: readonly string[] | null
  readonly local: readonly string[] | null
  /** "kind ip:port list" */
  readonly frontends: readonly string[]
}

const clusterIpCluster = 'ClusterIP 10.96.0.10:80 cluster'
const clusterIpLocal = 'ClusterIP 10.96.0.10:80 local'

const cases: readonly Case[] = [
  {
    name: 'ClusterIP',
    object: [],
    cluster: LR,
    local: null,
    frontends: [clusterIpCluster],
  },
  {
    name: 'ClusterIP, internal policy Local: the cluster list is not used',
    object: [{ internalTrafficPolicy: 'Local' }],
    cluster: null,
    local: L,
    frontends: [clusterIpLocal],
  },
  {
    name: 'ClusterIP, external policy Local: means nothing without external addresses',
    object: [{ externalTrafficPolicy: 'Local' }],
    cluster: LR,
    local: null,
    frontends: [clusterIpCluster],
  },
  {
    name: 'NodePort',
    object: [{ type: 'NodePort', ports: nodePort }],
    cluster: LR,
    local: null,
    frontends: [clusterIpCluster, 'NodePort 0.0.0.0:30080 cluster'],
  },
  {
    name: 'NodePort, external policy Local',
    object: [{ type: 'NodePort', ports: nodePort, externalTrafficPolicy: 'Local' }],
    cluster: LR,
    local: L,
    frontends: [clusterIpCluster, 'NodePort 0.0.0.0:30080 local'],
  },
  {
    name: 'NodePort, internal policy Local: the cluster list is used from outside',
    object: [{ type: 'NodePort', ports: nodePort, internalTrafficPolicy: 'Local' }],
    cluster: LR,
    local: L,
    frontends: [clusterIpLocal, 'NodePort 0.0.0.0:30080 cluster'],
  },
  {
    name: 'NodePort, both Local: the cluster list is for sources on this node',
    object: [
      { type: 'NodePort', ports: nodePort, internalTrafficPolicy: 'Local', externalTrafficPolicy: 'Local' },
    ],
    cluster: LR,
    local: L,
    frontends: [clusterIpLocal, 'NodePort 0.0.0.0:30080 local'],
  },
  {
    name: 'external IPs',
    object: [{ externalIPs: ['198.51.100.7'] }],
    cluster: LR,
    local: null,
    frontends: [clusterIpCluster, 'ExternalIP 198.51.100.7:80 cluster'],
  },
  {
    name: 'external IPs, external policy Local',
    object: [{ externalIPs: ['198.51.100.7'], externalTrafficPolicy: 'Local' }],
    cluster: LR,
    local: L,
    frontends: [clusterIpCluster, 'ExternalIP 198.51.100.7:80 local'],
  },
  {
    name: 'external IPs of the other family only: not externally accessible in this one',
    object: [{ externalIPs: ['fd00::7'], externalTrafficPolicy: 'Local' }],
    cluster: LR,
    local: null,
    frontends: [clusterIpCluster],
  },
  {
    name: 'LoadBalancer',
    object: [{ type: 'LoadBalancer', ports: nodePort }, {}, balancer],
    cluster: LR,
    local: null,
    frontends: [clusterIpCluster, 'NodePort 0.0.0.0:30080 cluster', 'LoadBalancerIP 203.0.113.2:80 cluster'],
  },
  {
    name: 'LoadBalancer without node ports, external policy Local',
    object: [{ type: 'LoadBalancer', externalTrafficPolicy: 'Local' }, {}, balancer],
    cluster: LR,
    local: L,
    frontends: [clusterIpCluster, 'LoadBalancerIP 203.0.113.2:80 local'],
  },
  {
    name: 'LoadBalancer without an address or node port yet, external policy Local',
    object: [{ type: 'LoadBalancer', externalTrafficPolicy: 'Local' }],
    cluster: LR,
    local: null,
    frontends: [clusterIpCluster],
  },
  {
    name: 'an address that is external IP and load balancer IP is opened once',
    object: [{ type: 'LoadBalancer', externalIPs: ['203.0.113.2'] }, {}, balancer],
    cluster: LR,
    local: null,
    frontends: [clusterIpCluster, 'ExternalIP 203.0.113.2:80 cluster'],
  },
  {
    name: 'a UDP NodePort has a socket on each local address',
    object: [{ type: 'NodePort', ports: [{ port: 80, nodePort: 30_080, protocol: 'UDP' }] }],
    cluster: LR,
    local: null,
    frontends: [clusterIpCluster, 'NodePort 127.0.0.1:30080 cluster', 'NodePort 192.168.0.1:30080 cluster'],
  },
  {
    name: 'affinity and policies absent',
    object: [{ internalTrafficPolicy: null, sessionAffinity: null }],
    cluster: LR,
    local: null,
    frontends: [clusterIpCluster],
  },
]

function frontendsOf(port: ServicePort): readonly string[] {
  return port.frontends.map(({ kind, ip, port: number, list }) => `${kind} ${ip}:${number} ${list}`)
}

void test('frontends and endpoint lists', async t => {
  const ports = ['TCP', 'UDP'].map(protocol => ({ name: '', port: 8080, protocol }))
  for (const { name, object, cluster, local: localList, frontends } of cases) {
    const { state, sync, port } = createSyncedState()
    state.setService(service(...object))
    state.setEndpointSlice(endpointSlice({ ports, endpoints: [local, remote] }))
    sync()
    const built = port('default/web:')
    t.strictSame(
      { cluster: built.cluster, local: built.local, frontends: frontendsOf(built) },
      { cluster, local: localList, frontends },
      name,
    )
  }
})

void test('dual stack: each family has its own endpoints and frontends', async t => {
  const { state, sync, port, replica } = createSyncedState()
  state.setService(
    service({
      type: 'NodePort',
      clusterIPs: ['10.96.0.10', 'fd00::a'],
      externalIPs: ['fd00::7'],
      ports: nodePort,
    }),
  )
  state.setEndpointSlice(endpointSlice())
  state.setEndpointSlice(
    endpointSlice(
      { addressType: 'IPv6', endpoints: [endpoint({ addresses: ['fd00:2::1'] })] },
      { name: 'web-6' },
    ),
  )
  sync()
  t.equal(replica.size, 2)
  const v4 = port('default/web:/TCP/IPv4')
  const v6 = port('default/web:/TCP/IPv6')
  t.strictSame(v4.cluster, ['10.1.0.1:8080'])
  t.strictSame(v6.cluster, ['[fd00:2::1]:8080'])
  t.strictSame(frontendsOf(v4), [clusterIpCluster, 'NodePort 0.0.0.0:30080 cluster'])
  t.strictSame(frontendsOf(v6), [
    'ClusterIP fd00::a:80 cluster',
    'NodePort :::30080 cluster',
    'ExternalIP fd00::7:80 cluster',
  ])
})

void test('serving has every endpoint that serves, whatever policy and topology say', async t => {
  const { state, sync, port } = createSyncedState()
  const at = (ip: string, conditions: Readonly<Record<string, boolean>>) =>
    endpoint({ addresses: [ip], conditions, nodeName: 'node-2' })
  state.setService(service({ internalTrafficPolicy: 'Local' }))
  state.setEndpointSlice(
    endpointSlice({
      endpoints: [
        at('10.1.0.1', { ready: true }),
        at('10.1.0.2', { ready: false, serving: true, terminating: true }),
        at('10.1.0.3', { ready: false, serving: false, terminating: true }),
      ],
    }),
  )
  sync()
  t.strictSame(port('default/web').local, [])
  t.strictSame(port('default/web').serving, ['10.1.0.1:8080', '10.1.0.2:8080'])
})
