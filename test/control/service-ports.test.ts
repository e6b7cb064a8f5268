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
  /** "kind ip:port list", and the list that sources on this node take, where that is another. */
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
    frontends: [clusterIpCluster, 'NodePort 0.0.0.0:30080 local from-here:cluster'],
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
    frontends: [clusterIpLocal, 'NodePort 0.0.0.0:30080 local from-here:cluster'],
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
    frontends: [clusterIpCluster, 'ExternalIP 198.51.100.7:80 local from-here:cluster'],
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
    frontends: [clusterIpCluster, 'LoadBalancerIP 203.0.113.2:80 local from-here:cluster'],
  },
  {
    name: 'LoadBalancer without an address or node port yet, external policy Local',
    object: [{ type: 'LoadBalancer', externalTrafficPolicy: 'Local' }],
    cluster: LR,
    local: null,
    frontends: [clusterIpCluster],
  },
  {
    name: 'an address that is external IP and load balancer IP is opened once, as the latter',
    object: [{ type: 'LoadBalancer', externalIPs: ['203.0.113.2'] }, {}, balancer],
    cluster: LR,
    local: null,
    frontends: [clusterIpCluster, 'LoadBalancerIP 203.0.113.2:80 cluster'],
  },
  {
    name: 'a load balancer in front (ipMode Proxy) is no address of ours, nor is a host name',
    object: [
      { type: 'LoadBalancer', ports: nodePort, externalTrafficPolicy: 'Local' },
      {},
      { loadBalancer: { ingress: [{ ip: '203.0.113.2', ipMode: 'Proxy' }, { hostname: 'lb.example.org' }] } },
    ],
    cluster: LR,
    local: L,
    frontends: [clusterIpCluster, 'NodePort 0.0.0.0:30080 local from-here:cluster'],
  },
  {
    name: 'spec.trafficDistribution is not read: it arrives as hints',
    object: [{ trafficDistribution: 'PreferSameNode' }],
    cluster: LR,
    local: null,
    frontends: [clusterIpCluster],
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
  return port.frontends.map(({ kind, ip, port: number, list, shortCircuit }) => {
    const fromHere = shortCircuit === true ? ' from-here:cluster' : ''
    return `${kind} ${ip}:${number} ${list}${fromHere}`
  })
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

type Fields = Readonly<Record<string, unknown>>

/** Ways to be reached, or not, from outside the cluster. */
const access: readonly [name: string, reachable: boolean, spec: Fields, status?: Fields][] = [
  ['ClusterIP', false, { type: 'ClusterIP' }],
  ['ClusterIP with a stale nodePort', false, { type: 'ClusterIP', ports: nodePort }],
  ['ClusterIP with an external IP', true, { type: 'ClusterIP', externalIPs: ['198.51.100.7'] }],
  ['ClusterIP with a bad external IP', false, { type: 'ClusterIP', externalIPs: ['nope'] }],
  ['NodePort', true, { type: 'NodePort', ports: nodePort }],
  ['NodePort without a port', false, { type: 'NodePort' }],
  ['NodePort with an external IP', true, { type: 'NodePort', externalIPs: ['198.51.100.7'] }],
  ['LoadBalancer with nothing yet', false, { type: 'LoadBalancer' }],
  ['LoadBalancer with a nodePort', true, { type: 'LoadBalancer', ports: nodePort }],
  ['LoadBalancer with an IP', true, { type: 'LoadBalancer' }, balancer],
  [
    'LoadBalancer with all',
    true,
    { type: 'LoadBalancer', ports: nodePort, externalIPs: ['198.51.100.7'] },
    balancer,
  ],
]

interface Expected {
  readonly cluster: readonly string[] | null
  readonly local: readonly string[] | null
  readonly inside: string
  readonly outside: string
}

const policies: readonly [internal: string, external: string, unreachable: Expected, reachable: Expected][] =
  [
    [
      'Cluster',
      'Cluster',
      { cluster: LR, local: null, inside: 'cluster', outside: '' },
      { cluster: LR, local: null, inside: 'cluster', outside: 'cluster' },
    ],
    [
      'Local',
      'Cluster',
      { cluster: null, local: L, inside: 'local', outside: '' },
      { cluster: LR, local: L, inside: 'local', outside: 'cluster' },
    ],
    [
      'Cluster',
      'Local',
      { cluster: LR, local: null, inside: 'cluster', outside: '' },
      { cluster: LR, local: L, inside: 'cluster', outside: 'local from-here:cluster' },
    ],
    [
      'Local',
      'Local',
      { cluster: null, local: L, inside: 'local', outside: '' },
      { cluster: LR, local: L, inside: 'local', outside: 'local from-here:cluster' },
    ],
  ]

void test('every combination of policies, type and reachability', async t => {
  for (const [internal, external, unreachable, reachable] of policies) {
    for (const [name, isReachable, spec, status] of access) {
      const { state, sync, port } = createSyncedState()
      const policy = { internalTrafficPolicy: internal, externalTrafficPolicy: external }
      state.setService(service({ ...spec, ...policy }, {}, status))
      state.setEndpointSlice(endpointSlice({ endpoints: [local, remote] }))
      sync()
      const built = port('default/web:')
      const listsOf = (isInside: boolean): string => {
        const texts = frontendsOf(built)
          .filter(text => text.startsWith('ClusterIP ') === isInside)
          .map(text => text.split(' ').slice(2).join(' '))
        return [...new Set(texts)].join('; ')
      }
      t.strictSame(
        { cluster: built.cluster, local: built.local, inside: listsOf(true), outside: listsOf(false) },
        isReachable ? reachable : unreachable,
        `${name}, internal ${internal}, external ${external}`,
      )
      t.notOk(JSON.stringify(built.frontends).includes('sourceRanges'), 'everyone may')
    }
  }
})

void test('nothing local is an empty list, however many there are elsewhere', async t => {
  const { state, sync, port } = createSyncedState()
  state.setService(service({ type: 'NodePort', ports: nodePort, externalTrafficPolicy: 'Local' }))
  state.setEndpointSlice(endpointSlice({ endpoints: [remote] }))
  sync()
  t.match(port('default/web:'), { cluster: ['10.1.0.2:8080'], local: [] })
})

const vip = '203.0.113.2'
const vip6 = '2001:db8::2'

const ranges: readonly [
  name: string,
  spec: Fields,
  localIps: readonly string[],
  v4: readonly string[] | undefined,
  v6: readonly string[] | undefined,
][] = [
  ['no ranges: everyone', {}, ['192.168.0.1'], undefined, undefined],
  ['an empty list: everyone', { loadBalancerSourceRanges: [] }, ['192.168.0.1'], undefined, undefined],
  [
    'ranges of one family: everyone of the other',
    { loadBalancerSourceRanges: ['10.0.0.0/8', ' 172.16.0.0/12 '] },
    ['192.168.0.1'],
    ['10.0.0.0/8', '172.16.0.0/12'],
    undefined,
  ],
  [
    'ranges of both families, each to its own',
    { loadBalancerSourceRanges: ['10.0.0.0/8', 'fd00::/8'] },
    ['192.168.0.1'],
    ['10.0.0.0/8'],
    ['fd00::/8'],
  ],
  [
    'a range with an address of this node: the IP itself too',
    { loadBalancerSourceRanges: ['10.0.0.0/8', '192.168.0.0/24', 'fd00::/8'] },
    ['192.168.0.1'],
    ['10.0.0.0/8', '192.168.0.0/24', `${vip}/32`],
    ['fd00::/8'],
  ],
  [
    'the same for IPv6',
    { loadBalancerSourceRanges: ['10.0.0.0/8', 'fd00::/8'] },
    ['192.168.0.1', 'fd00:1::1'],
    ['10.0.0.0/8'],
    ['fd00::/8', `${vip6}/128`],
  ],
  [
    'all malformed: nobody, in either family',
    { loadBalancerSourceRanges: ['10.0.0.0'] },
    ['192.168.0.1'],
    [],
    [],
  ],
]

void test('source ranges: on load balancer IPs only, by family', async t => {
  const both = { loadBalancer: { ingress: [{ ip: vip }, { ip: vip6 }] } }
  const dual = { type: 'LoadBalancer', ports: nodePort, clusterIPs: ['10.96.0.10', 'fd00:96::a'] }
  for (const [name, spec, localIps, v4, v6] of ranges) {
    const { state, sync, replica } = createSyncedState({ localIps })
    state.setService(service({ ...dual, externalIPs: ['198.51.100.7', 'fd00::7'], ...spec }, {}, both))
    sync()
    const frontends = [...replica.values()].flatMap(port => port.frontends)
    const rangesOf = (address: string): readonly string[] | undefined =>
      frontends.find(({ ip }) => ip === address)?.sourceRanges
    t.strictSame([rangesOf(vip), rangesOf(vip6)], [v4, v6], name)
    t.equal(frontends.length, 8)
    t.ok(
      frontends.every(({ kind, sourceRanges }) => kind === 'LoadBalancerIP' || sourceRanges === undefined),
      `${name}: no other frontend has any`,
    )
  }
})

void test('source ranges hold where the load balancer IP is an external IP as well', async t => {
  const { state, sync, port } = createSyncedState()
  state.setService(
    service(
      { type: 'LoadBalancer', externalIPs: [vip, '198.51.100.7'], loadBalancerSourceRanges: ['10.0.0.0/8'] },
      {},
      balancer,
    ),
  )
  sync()
  t.strictSame(
    port('default/web:').frontends.map(({ ip, sourceRanges }) => [ip, sourceRanges]),
    [
      ['10.96.0.10', undefined],
      ['198.51.100.7', undefined],
      [vip, ['10.0.0.0/8']],
    ],
  )
})

void test('an address that this node gets within a range is a change of the frontend', async t => {
  const { state, sync, port } = createSyncedState({ localIps: ['172.16.0.1'] })
  state.setService(service({ type: 'LoadBalancer', loadBalancerSourceRanges: ['10.0.0.0/8'] }, {}, balancer))
  sync()
  const sources = (): unknown => port('default/web:').frontends.find(({ ip }) => ip === vip)?.sourceRanges
  t.strictSame(sources(), ['10.0.0.0/8'])
  state.setLocalIps(['10.0.0.9', '172.16.0.1'])
  sync()
  t.strictSame(sources(), ['10.0.0.0/8', `${vip}/32`])
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

const conditions: readonly [name: string, conditions: Fields, serving: boolean, eligible: boolean][] = [
  ['ready', { ready: true, serving: true, terminating: false }, true, true],
  ['no conditions at all', {}, true, true],
  ['null conditions', { ready: null, serving: null, terminating: null }, true, true],
  ['neither ready nor serving', { ready: false, serving: false, terminating: false }, false, false],
  ['not ready, serving (contradictory)', { ready: false, serving: true, terminating: false }, true, false],
  ['terminating, serving', { ready: false, serving: true, terminating: true }, true, false],
  ['terminating, stopped', { ready: false, serving: false, terminating: true }, false, false],
  ['published though not serving', { ready: true, serving: false, terminating: false }, true, true],
  ['published though terminating', { ready: true, serving: false, terminating: true }, true, true],
]

void test('serving and unserving: every endpoint is one of them, whatever policy and topology say', async t => {
  const other = endpoint({ addresses: ['10.1.0.9'], nodeName: 'node-2' })
  for (const [name, of, serving, eligible] of conditions) {
    const { state, sync, port } = createSyncedState()
    state.setService(service())
    state.setEndpointSlice(endpointSlice({ endpoints: [other, endpoint({ conditions: of })] }))
    sync()
    t.strictSame(
      {
        cluster: port('default/web').cluster?.includes('10.1.0.1:8080'),
        serving: port('default/web').serving.includes('10.1.0.1:8080'),
        unserving: port('default/web').unserving,
      },
      { cluster: eligible, serving, unserving: serving ? [] : ['10.1.0.1:8080'] },
      name,
    )
  }
})

void test('serving has those of other nodes and zones too', async t => {
  const { state, sync, port } = createSyncedState()
  const at = (ip: string, fields: Fields) =>
    endpoint({ addresses: [ip], nodeName: 'node-2', hints: { forZones: [{ name: 'zone-b' }] }, ...fields })
  state.setService(service({ internalTrafficPolicy: 'Local' }))
  state.setEndpointSlice(
    endpointSlice({
      endpoints: [
        at('10.1.0.1', {}),
        at('10.1.0.2', { conditions: { ready: false, serving: true, terminating: true } }),
        at('10.1.0.3', { conditions: { ready: false, serving: false, terminating: true } }),
        at('127.0.0.1', {}),
      ],
    }),
  )
  sync()
  t.match(port('default/web'), { cluster: null, local: [] })
  t.strictSame(port('default/web').serving, ['10.1.0.1:8080', '10.1.0.2:8080'])
  t.strictSame(port('default/web').unserving, ['10.1.0.3:8080'], 'a refused one is none')
})
