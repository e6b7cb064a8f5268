import { test } from 'tap'
import { namespaces, nodes } from '../../../lib/standalone/kinds/resources.ts'
import { nodeObject } from '../../../lib/standalone/node-object.ts'
import { controlPlaneFor, refusal } from '../builders.ts'

const causesOf = (request: () => unknown): readonly string[] =>
  (refusal(request).details?.causes ?? []).map(
    ({ field, reason }) => `${field} ${reason.replace('FieldValue', '')}`,
  )

void test('a Namespace is active, labelled with its name, and held by Kubernetes', async t => {
  const { registry } = await controlPlaneFor(t)
  const labels = { 'kubernetes.io/metadata.name': 'other', team: 'a' }
  const created = registry.create(namespaces, { metadata: { name: 'one', labels }, status: { phase: 'x' } })
  t.match(created, {
    metadata: { labels: { 'kubernetes.io/metadata.name': 'one', team: 'a' } },
    spec: { finalizers: ['kubernetes'] },
    status: { phase: 'Active' },
  })
  const updated = registry.update(namespaces, { metadata: { name: 'one' }, spec: { finalizers: [] } })
  t.match(updated, {
    metadata: { labels: { 'kubernetes.io/metadata.name': 'one' } },
    spec: { finalizers: ['kubernetes'] },
  })
  t.strictSame(
    causesOf(() => registry.create(namespaces, { metadata: { name: 'two' }, spec: { finalizers: ['a b'] } })),
    ['spec.finalizers[0] Invalid'],
  )
  t.strictSame(
    causesOf(() => registry.create(namespaces, { metadata: { name: 'a.b' } })),
    ['metadata.name Invalid'],
  )
})

void test('a Node is registered with its status', async t => {
  const { registry } = await controlPlaneFor(t)
  const created = registry.create(nodes, {
    metadata: { name: 'n1' },
    spec: { podCIDR: '10.1.0.0/24' },
    status: { capacity: { pods: '110' } },
  })
  t.match(created, {
    spec: { podCIDR: '10.1.0.0/24', podCIDRs: ['10.1.0.0/24'] },
    status: { capacity: { pods: '110' }, allocatable: { pods: '110' }, nodeInfo: { kubeletVersion: '' } },
  })
  const wrong: readonly (readonly [name: string, spec: object, causes: readonly string[]])[] = [
    ['CIDRs', { podCIDRs: ['10.1.0.0/33'] }, ['spec.podCIDRs[0] Invalid']],
    ['two CIDRs of a family', { podCIDRs: ['10.1.0.0/24', '10.2.0.0/24'] }, ['spec.podCIDRs Invalid']],
    [
      'taints',
      { taints: [{ key: 'a b', effect: 'NoSchedule' }, { key: 'a' }, { key: 'b', effect: 'Never' }] },
      [
        'metadata.taints[0].key Invalid',
        'metadata.taints[1].effect Required',
        'metadata.taints[2].effect NotSupported',
      ],
    ],
    [
      'a taint twice',
      {
        taints: [
          { key: 'a', effect: 'NoSchedule' },
          { key: 'a', value: 'x', effect: 'NoSchedule' },
        ],
      },
      ['metadata.taints[1] Duplicate'],
    ],
  ]
  for (const [name, spec, causes] of wrong) {
    t.strictSame(
      causesOf(() => registry.create(nodes, { metadata: { name: 'n2' }, spec })),
      causes,
      name,
    )
  }
  const change = (spec: object) => () => registry.update(nodes, { metadata: { name: 'n1' }, spec })
  t.strictSame(causesOf(change({ podCIDR: '10.9.0.0/24' })), ['spec.podCIDRs Forbidden', '[] Forbidden'])
  t.strictSame(causesOf(change({ podCIDR: '10.1.0.0/24', externalID: 'x' })), ['[] Forbidden'])
  t.match(change({ podCIDR: '10.1.0.0/24', unschedulable: true })(), { spec: { unschedulable: true } })
})

void test('the Node of a control plane without a cluster is this machine', async t => {
  const now = new Date('2026-01-02T03:04:05.678Z')
  const node = nodeObject({ name: 'n1', addresses: ['127.0.0.1'], programVersion: '1.2.3', now })
  t.match(node, {
    metadata: { labels: { 'kubernetes.io/hostname': 'n1', 'kubernetes.io/os': process.platform } },
    status: {
      addresses: [
        { type: 'InternalIP', address: '127.0.0.1' },
        { type: 'Hostname', address: 'n1' },
      ],
      capacity: { cpu: /^\d+$/, memory: /^\d+Ki$/, pods: '110' },
      conditions: [{ type: 'Ready', status: 'True', lastHeartbeatTime: '2026-01-02T03:04:05Z' }],
      nodeInfo: { kubeletVersion: 'kube-relay 1.2.3', osImage: /./, kernelVersion: /./ },
    },
  })
  const { registry } = await controlPlaneFor(t, { nodeName: 'n1', programVersion: '1.2.3' })
  t.match(registry.get(nodes, { namespace: '', name: 'n1' }), {
    status: { allocatable: { pods: '110' }, nodeInfo: { kubeletVersion: 'kube-relay 1.2.3' } },
  })
})
