// Which endpoints are eligible, as an operator sees it: manifests in, `status -o json` out. The rules themselves have
// their cases in test/policy; these hold that every field finds its way from a YAML file to the table.

import { test } from 'tap'
import { stringify } from 'yaml'
import type { StatusDocument } from '../../lib/ops/status.ts'
import { run, start } from './program.ts'

interface EndpointFields {
  readonly node?: string
  readonly zones?: readonly string[]
  readonly nodes?: readonly string[]
  readonly ready?: boolean
  readonly serving?: boolean
  readonly terminating?: boolean
}

interface Case {
  readonly name: string
  readonly spec?: Readonly<Record<string, unknown>>
  /** 10.1.0.1, 10.1.0.2, … in this order. */
  readonly endpoints: readonly EndpointFields[]
  /** The last parts of the addresses. */
  readonly cluster: readonly number[] | null
  readonly local: readonly number[] | null
}

const here = 'node-1'
const nodePort = { type: 'NodePort' }
const externalLocal = { ...nodePort, externalTrafficPolicy: 'Local' }
const internalLocal = { internalTrafficPolicy: 'Local' }
const dying = { ready: false, serving: true, terminating: true }
const dead = { ready: false, serving: false, terminating: true }
const unready = { ready: false, serving: false, terminating: false }

const cases: readonly Case[] = [
  { name: 'no endpoints', endpoints: [], cluster: [], local: null },
  { name: 'no conditions means ready', endpoints: [{}, {}], cluster: [1, 2], local: null },
  { name: 'unready ones are left out', endpoints: [unready, {}], cluster: [2], local: null },
  {
    name: 'one that terminates is used only as a last resort',
    endpoints: [dying, {}],
    cluster: [2],
    local: null,
  },
  { name: 'the last resort', endpoints: [dying, dead, unready], cluster: [1], local: null },
  { name: 'nothing serves', endpoints: [dead, unready], cluster: [], local: null },
  { name: 'zone hints', endpoints: [{ zones: ['z1'] }, { zones: ['z2'] }], cluster: [1], local: null },
  { name: 'a zone hint is missing', endpoints: [{ zones: ['z1'] }, {}], cluster: [1, 2], local: null },
  {
    name: 'no hint names our zone',
    endpoints: [{ zones: ['z2'] }, { zones: ['z3'] }],
    cluster: [1, 2],
    local: null,
  },
  {
    name: 'an unready endpoint without a hint does not count',
    endpoints: [{ zones: ['z1'] }, { zones: ['z2'] }, unready],
    cluster: [1],
    local: null,
  },
  {
    name: 'node hints go before zone hints',
    endpoints: [
      { nodes: ['node-2'], zones: ['z1'] },
      { nodes: [here], zones: ['z1'] },
    ],
    cluster: [2],
    local: null,
  },
  {
    name: 'node hints for others leave the zone hints',
    endpoints: [
      { nodes: ['node-2'], zones: ['z1'] },
      { nodes: ['node-3'], zones: ['z2'] },
    ],
    cluster: [1],
    local: null,
  },
  {
    name: 'hints are ignored in the last resort',
    endpoints: [
      { ...dying, zones: ['z1'] },
      { ...dying, zones: ['z2'] },
    ],
    cluster: [1, 2],
    local: null,
  },
  {
    name: 'internal Local uses nothing else',
    spec: internalLocal,
    endpoints: [{ node: here }, { node: 'node-2' }],
    cluster: null,
    local: [1],
  },
  {
    name: 'internal Local without a local endpoint',
    spec: internalLocal,
    endpoints: [{ node: 'node-2' }],
    cluster: null,
    local: [],
  },
  {
    name: 'internal Local with a NodePort uses both',
    spec: { ...nodePort, ...internalLocal },
    endpoints: [{ node: here }, { node: 'node-2' }],
    cluster: [1, 2],
    local: [1],
  },
  {
    name: 'external Local',
    spec: externalLocal,
    endpoints: [{ node: here }, { node: 'node-2' }],
    cluster: [1, 2],
    local: [1],
  },
  {
    name: 'a local last resort',
    spec: externalLocal,
    endpoints: [{ ...dying, node: here }, { ...unready, node: here }, { node: 'node-2' }],
    cluster: [3],
    local: [1],
  },
  {
    name: 'hints do not touch the local list',
    spec: externalLocal,
    endpoints: [
      { node: here, zones: ['z2'] },
      { node: 'node-2', zones: ['z1'] },
    ],
    cluster: [2],
    local: [1],
  },
  {
    name: 'an endpoint without a node is not local',
    spec: externalLocal,
    endpoints: [{}],
    cluster: [1],
    local: [],
  },
]

void test('eligible endpoints, from manifests to status', async t => {
  const node = {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: here, labels: { 'topology.kubernetes.io/zone': 'z1' } },
  }
  const folder = t.testdir({
    'objects.yaml': [node, ...cases.flatMap(manifestsOf)].map(object => stringify(object)).join('---\n'),
  })
  const agent = start(t, [
    'run',
    '--log-format=text',
    '--nodeport-addresses=localhost',
    '--healthz-bind-address=off',
    '--metrics-bind-address=127.0.0.1:20251',
    `--hostname-override=${here}`,
    `--manifests=${folder}`,
  ])
  await agent.prints(/synced/)
  t.notMatch(agent.stderr(), / ERROR /)
  const status = JSON.parse(
    (await run(t, ['status', '--agent', '127.0.0.1:20251', '-o', 'json'])).stdout,
  ) as StatusDocument
  for (const [index, { name, cluster, local }] of cases.entries()) {
    const service = status.services.find(each => each.name === `case-${index}`)
    t.same(service?.endpoints, { cluster: addresses(cluster), local: addresses(local) }, name)
  }
})

function addresses(parts: readonly number[] | null): readonly string[] | null {
  return parts?.map(part => `10.1.0.${part}:8080`) ?? null
}

function manifestsOf({ spec, endpoints }: Case, index: number): readonly object[] {
  const name = `case-${index}`
  return [
    { apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: { ports: [{ port: 8080 }], ...spec } },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name, labels: { 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      ports: [{ name: '', port: 8080, protocol: 'TCP' }],
      endpoints: endpoints.map(({ node, zones, nodes, ...conditions }, each) => ({
        addresses: [`10.1.0.${each + 1}`],
        conditions,
        ...(node === undefined ? {} : { nodeName: node }),
        ...(zones === undefined && nodes === undefined
          ? {}
          : {
              hints: {
                forZones: zones?.map(zone => ({ name: zone })) ?? [],
                forNodes: nodes?.map(each => ({ name: each })) ?? [],
              },
            }),
      })),
    },
  ]
}
