import * as fc from 'fast-check'
import { test } from 'tap'
import type { SliceEndpoint } from '../../lib/model/endpoint-slice.ts'
import { eligibleEndpoints, type EligibilityRules } from '../../lib/policy/eligible-endpoints.ts'

/** An endpoint by a short name; ready, serving and on no node unless it says otherwise. */
function endpoint(ip: string, fields: Partial<SliceEndpoint> = {}): SliceEndpoint {
  return {
    ip,
    nodeName: '',
    zone: '',
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
  {
    name: 'terminating ones elsewhere only: they are the cluster list, the local one is empty',
    endpoints: [endpoint('a', { ...draining, ...away }), endpoint('b', { ...draining, ...away })],
    cluster: ['a', 'b'],
    local: [],
    hasAny: true,
  },
  {
    name: 'terminating ones elsewhere only, and only the local list is used: empty, but something exists',
    rules: localOnly,
    endpoints: [endpoint('a', { ...draining, ...away })],
    cluster: null,
    local: [],
    hasAny: true,
  },
  {
    name: 'one of each: each list falls back on its own, and on those that still serve',
    endpoints: [
      endpoint('a', away),
      endpoint('b', { ...notReady, ...here }),
      endpoint('c', { ...draining, ...here }),
      endpoint('d', { ...draining, ...away }),
      endpoint('e', { ...stopped, ...here }),
    ],
    cluster: ['a'],
    local: ['c'],
    hasAny: true,
  },
  {
    name: 'the fallback of the local list takes all local ones that serve',
    endpoints: [
      endpoint('a', { ...draining, ...here }),
      endpoint('b', { ...draining, ...here }),
      endpoint('c', { ...draining, ...away }),
    ],
    cluster: ['a', 'b', 'c'],
    local: ['a', 'b'],
    hasAny: true,
  },
  {
    name: 'ready without serving (publishNotReadyAddresses): ready is what counts',
    endpoints: [endpoint('a', { ...here, serving: false })],
    cluster: ['a'],
    local: ['a'],
    hasAny: true,
  },
  {
    name: 'ready and terminating at once (publishNotReadyAddresses): ready is what counts',
    endpoints: [endpoint('a', { ...here, terminating: true }), endpoint('b', { ...here, ...draining })],
    cluster: ['a'],
    local: ['a'],
    hasAny: true,
  },
  {
    name: 'the fallback ignores node hints as well',
    endpoints: [
      endpoint('a', { ...draining, ...onNode('node-1') }),
      endpoint('b', { ...draining, ...onNode('node-2') }),
    ],
    cluster: ['a', 'b'],
    local: [],
    hasAny: true,
  },
  // Zone hints
  {
    name: 'zone hints, each for one zone, two of them this one',
    endpoints: [
      endpoint('a', inZone('zone-a')),
      endpoint('b', inZone('zone-b')),
      endpoint('c', inZone('zone-c')),
      endpoint('d', inZone('zone-a')),
    ],
    cluster: ['a', 'd'],
    local: [],
    hasAny: true,
  },
  {
    name: 'zone hints, several zones each: every endpoint that names this one',
    rules: { zone: 'zone-c' },
    endpoints: [
      endpoint('a', inZone('zone-a', 'zone-b', 'zone-c')),
      endpoint('b', inZone('zone-b', 'zone-c')),
      endpoint('c', inZone('zone-b', 'zone-d')),
      endpoint('d', inZone('zone-c')),
    ],
    cluster: ['a', 'b', 'd'],
    local: [],
    hasAny: true,
  },
  {
    name: 'a single endpoint for another zone',
    endpoints: [endpoint('a', inZone('zone-b'))],
    cluster: ['a'],
    local: [],
    hasAny: true,
  },
  {
    name: 'a single endpoint with a hint, the node has no zone label',
    rules: { zone: '' },
    endpoints: [endpoint('a', inZone('zone-a'))],
    cluster: ['a'],
    local: [],
    hasAny: true,
  },
  {
    name: 'this zone named only by endpoints that are not ready: the ready ones, unfiltered',
    endpoints: [
      endpoint('a', { ...notReady, ...inZone('zone-a') }),
      endpoint('b', inZone('zone-b')),
      endpoint('c', inZone('zone-c')),
      endpoint('d', { ...notReady, ...inZone('zone-a') }),
    ],
    cluster: ['b', 'c'],
    local: [],
    hasAny: true,
  },
  {
    name: 'this zone named only by one that terminates: the ready ones, unfiltered',
    endpoints: [endpoint('a', { ...draining, ...inZone('zone-a') }), endpoint('b', inZone('zone-b'))],
    cluster: ['b'],
    local: [],
    hasAny: true,
  },
  {
    name: 'hints count where the endpoint is does not: one on this node, hinted for another zone',
    endpoints: [
      endpoint('a', { ...here, ...inZone('zone-b') }),
      endpoint('b', { ...away, ...inZone('zone-a') }),
    ],
    rules: clusterOnly,
    cluster: ['b'],
    local: null,
    hasAny: true,
  },
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
  {
    name: 'node hints, one ready endpoint has none, and no zone hints: ignored',
    endpoints: [endpoint('a', onNode('node-1')), endpoint('b', onNode('node-2')), endpoint('c')],
    cluster: ['a', 'b', 'c'],
    local: [],
    hasAny: true,
  },
  {
    name: 'node hints; an endpoint without one that is not ready does not count',
    endpoints: [endpoint('a', onNode('node-1')), endpoint('b', onNode('node-2')), endpoint('c', notReady)],
    cluster: ['a'],
    local: [],
    hasAny: true,
  },
  {
    name: 'node hints, several nodes each: every endpoint that names this one',
    endpoints: [
      endpoint('a', onNode('node-1', 'node-2')),
      endpoint('b', onNode('node-2', 'node-3')),
      endpoint('c', onNode('node-1')),
    ],
    cluster: ['a', 'c'],
    local: [],
    hasAny: true,
  },
  {
    name: 'node hints, this node named only by one that is not ready: zone hints',
    endpoints: [
      endpoint('a', { ...notReady, ...onNode('node-1'), ...inZone('zone-b') }),
      endpoint('b', { ...onNode('node-2'), ...inZone('zone-a') }),
      endpoint('c', { ...onNode('node-3'), ...inZone('zone-b') }),
    ],
    cluster: ['b'],
    local: [],
    hasAny: true,
  },
  {
    name: 'node hints for other nodes, zone hints for other zones: ignored',
    endpoints: [
      endpoint('a', { ...onNode('node-2'), ...inZone('zone-b') }),
      endpoint('b', { ...onNode('node-3'), ...inZone('zone-c') }),
    ],
    cluster: ['a', 'b'],
    local: [],
    hasAny: true,
  },
  {
    name: 'node hints on some, zone hints on the others: neither is on all, ignored',
    endpoints: [endpoint('a', onNode('node-1')), endpoint('b', inZone('zone-b'))],
    cluster: ['a', 'b'],
    local: [],
    hasAny: true,
  },
  {
    name: 'node hints for another node, no zone hint on one: ignored',
    endpoints: [endpoint('a', { ...onNode('node-2'), ...inZone('zone-a') }), endpoint('b', onNode('node-3'))],
    cluster: ['a', 'b'],
    local: [],
    hasAny: true,
  },
  {
    name: 'node hints for another node, the node has no zone label: ignored',
    rules: { zone: '' },
    endpoints: [
      endpoint('a', { ...onNode('node-2'), ...inZone('zone-a') }),
      endpoint('b', { ...onNode('node-3'), ...inZone('zone-b') }),
    ],
    cluster: ['a', 'b'],
    local: [],
    hasAny: true,
  },
  {
    name: 'a node hint names an endpoint elsewhere: it is the hint that counts',
    endpoints: [
      endpoint('a', { ...here, ...onNode('node-2') }),
      endpoint('b', { ...away, ...onNode('node-1') }),
    ],
    cluster: ['b'],
    local: ['a'],
    hasAny: true,
  },
  // Hints and the local list
  {
    name: 'two here and two elsewhere, one of each for this zone: the lists overlap in one',
    endpoints: [
      endpoint('a', { ...here, ...inZone('zone-a') }),
      endpoint('b', { ...here, ...inZone('zone-b') }),
      endpoint('c', { ...away, ...inZone('zone-a') }),
      endpoint('d', { ...away, ...inZone('zone-b') }),
    ],
    cluster: ['a', 'c'],
    local: ['a', 'b'],
    hasAny: true,
  },
  {
    name: 'hints with only the local list used: they mean nothing',
    rules: localOnly,
    endpoints: [
      endpoint('a', { ...here, ...inZone('zone-b') }),
      endpoint('b', { ...here, ...inZone('zone-a') }),
    ],
    cluster: null,
    local: ['a', 'b'],
    hasAny: true,
  },
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
    name: 'only the local list is used, some are local',
    rules: localOnly,
    endpoints: [endpoint('a', here), endpoint('b', away), endpoint('c', here)],
    cluster: null,
    local: ['a', 'c'],
    hasAny: true,
  },
  {
    name: 'only the local list is used, none is ready anywhere: nothing exists',
    rules: localOnly,
    endpoints: [endpoint('a', { ...here, ...notReady }), endpoint('b', { ...away, ...stopped })],
    cluster: null,
    local: [],
    hasAny: false,
  },
  {
    name: 'both are used, all are elsewhere',
    endpoints: [endpoint('a', away), endpoint('b', away)],
    cluster: ['a', 'b'],
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

const hints = fc.subarray(['1', '2'])
const anyEndpoint = fc.record({
  ip: fc.constant('a'),
  nodeName: fc.constantFrom('', 'node-1', 'node-2'),
  zone: fc.constant(''),
  ready: fc.boolean(),
  serving: fc.boolean(),
  terminating: fc.boolean(),
  zoneHints: hints,
  nodeHints: hints,
})

void test('whatever the endpoints: hints never leave a list empty that would have had one, nor mix ready with not', async () => {
  const zoneOrNone = fc.constantFrom('', '1', '3')
  fc.assert(
    fc.property(fc.array(anyEndpoint, { maxLength: 6 }), zoneOrNone, (endpoints, zone) => {
      const rules: EligibilityRules = { nodeName: 'node-1', zone, ...both }
      const { cluster, local, hasAny } = eligibleEndpoints(endpoints, rules)
      const anyReady = endpoints.some(({ ready }) => ready)
      const sound = (list: readonly SliceEndpoint[]): boolean =>
        list.every(({ ready }) => ready) || list.every(each => each.serving && each.terminating)
      return (
        cluster !== null &&
        local !== null &&
        cluster.length > 0 === hasAny &&
        (!anyReady || cluster.every(({ ready }) => ready)) &&
        sound(cluster) &&
        sound(local) &&
        local.every(({ nodeName }) => nodeName === 'node-1') &&
        (local.length === 0 || hasAny)
      )
    }),
  )
})
