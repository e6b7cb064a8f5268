import { test } from 'tap'
import { endpointsOf, maxEndpointsAddresses } from '../../../lib/standalone/endpoints/derived-endpoints.ts'
import type {
  Endpoint,
  EndpointPort,
  EndpointSlice,
  Service,
} from '../../../lib/standalone/kinds/api-types.ts'
import { service } from '../builders.ts'

const http: EndpointPort = { name: 'http', protocol: 'TCP', port: 8080 }
const dns: EndpointPort = { name: 'dns', protocol: 'UDP', port: 53 }

const web = (spec: Service['spec'] = {}): Service =>
  service('web', { clusterIP: '10.96.0.1', ipFamilies: ['IPv4'], ...spec })

function slice(
  endpoints: readonly Endpoint[],
  ports: readonly EndpointPort[] = [http],
  addressType = 'IPv4',
): EndpointSlice {
  return { metadata: { name: 's', namespace: 'default' }, addressType, endpoints, ports }
}

function endpoint(ip: string, conditions: Endpoint['conditions'] = { ready: true }): Endpoint {
  return { addresses: [ip], conditions }
}

const range = (from: number, count: number): readonly string[] =>
  Array.from({ length: count }, (_, i) => `10.1.${(from + i) >> 8}.${(from + i) & 255}`)

void test('subsets', async t => {
  const notReady = { ready: false, serving: false, terminating: false }
  const cases: readonly (readonly [name: string, slices: readonly EndpointSlice[], subsets: unknown])[] = [
    ['none', [], undefined],
    ['an empty slice', [slice([], [])], undefined],
    ['an empty slice as the server writes it', [{ ...slice([]), endpoints: null, ports: null }], undefined],
    [
      'sorted, ready and not',
      [slice([endpoint('10.0.0.9'), endpoint('10.0.0.3', notReady)]), slice([endpoint('10.0.0.1')])],
      [
        {
          addresses: [{ ip: '10.0.0.1' }, { ip: '10.0.0.9' }],
          notReadyAddresses: [{ ip: '10.0.0.3' }],
          ports: [http],
        },
      ],
    ],
    [
      'ports with the same addresses share a subset',
      [slice([endpoint('10.0.0.1')], [http, dns])],
      [{ addresses: [{ ip: '10.0.0.1' }], ports: [dns, http] }],
    ],
    [
      'ports with other addresses do not',
      [slice([endpoint('10.0.0.1')], [http, dns]), slice([endpoint('10.0.0.2')], [http])],
      [
        { addresses: [{ ip: '10.0.0.1' }], ports: [dns] },
        { addresses: [{ ip: '10.0.0.1' }, { ip: '10.0.0.2' }], ports: [http] },
      ],
    ],
    [
      'the same address on two numbers of one port',
      [
        slice([endpoint('10.0.0.1')], [{ ...http, port: 9090 }]),
        slice([endpoint('10.0.0.2')], [{ ...http, port: 8080 }]),
      ],
      [
        { addresses: [{ ip: '10.0.0.2' }], ports: [http] },
        { addresses: [{ ip: '10.0.0.1' }], ports: [{ ...http, port: 9090 }] },
      ],
    ],
    [
      'terminating ones are left out, unless they are published all the same',
      [
        slice([
          endpoint('10.0.0.1', { ready: false, serving: true, terminating: true }),
          endpoint('10.0.0.2', { ready: true, serving: true, terminating: true }),
        ]),
      ],
      [{ addresses: [{ ip: '10.0.0.2' }], ports: [http] }],
    ],
    [
      'an unknown readiness is ready',
      [slice([endpoint('10.0.0.1', {}), { addresses: ['10.0.0.2'] }])],
      [{ addresses: [{ ip: '10.0.0.1' }, { ip: '10.0.0.2' }], ports: [http] }],
    ],
    [
      'not ready in one slice, so not ready',
      [slice([endpoint('10.0.0.1')]), slice([endpoint('10.0.0.1', notReady)])],
      [{ notReadyAddresses: [{ ip: '10.0.0.1' }], ports: [http] }],
    ],
    [
      'the first family only',
      [slice([endpoint('fd00::1')], [http], 'IPv6'), slice([endpoint('10.0.0.1')])],
      [{ addresses: [{ ip: '10.0.0.1' }], ports: [http] }],
    ],
    ['no port that this Pod has', [slice([endpoint('10.0.0.1')], [])], undefined],
    [
      'a name that says nothing is left out',
      [slice([endpoint('10.0.0.1')], [{ ...http, name: '' }])],
      [{ addresses: [{ ip: '10.0.0.1' }], ports: [{ protocol: 'TCP', port: 8080 }] }],
    ],
    ['every port there is', [slice([endpoint('10.0.0.1')], [{ name: 'any' }])], undefined],
  ]
  for (const [name, slices, subsets] of cases) t.strictSame(endpointsOf(web(), slices).subsets, subsets, name)
  const { ports: _, ...portless } = web({ clusterIP: 'None' }).spec
  t.strictSame(
    endpointsOf({ ...web(), spec: portless }, [slice([endpoint('10.0.0.1')], [])]).subsets,
    [{ addresses: [{ ip: '10.0.0.1' }] }],
    'a headless Service without ports',
  )
})

void test('what an address says', async t => {
  const targetRef = { kind: 'Pod', namespace: 'default', name: 'a', uid: 'u' }
  const full = { ...endpoint('10.0.0.1'), hostname: 'h', nodeName: 'n1', zone: 'z1', targetRef }
  t.strictSame(endpointsOf(web(), [slice([full])]).subsets?.[0]?.addresses, [
    { ip: '10.0.0.1', hostname: 'h', nodeName: 'n1', targetRef },
  ])
})

void test('labels', async t => {
  const managed = { 'endpoints.kubernetes.io/managed-by': 'endpoint-controller' }
  const headless = { 'service.kubernetes.io/headless': '' }
  const labelled = { ...web(), metadata: { ...web().metadata, labels: { team: 'a', ...headless } } }
  t.strictSame(endpointsOf(labelled, []).metadata.labels, { team: 'a', ...managed })
  t.strictSame(endpointsOf(web({ clusterIP: 'None' }), []).metadata.labels, { ...managed, ...headless })
})

void test('at most 1000 addresses, ready ones first', async t => {
  const notReady = { ready: false }
  const ready = (from: number, count: number): Endpoint[] => range(from, count).map(ip => endpoint(ip))
  const unready = (from: number, count: number): Endpoint[] =>
    range(from, count).map(ip => endpoint(ip, notReady))
  const cases: readonly (readonly [name: string, slices: readonly EndpointSlice[], sizes: unknown])[] = [
    ['as many as may be', [slice([...ready(0, 600), ...unready(1000, 400)])], [[600, 400]]],
    ['too many that are not ready', [slice([...ready(0, 600), ...unready(1000, 401)])], [[600, 400]]],
    ['too many that are', [slice([...ready(0, 1001), ...unready(2000, 5)])], [[1000, 0]]],
    [
      'in proportion',
      [slice(ready(0, 1500), [http]), slice(ready(2000, 500), [{ ...http, port: 9090 }])],
      [
        [750, 0],
        [250, 0],
      ],
    ],
  ]
  for (const [name, slices, sizes] of cases) {
    const { subsets = [], metadata } = endpointsOf(web(), slices)
    const actual = subsets.map(({ addresses, notReadyAddresses }) => [
      addresses?.length ?? 0,
      notReadyAddresses?.length ?? 0,
    ])
    t.strictSame(actual, sizes, name)
    const all = slices.reduce((sum, { endpoints }) => sum + (endpoints?.length ?? 0), 0)
    const annotations =
      all > maxEndpointsAddresses ? { 'endpoints.kubernetes.io/over-capacity': 'truncated' } : undefined
    t.strictSame(metadata.annotations, annotations, `${name}: the annotation`)
  }
})
