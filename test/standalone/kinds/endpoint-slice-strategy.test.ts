import { test } from 'tap'
import type { Endpoint, EndpointSlice } from '../../../lib/standalone/kinds/api-types.ts'
import { endpointSliceStrategy } from '../../../lib/standalone/kinds/endpoint-slice-strategy.ts'
import { StatusError } from '../../../lib/standalone/kinds/status.ts'

const slice = (fields: Partial<EndpointSlice> = {}): EndpointSlice => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: 'a', namespace: 'default' },
  addressType: 'IPv4',
  endpoints: [{ addresses: ['10.0.0.1'] }],
  ...fields,
})
const prepare = (object: EndpointSlice, stored?: EndpointSlice) =>
  endpointSliceStrategy.prepare(object, stored, { dryRun: false })
const causesOf = (object: EndpointSlice, stored?: EndpointSlice): readonly string[] => {
  try {
    prepare(object, stored)
  } catch (error) {
    if (!(error instanceof StatusError)) throw error
    const causes = error.status.details?.causes ?? []
    return causes.map(({ field, reason }) => `${field} ${reason.replace('FieldValue', '')}`)
  }
  return []
}
const endpoint = (fields: Endpoint): Partial<EndpointSlice> => ({
  endpoints: [{ addresses: ['10.0.0.1'], ...fields }],
})
const many = <T>(count: number, item: T): readonly T[] => Array.from({ length: count }, () => item)
const names = (count: number): readonly { readonly name: string }[] =>
  Array.from({ length: count }, (_, i) => ({ name: `z${i}` }))

void test('what the author left out', t => {
  const deprecated = { addresses: ['10.0.0.1'], deprecatedTopology: { a: 'b' } } as Endpoint
  t.strictSame(prepare(slice({ endpoints: [deprecated], ports: [{ port: 80 }] })), {
    ...slice(),
    endpoints: [{ addresses: ['10.0.0.1'], conditions: {} }],
    ports: [{ port: 80, name: '', protocol: 'TCP' }],
  })
  const { endpoints: _endpoints, ...bare } = slice()
  t.match(prepare(bare), { endpoints: null, ports: null })
  t.end()
})

const cases: readonly (readonly [name: string, fields: Partial<EndpointSlice>, causes: readonly string[]])[] =
  [
    ['nothing', {}, []],
    ['an unknown address type', { addressType: 'IP' }, ['addressType NotSupported']],
    ['no address type', { addressType: '' }, ['addressType Required']],
    ['no address', { endpoints: [{}] }, ['endpoints[0].addresses Required']],
    ['1000 endpoints', { endpoints: many(1000, { addresses: ['10.0.0.1'] }) }, []],
    ['1001 endpoints', { endpoints: many(1001, {}) }, ['endpoints TooMany']],
    ['100 addresses', endpoint({ addresses: many(100, '10.0.0.1') }), []],
    ['101 addresses', endpoint({ addresses: many(101, '10.0.0.1') }), ['endpoints[0].addresses TooMany']],
    [
      'addresses of another family',
      endpoint({ addresses: ['fd00::1', '10.0.0.256', '0.0.0.0'] }),
      [
        'endpoints[0].addresses[0] Invalid',
        'endpoints[0].addresses[1] Invalid',
        'endpoints[0].addresses[1] Invalid',
        'endpoints[0].addresses[2] Invalid',
      ],
    ],
    ['names', { addressType: 'FQDN', ...endpoint({ addresses: ['example.com', 'example.com.'] }) }, []],
    [
      'no names',
      { addressType: 'FQDN', ...endpoint({ addresses: ['', 'localhost', 'a b'] }) },
      [
        'endpoints[0].addresses[0] Required',
        'endpoints[0].addresses[1] Invalid',
        'endpoints[0].addresses[2] Invalid',
      ],
    ],
    [
      'a node and a host that are no names',
      endpoint({ nodeName: 'A', hostname: 'a.b' }),
      ['endpoints[0].nodeName Invalid', 'endpoints[0].hostname Invalid'],
    ],
    ['8 hints', endpoint({ hints: { forZones: names(8), forNodes: names(8) } }), []],
    ['9 hints', endpoint({ hints: { forZones: names(9) } }), ['endpoints[0].hints.forZones TooMany']],
    [
      'hints',
      endpoint({
        hints: { forZones: [{ name: 'a' }, { name: 'a' }, { name: '!' }], forNodes: [{ name: 'N' }] },
      }),
      [
        'endpoints[0].hints.forZones[1].name Duplicate',
        'endpoints[0].hints.forZones[2].name Invalid',
        'endpoints[0].hints.forNodes[0].name Invalid',
      ],
    ],
    [
      'ports',
      { ports: [{ name: 'a' }, { name: 'a', protocol: 'tcp' }, { name: 'A', appProtocol: 'a b' }] },
      [
        'ports[1].name Duplicate',
        'ports[1].protocol NotSupported',
        'ports[2].name Invalid',
        'ports[2].appProtocol Invalid',
      ],
    ],
    ['20,001 ports', { ports: many(20_001, {}) }, ['ports TooMany']],
  ]

void test('a slice that is refused', t => {
  for (const [name, fields, causes] of cases) t.strictSame(causesOf(slice(fields)), causes, name)
  t.end()
})

void test('the type of its addresses stays', t => {
  const changed = slice({ addressType: 'IPv6', endpoints: [] })
  t.strictSame(causesOf(changed, slice()), ['addressType Invalid'])
  t.strictSame(causesOf(slice(), slice()), [])
  t.end()
})
