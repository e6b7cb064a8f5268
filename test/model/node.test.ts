import * as fc from 'fast-check'
import { test } from 'tap'
import { canonicalIp } from '../../lib/model/address.ts'
import { readCidr } from '../../lib/model/cidr.ts'
import { isNodeEligible, readNode, toBeDeletedTaint, type NodeInfo } from '../../lib/model/node.ts'
import { mutated } from './mutations.ts'
import { node } from './objects.ts'

const cases: readonly [string, Parameters<typeof node>, Partial<NodeInfo>][] = [
  ['a plain node', [], { name: 'node-1', zone: 'zone-a', ips: ['192.168.0.1'] }],
  ['no labels', [{ labels: undefined }], { zone: '' }],
  ['null labels', [{ labels: null }], { zone: '' }],
  ['a zone of a wrong type', [{ labels: { 'topology.kubernetes.io/zone': 5 } }], { zone: '' }],
  [
    'InternalIP before ExternalIP, each once, canonical; others left out',
    [
      {},
      {
        addresses: [
          { type: 'Hostname', address: 'node-1' },
          { type: 'ExternalIP', address: '203.0.113.5' },
          { type: 'InternalIP', address: '192.168.0.1' },
          { type: 'InternalIP', address: 'FD00::1' },
          { type: 'ExternalIP', address: '192.168.0.1' },
        ],
      },
    ],
    { ips: ['192.168.0.1', 'fd00::1', '203.0.113.5'] },
  ],
  ['malformed addresses', [{}, { addresses: [null, 5, { type: 'InternalIP', address: 'x' }] }], { ips: [] }],
  ['addresses of a wrong type', [{}, { addresses: '192.168.0.1' }], { ips: [] }],
  ['no name', [{ name: null }], { name: '' }],
  ['no pod CIDRs', [], { podCidrs: [] }],
  [
    'pod CIDRs of both families; podCIDR is the first of them',
    [{}, {}, { podCIDR: '10.244.1.0/24', podCIDRs: ['10.244.1.0/24', 'FD00:244::/64'] }],
    { podCidrs: ['10.244.1.0/24', 'fd00:244::/64'] },
  ],
  ['podCIDR alone', [{}, {}, { podCIDR: '10.244.1.0/24' }], { podCidrs: ['10.244.1.0/24'] }],
  [
    'podCIDR beside an empty list',
    [{}, {}, { podCIDR: '10.244.1.0/24', podCIDRs: [] }],
    { podCidrs: ['10.244.1.0/24'] },
  ],
  [
    'where they contradict each other, the list counts',
    [{}, {}, { podCIDR: '10.244.9.0/24', podCIDRs: ['10.244.1.0/24'] }],
    { podCidrs: ['10.244.1.0/24'] },
  ],
  [
    'malformed pod CIDRs are left out',
    [{}, {}, { podCIDRs: [null, 5, '10.244.1.0', '10.244.1.0/33', '10.244.1.0/24'] }],
    { podCidrs: ['10.244.1.0/24'] },
  ],
  ['pod CIDRs of a wrong type', [{}, {}, { podCIDRs: '10.244.1.0/24', podCIDR: 5 }], { podCidrs: [] }],
  ['no pod CIDR yet', [{}, {}, { podCIDR: '' }], { podCidrs: [] }],
]

void test('readNode', async t => {
  for (const [name, parameters, expected] of cases) {
    const read = readNode(node(...parameters))
    const found = Object.fromEntries(Object.keys(expected).map(key => [key, read[key as keyof NodeInfo]]))
    t.strictSame(found, expected, name)
  }
  t.strictSame(readNode({ metadata: {} }), { name: '', zone: '', ips: [], podCidrs: [] }, 'nothing at all')
})

const taints = (...list: readonly unknown[]) => ({ taints: list })

const eligibility: readonly [string, Parameters<typeof node>, boolean][] = [
  ['neither deleted nor tainted', [], true],
  ['being deleted', [{ deletionTimestamp: '2026-01-01T00:00:00Z' }], false],
  ['a deletion time that is null', [{ deletionTimestamp: null }], true],
  ['a deletion time that is empty', [{ deletionTimestamp: '' }], true],
  ['the autoscaler is about to delete it', [{}, {}, taints({ key: toBeDeletedTaint })], false],
  [
    'the same taint among others, with a value and an effect',
    [{}, {}, taints({ key: 'other' }, { key: toBeDeletedTaint, value: '1700000000', effect: 'NoSchedule' })],
    false,
  ],
  ['another taint', [{}, {}, taints({ key: 'node.kubernetes.io/unschedulable' })], true],
  ['malformed taints', [{}, {}, taints(null, 5, toBeDeletedTaint, { key: null }, {})], true],
  ['taints of a wrong type', [{}, {}, { taints: toBeDeletedTaint }], true],
]

void test('isNodeEligible', async t => {
  for (const [name, parameters, expected] of eligibility) {
    t.equal(isNodeEligible(node(...parameters)), expected, name)
  }
  t.equal(isNodeEligible({ metadata: {} }), true, 'nothing at all')
})

void test('no mutation makes readNode or isNodeEligible throw', async () => {
  const whole = node(
    {},
    {},
    {
      ...taints({ key: toBeDeletedTaint, effect: 'NoSchedule' }),
      podCIDR: '10.244.1.0/24',
      podCIDRs: ['10.244.1.0/24', 'fd00:244::/64'],
    },
  )
  fc.assert(
    fc.property(mutated(whole), object => {
      const { name, zone, ips, podCidrs } = readNode(object)
      return (
        typeof name === 'string' &&
        typeof zone === 'string' &&
        typeof isNodeEligible(object) === 'boolean' &&
        ips.every(ip => canonicalIp(ip) === ip) &&
        podCidrs.every(cidr => readCidr(cidr)?.text === cidr)
      )
    }),
    { numRuns: 1000 },
  )
})
