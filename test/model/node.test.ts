import * as fc from 'fast-check'
import { test } from 'tap'
import { readNode, type NodeInfo } from '../../lib/model/node.ts'
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
]

void test('readNode', async t => {
  for (const [name, parameters, expected] of cases) t.match(readNode(node(...parameters)), expected, name)
  t.strictSame(readNode({ metadata: {} }), { name: '', zone: '', ips: [] }, 'nothing at all')
})

void test('no mutation makes readNode throw', async () => {
  fc.assert(
    fc.property(mutated(node()), object => {
      const { name, zone, ips } = readNode(object)
      return typeof name === 'string' && typeof zone === 'string' && Array.isArray(ips)
    }),
    { numRuns: 1000 },
  )
})
