import { test } from 'tap'
import type { SliceEndpoint } from '../../lib/model/endpoint-slice.ts'
import { eligibleEndpoints, type EligibilityRules } from '../../lib/policy/eligible-endpoints.ts'

/** An endpoint by a short name; ready, serving and on no node unless it says otherwise. */
function endpoint(ip: string, fields: Partial<SliceEndpoint> = {}): SliceEndpoint {
  return {
    ip,
    nodeName: '',
    ready: true,
    serving: true,
    terminating: false,
    zoneHints: [],
    nodeHints: [],
    ...fields,
  }
}

const here = { nodeName: 'node-1' }
const away = { nodeName: 'node-2' }
const notReady = { ready: false, serving: false }
const draining = { ready: false, serving: true, terminating: true }
const stopped = { ready: false, serving: false, terminating: true }
const inZone = (...zoneHints: string[]) => ({ zoneHints })
const onNode = (...nodeHints: string[]) => ({ nodeHints })

const both = { usesCluster: true, usesLocal: true }
const clusterOnly = { usesCluster: true, usesLocal: false }
const localOnly = { usesCluster: false, usesLocal: true }

interface Case {
  readonly name: string
  readonly rules?: Partial<EligibilityRules>
  readonly endpoints: readonly SliceEndpoint[]
  readonly cluster: readonly string[] | null
  readonly local: readonly string[] | null
  readonly hasAny: boolean
}

const cases: readonly Case[] = [
  // No endpoints
  { name: 'no endpoints: nothing is eligible', endpoints: [], cluster: [], local: [], hasAny: false },
  {
    name: 'no endpoints, only the cluster list used: the local one is not used, which is not empty',
    rules: clusterOnly,
    endpoints: [],
    cluster: [],
    local: null,
    hasAny: false,
  },
  {
    name: 'no endpoints, only the local list used',
    rules: localOnly,
    endpoints: [],
    cluster: null,
    local: [],
    hasAny: false,
  },
  // Readiness
  {
    name: 'ready ones, on any node and on none',
    endpoints: [endpoint('a'), endpoint('b', here), endpoint('c', away)],
    cluster: ['a', 'b', 'c'],
    local: ['b'],
    hasAny: true,
  },
  {
    name: 'those not ready are left out',
    endpoints: [endpoint('a', notReady), endpoint('b', { ...here, ...notReady }), endpoint('c', away)],
    cluster: ['c'],
    local: [],
    hasAny: true,
  },
  {
    name: 'all not ready: nothing, anywhere',
    endpoints: [endpoint('a', { ...here, ...notReady }), endpoint('b', { ready: false })],
    cluster: [],
    local: [],
    hasAny: false,
  },
  // Terminating
  {
    name: 'terminating ones get nothing while one is ready',
    endpoints: [endpoint('a', draining), endpoint('b')],
    cluster: ['b'],
    local: [],
    hasAny: true,
  },
  {
    name: 'no ready one: all that serve while they terminate',
    endpoints: [endpoint('a', draining), endpoint('b', { ...draining, ...here }), endpoint('c', stopped)],
    cluster: ['a', 'b'],
    local: ['b'],
    hasAny: true,
  },
  {
    name: 'the local list falls back on its own, though others are ready elsewhere',
    endpoints: [endpoint('a', away), endpoint('b', { ...draining, ...here })],
    cluster: ['a'],
    local: ['b'],
    hasAny: true,
  },
  {
    name: 'a ready local one keeps terminating local ones out',
    endpoints: [endpoint('a', here), endpoint('b', { ...draining, ...here })],
    cluster: ['a'],
    local: ['a'],
    hasAny: true,
  },
  {
    name: 'terminating ones that no longer serve are none',
    endpoints: [endpoint('a', { ...stopped, ...here })],
    cluster: [],
    local: [],
    hasAny: false,
  },
  {
    name: 'serving but neither ready nor terminating: not eligible (publishNotReadyAddresses makes it ready)',
    endpoints: [endpoint('a', { ...here, ready: false })],
    cluster: [],
    local: [],
    hasAny: false,
  },
  {
    name: 'the fallback ignores hints',
    endpoints: [
      endpoint('a', { ...draining, ...inZone('zone-a') }),
      endpoint('b', { ...draining, ...inZone('zone-b') }),
    ],
    cluster: ['a', 'b'],
    local: [],
    hasAny: true,
  },
  // Zone hints
  {
    name: 'zone hints: those for this zone',
    endpoints: [
      endpoint('a', inZone('zone-a')),
      endpoint('b', inZone('zone-b')),
      endpoint('c', inZone('zone-b', 'zone-a')),
    ],
    cluster: ['a', 'c'],
    local: [],
    hasAny: true,
  },
  {
    name: 'zone hints, but one ready endpoint has none: ignored',
    endpoints: [endpoint('a', inZone('zone-a')), endpoint('b', inZone('zone-b')), endpoint('c')],
    cluster: ['a', 'b', 'c'],
    local: [],
    hasAny: true,
  },
  {
    name: 'zone hints; an endpoint without one that is not ready does not count',
    endpoints: [
      endpoint('a', inZone('zone-a')),
      endpoint('b', inZone('zone-b')),
      endpoint('c', notReady),
      endpoint('d', draining),
    ],
    cluster: ['a'],
    local: [],
    hasAny: true,
  },
  {
    name: 'zone hints, none for this zone: ignored',
    endpoints: [endpoint('a', inZone('zone-b')), endpoint('b', inZone('zone-c'))],
    cluster: ['a', 'b'],
    local: [],
    hasAny: true,
  },
  {
    name: 'zone hints, this zone named only by one that is not ready: ignored',
    endpoints: [endpoint('a', { ...inZone('zone-a'), ...notReady }), endpoint('b', inZone('zone-b'))],
    cluster: ['b'],
    local: [],
    hasAny: true,
  },
  {
    name: 'zone hints, the node has no zone label: ignored',
    rules: { zone: '' },
    endpoints: [endpoint('a', inZone('zone-a')), endpoint('b', inZone('zone-b'))],
    cluster: ['a', 'b'],
    local: [],
    hasAny: true,
  },
  // Node hints
  {
    name: 'node hints: those for this node',
    endpoints: [endpoint('a', onNode('node-1')), endpoint('b', onNode('node-2'))],
    cluster: ['a'],
    local: [],
    hasAny: true,
  },
  {
    name: 'node hints go before zone hints',
    endpoints: [
      endpoint('a', { ...onNode('node-1'), ...inZone('zone-b') }),
      endpoint('b', { ...onNode('node-2'), ...inZone('zone-a') }),
    ],
    cluster: ['a'],
    local: [],
    hasAny: true,
  },
  {
    name: 'node hints on some only: zone hints, if all have them',
    endpoints: [endpoint('a', { ...onNode('node-1'), ...inZone('zone-b') }), endpoint('b', inZone('zone-a'))],
    cluster: ['b'],
    local: [],
    hasAny: true,
  },
  {
    name: 'node hints, none for this node: zone hints',
    endpoints: [
      endpoint('a', { ...onNode('node-3'), ...inZone('zone-a') }),
      endpoint('b', { ...onNode('node-2'), ...inZone('zone-b') }),
    ],
    cluster: ['a'],
    local: [],
    hasAny: true,
  },
  {
    name: 'node hints, none for this node, no zone hints: ignored',
    endpoints: [endpoint('a', onNode('node-2')), endpoint('b', onNode('node-3'))],
    cluster: ['a', 'b'],
    local: [],
    hasAny: true,
  },
  {
    name: 'node hints work without a zone',
    rules: { zone: '' },
    endpoints: [endpoint('a', onNode('node-1')), endpoint('b', onNode('node-2'))],
    cluster: ['a'],
    local: [],
    hasAny: true,
  },
  // Hints and the local list
  {
    name: 'hints never apply to the local list',
    endpoints: [
      endpoint('a', { ...here, ...inZone('zone-b') }),
      endpoint('b', { ...away, ...inZone('zone-a') }),
    ],
    cluster: ['b'],
    local: ['a'],
    hasAny: true,
  },
  // Which lists are used
  {
    name: 'only the cluster list is used',
    rules: clusterOnly,
    endpoints: [endpoint('a', here)],
    cluster: ['a'],
    local: null,
    hasAny: true,
  },
  {
    name: 'only the local list is used, and others exist elsewhere: empty, but something exists',
    rules: localOnly,
    endpoints: [endpoint('a', away)],
    cluster: null,
    local: [],
    hasAny: true,
  },
  {
    name: 'no list is used: hasAny still tells',
    rules: { usesCluster: false, usesLocal: false },
    endpoints: [endpoint('a', draining)],
    cluster: null,
    local: null,
    hasAny: true,
  },
  {
    name: 'a node without a name has no local endpoints and no hints',
    rules: { nodeName: '', zone: '' },
    endpoints: [endpoint('a', onNode('node-1')), endpoint('b')],
    cluster: ['a', 'b'],
    local: [],
    hasAny: true,
  },
]

void test('eligibleEndpoints', async t => {
  for (const { name, rules, endpoints, cluster, local, hasAny } of cases) {
    const eligible = eligibleEndpoints(endpoints, { nodeName: 'node-1', zone: 'zone-a', ...both, ...rules })
    const ips = (list: readonly SliceEndpoint[] | null) => list?.map(({ ip }) => ip) ?? null
    t.strictSame(
      { cluster: ips(eligible.cluster), local: ips(eligible.local), hasAny: eligible.hasAny },
      { cluster, local, hasAny },
      name,
    )
  }
})
