import * as fc from 'fast-check'
import { test } from 'tap'
import {
  readEndpointSlice,
  type EndpointSlice,
  type SliceEndpoint,
  type SlicePort,
} from '../../lib/model/endpoint-slice.ts'
import { mutated } from './mutations.ts'
import { endpoint, endpointSlice } from './objects.ts'

const read: SliceEndpoint = {
  ip: '10.1.0.1',
  nodeName: 'node-1',
  zone: '',
  ready: true,
  serving: true,
  terminating: false,
  zoneHints: [],
  nodeHints: [],
}

void test('a plain EndpointSlice', async t => {
  t.strictSame(readEndpointSlice(endpointSlice()), {
    namespace: 'default',
    name: 'web-1',
    serviceName: 'web',
    family: 'IPv4',
    ports: [{ name: '', protocol: 'TCP', port: 8080 }],
    endpoints: [read],
  })
})

const ignored: readonly [string, Parameters<typeof endpointSlice>, problems: readonly RegExp[]][] = [
  ['FQDN', [{ addressType: 'FQDN', endpoints: [{ addresses: ['a.example.org'] }] }], []],
  ['no label', [{}, { labels: null }], [/no label kubernetes\.io\/service-name: ignored/]],
  ['an empty label', [{}, { labels: { 'kubernetes.io/service-name': '' } }], [/no label/]],
  ['a label of a wrong type', [{}, { labels: { 'kubernetes.io/service-name': 5 } }], [/no label/]],
  ['no addressType', [{ addressType: undefined }], [/addressType undefined is neither IPv4 nor IPv6/]],
  ['an unknown addressType', [{ addressType: 'IPv5' }], [/"IPv5"/]],
  [
    'of another proxy',
    [
      {},
      {
        labels: { 'kubernetes.io/service-name': 'web', 'service.kubernetes.io/service-proxy-name': '' },
      },
    ],
    [],
  ],
  [
    'of a headless Service',
    [{}, { labels: { 'kubernetes.io/service-name': 'web', 'service.kubernetes.io/headless': '' } }],
    [],
  ],
]

void test('EndpointSlices with nothing for a proxy', async t => {
  for (const [name, parameters, expected] of ignored) {
    const problems: string[] = []
    t.equal(readEndpointSlice(endpointSlice(...parameters), problems), null, name)
    t.equal(problems.length, expected.length, name)
    t.match(problems, expected, name)
  }
})

const ports: readonly [string, unknown, readonly SlicePort[], problems?: number][] = [
  ['null ports', null, []],
  ['absent ports', undefined, []],
  ['ports of a wrong type', { name: '', port: 80 }, []],
  ['a missing name: ignored', [{ port: 80 }], []],
  ['a null name: ignored', [{ name: null, port: 80 }], []],
  ['an empty name is a name', [{ name: '', port: 80 }], [{ name: '', protocol: 'TCP', port: 80 }]],
  ['a missing port: ignored', [{ name: 'a' }], []],
  ['a null port: ignored', [{ name: 'a', port: null }], []],
  ['port 0: ignored', [{ name: 'a', port: 0 }], []],
  ['port 65536', [{ name: 'a', port: 65_536 }], [], 1],
  ['a port of a wrong type', [{ name: 'a', port: '80' }], [], 1],
  ['a name of a wrong type', [{ name: 5, port: 80 }], [], 1],
  [
    'a null protocol is TCP',
    [{ name: 'a', port: 80, protocol: null }],
    [{ name: 'a', protocol: 'TCP', port: 80 }],
  ],
  ['UDP', [{ name: 'a', port: 80, protocol: 'UDP' }], [{ name: 'a', protocol: 'UDP', port: 80 }]],
  ['an unknown protocol', [{ name: 'a', port: 80, protocol: 'tcp' }], [], 1],
]

void test('ports of a slice', async t => {
  for (const [name, value, expected, problemCount = 0] of ports) {
    const problems: string[] = []
    t.strictSame(readEndpointSlice(endpointSlice({ ports: value }), problems)?.ports, expected, name)
    t.equal(problems.length, problemCount, name)
  }
})

const endpoints: readonly [string, unknown, Partial<SliceEndpoint> | null][] = [
  ['missing conditions', endpoint({ conditions: undefined }), read],
  ['null conditions', endpoint({ conditions: null }), read],
  ['conditions without values', endpoint({ conditions: {} }), read],
  ['null values', endpoint({ conditions: { ready: null, serving: null, terminating: null } }), read],
  ['values of a wrong type', endpoint({ conditions: { ready: 'false' } }), { ...read, ready: true }],
  [
    'not ready but serving, as a terminating pod is',
    endpoint({ conditions: { ready: false, serving: true, terminating: true } }),
    { ...read, ready: false, terminating: true },
  ],
  [
    'not ready, serving unknown',
    endpoint({ conditions: { ready: false } }),
    { ...read, ready: false, serving: true },
  ],
  ['only the first address counts', endpoint({ addresses: ['10.1.0.7', '10.1.0.8'] }), { ip: '10.1.0.7' }],
  ['no address', endpoint({ addresses: [] }), null],
  ['null addresses', endpoint({ addresses: null }), null],
  ['a malformed address before a good one', endpoint({ addresses: ['nope', '10.1.0.8'] }), null],
  ['an address of the other family', endpoint({ addresses: ['fd00::1'] }), null],
  ['null', null, null],
  ['nodeName null', endpoint({ nodeName: null }), { nodeName: '' }],
  ['zone', endpoint({ zone: 'zone-a' }), { zone: 'zone-a' }],
  ['zone null', endpoint({ zone: null }), { zone: '' }],
  ['nodeName absent', endpoint({ nodeName: undefined }), { nodeName: '' }],
  [
    'hints',
    endpoint({ hints: { forZones: [{ name: 'a' }, { name: 'b' }], forNodes: [{ name: 'node-1' }] } }),
    { zoneHints: ['a', 'b'], nodeHints: ['node-1'] },
  ],
  ['null hints', endpoint({ hints: null }), { zoneHints: [], nodeHints: [] }],
  [
    'malformed hints',
    endpoint({ hints: { forZones: [null, {}, { name: 5 }, { name: '' }], forNodes: 'node-1' } }),
    { zoneHints: [], nodeHints: [] },
  ],
]

void test('endpoints of a slice', async t => {
  const other = endpoint({ addresses: ['10.1.9.9'] })
  for (const [name, value, expected] of endpoints) {
    const problems: string[] = []
    const found = readEndpointSlice(endpointSlice({ endpoints: [value, other] }), problems)?.endpoints ?? []
    t.equal(found.at(-1)?.ip, '10.1.9.9', `${name}: the others stay`)
    t.equal(found.length, expected === null ? 1 : 2, name)
    t.equal(problems.length, expected === null ? 1 : 0, name)
    if (expected !== null) t.match(found[0], expected, name)
  }
})

void test('an IPv6 slice: addresses are made canonical, IPv4 ones are skipped', async t => {
  const problems: string[] = []
  const slice = readEndpointSlice(
    endpointSlice({
      addressType: 'IPv6',
      endpoints: [endpoint({ addresses: ['FD00:0:0::1'] }), endpoint()],
    }),
    problems,
  )
  t.strictSame(
    slice?.endpoints.map(({ ip }) => ip),
    ['fd00::1'],
  )
  t.strictSame(problems, ['endpoint address "10.1.0.1" is not an IPv6 address'])
})

void test('no mutation makes readEndpointSlice throw, and what it reads keeps its promises', async () => {
  const whole = endpointSlice({
    endpoints: [
      endpoint({ hints: { forZones: [{ name: 'a' }], forNodes: [{ name: 'node-1' }] } }),
      endpoint({ addresses: ['10.1.0.2'], zone: 'a' }),
    ],
  })
  const keepsPromises = ({ ports, endpoints }: EndpointSlice): boolean =>
    ports.every(({ port, name }) => port > 0 && port < 65_536 && typeof name === 'string') &&
    endpoints.every(
      ({ ip, ready, nodeName }) => /^[\d.]+$|:/.test(ip) && nodeName.length >= 0 && ready !== null,
    )
  fc.assert(
    fc.property(mutated(whole), object => {
      const problems: string[] = []
      const slice = readEndpointSlice(object, problems)
      return (
        (slice === null || keepsPromises(slice)) &&
        problems.every(problem => problem.length < 300 && !problem.includes('\n'))
      )
    }),
    { numRuns: 1000 },
  )
})
