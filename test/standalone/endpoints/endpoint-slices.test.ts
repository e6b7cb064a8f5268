import * as fc from 'fast-check'
import { test } from 'tap'
import type { EndpointSlice, Pod, Service, ServiceSpec } from '../../../lib/standalone/kinds/api-types.ts'
import { endpointSlices } from '../../../lib/standalone/kinds/resources.ts'
import { maxEndpointsPerSlice, reconcileSlices } from '../../../lib/standalone/endpoints/endpoint-slices.ts'
import { controlPlaneFor, endpointsOf, pod, service } from '../builders.ts'

const noZone = () => undefined
const web = (spec: ServiceSpec = {}): Service =>
  service('web', { ipFamilies: ['IPv4'], ports: [{ port: 80, protocol: 'TCP', targetPort: 8080 }], ...spec })
const slicesFor = (spec: ServiceSpec, ...pods: readonly Pod[]): readonly EndpointSlice[] =>
  reconcileSlices(web(spec), pods, [], noZone).create

void test('one Pod as an endpoint', async t => {
  const condition = (status: string) => ({ conditions: [{ type: 'Ready', status }] })
  const ready = { ready: true, serving: true, terminating: false }
  const cases: readonly (readonly [
    name: string,
    pod: Partial<Pod>,
    spec: ServiceSpec,
    conditions: object,
  ])[] = [
    ['ready', {}, {}, ready],
    ['not ready', { status: condition('False') }, {}, { ready: false, serving: false, terminating: false }],
    ['no conditions yet', { status: { conditions: [] } }, {}, { ready: false, serving: false }],
    [
      'not ready, but published all the same',
      { status: condition('False') },
      { publishNotReadyAddresses: true },
      { ready: true, serving: false, terminating: false },
    ],
    [
      'terminating',
      { metadata: { name: 'a', deletionTimestamp: '2026-01-01T00:00:00Z' } },
      {},
      { ready: false, serving: true, terminating: true },
    ],
  ]
  for (const [name, options, spec, conditions] of cases) {
    const [slice] = slicesFor(spec, pod('a', { app: 'web', ip: '10.0.0.1', ...options }))
    t.match(slice?.endpoints, [{ addresses: ['10.0.0.1'], conditions }], name)
  }
})

void test('Pods that are no endpoints', async t => {
  const cases: readonly (readonly [name: string, status: object])[] = [
    ['no address', { podIP: '', podIPs: [] }],
    ['finished', { phase: 'Succeeded' }],
    ['failed', { phase: 'Failed' }],
    ['of another family', { podIP: 'fd00::1', podIPs: [{ ip: 'fd00::1' }] }],
  ]
  for (const [name, status] of cases) {
    const slices = slicesFor({}, pod('a', { app: 'web', ip: '10.0.0.1', status }))
    t.match(slices, [{ endpoints: [] }], name)
    t.equal(slices.length, 1, 'an empty slice stands for the Service')
  }
})

void test('what a slice says about its Service and its Pods', async t => {
  const labels = { team: 'a' }
  const labelled: Service = { ...web(), metadata: { ...web().metadata, labels, uid: 'u' } }
  const one = pod('a', {
    app: 'web',
    ip: '10.0.0.1',
    metadata: { name: 'a', uid: 'uid-a' },
    spec: { nodeName: 'n1', hostname: 'h', subdomain: 'web' },
  })
  const zoneOf = (nodeName: string): string | undefined => (nodeName === 'n1' ? 'z1' : undefined)
  const { create } = reconcileSlices(labelled, [one], [], zoneOf)
  t.match(create, [
    {
      addressType: 'IPv4',
      metadata: {
        generateName: 'web-',
        labels: {
          team: 'a',
          'kubernetes.io/service-name': 'web',
          'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
        },
        ownerReferences: [{ kind: 'Service', name: 'web', uid: 'u' }],
      },
      ports: [{ name: '', protocol: 'TCP', port: 8080 }],
      endpoints: [
        { nodeName: 'n1', zone: 'z1', hostname: 'h', targetRef: { kind: 'Pod', name: 'a', uid: 'uid-a' } },
      ],
    },
  ])
  const [headless] = slicesFor({ clusterIP: 'None' }, one)
  t.equal(headless?.metadata.labels?.['service.kubernetes.io/headless'], '')
})

void test('target ports: numbers, names that differ by Pod, and ports elsewhere', async t => {
  const ports = [
    { name: 'http', port: 80, protocol: 'TCP', targetPort: 'web' },
    { name: 'dns', port: 53, protocol: 'UDP', targetPort: 53 },
  ]
  const named = (containerPort: number) => ({ containers: [{ ports: [{ name: 'web', containerPort }] }] })
  const listening = [
    { protocol: 'TCP', containerPort: 80, port: 8080 },
    { protocol: 'UDP', containerPort: 53, port: 8053 },
  ]
  const slices = slicesFor(
    { ports },
    pod('a', { app: 'web', ip: '10.0.0.1', spec: named(8080) }),
    pod('b', { app: 'web', ip: '10.0.0.2', spec: named(9090) }),
    pod('c', { app: 'web', ip: '10.0.0.3', spec: named(8080) }),
    pod('d', { app: 'web', ip: '10.0.0.4', spec: {} }),
    pod('e', { app: 'web', ip: '10.0.0.5', spec: named(80), status: { listening } }),
  )
  const text = slices.map(slice => {
    const list = (slice.ports ?? []).map(port => `${port.name}:${port.port}`)
    return `${list.join(' ')} = ${(slice.endpoints ?? []).map(endpoint => endpoint.addresses?.[0]).join(' ')}`
  })
  t.strictSame(text.sort(), [
    'dns:53 = 10.0.0.4',
    'http:8080 dns:53 = 10.0.0.1 10.0.0.3',
    'http:8080 dns:8053 = 10.0.0.5',
    'http:9090 dns:53 = 10.0.0.2',
  ])
})

void test('both families', async t => {
  const podIPs = [{ ip: '10.0.0.1' }, { ip: 'fd00:0::1' }]
  const slices = slicesFor(
    { ipFamilies: ['IPv4', 'IPv6'] },
    pod('a', { app: 'web', ip: '', status: { podIPs } }),
  )
  t.match(slices, [
    { addressType: 'IPv4', endpoints: [{ addresses: ['10.0.0.1'] }] },
    { addressType: 'IPv6', endpoints: [{ addresses: ['fd00::1'] }] },
  ])
})

void test('at most 100 endpoints in a slice', async t => {
  const many = Array.from({ length: 250 }, (_, i) =>
    pod(`p${i}`, { app: 'web', ip: `10.0.${i >> 8}.${i & 255}` }),
  )
  t.strictSame(
    slicesFor({}, ...many).map(slice => slice.endpoints?.length),
    [100, 100, 50],
  )
})

void test('property: the changes lead to what is wanted, and nothing that is right is touched', async t => {
  const member = fc.record({ i: fc.nat(7), ready: fc.boolean(), port: fc.constantFrom(8080, 9090) })
  const members = fc.uniqueArray(member, { selector: ({ i }) => i })
  const podsOf = (list: readonly { i: number; ready: boolean; port: number }[]): readonly Pod[] =>
    list.map(({ i, ready, port }) => {
      const spec = { containers: [{ ports: [{ name: 'web', containerPort: port }] }] }
      return pod(`p${i}`, { app: 'web', ip: `10.0.0.${i}`, ready, spec })
    })
  const spec: ServiceSpec = { ports: [{ port: 80, protocol: 'TCP', targetPort: 'web' }] }
  fc.assert(
    fc.property(fc.array(members, { minLength: 1, maxLength: 6 }), steps => {
      let slices: readonly EndpointSlice[] = []
      let serial = 0
      for (const step of steps) {
        const pods = podsOf(step)
        const changes = reconcileSlices(web(spec), pods, slices, noZone)
        const named = changes.create.map(slice => ({
          ...slice,
          metadata: { ...slice.metadata, name: `s${serial++}` },
        }))
        const gone = new Set(changes.delete.map(slice => slice.metadata.name))
        const updated = new Map(changes.update.map(slice => [slice.metadata.name, slice]))
        slices = [
          ...slices
            .filter(slice => !gone.has(slice.metadata.name))
            .map(slice => updated.get(slice.metadata.name) ?? slice),
          ...named,
        ]
        const actual = slices.flatMap(slice =>
          (slice.endpoints ?? []).map(
            endpoint => `${endpoint.addresses?.[0]}:${slice.ports?.[0]?.port} ${endpoint.conditions?.ready}`,
          ),
        )
        const expected = step.map(({ i, ready, port }) => `10.0.0.${i}:${port} ${ready}`)
        if (actual.sort().join() !== expected.sort().join())
          throw new Error(`${actual.join()} is not ${expected.join()}`)
        if (slices.some(slice => (slice.endpoints ?? []).length > maxEndpointsPerSlice))
          throw new Error('too many')
        const again = reconcileSlices(web(spec), pods, slices, noZone)
        if (again.create.length + again.update.length + again.delete.length > 0) throw new Error('not stable')
      }
    }),
  )
  t.pass()
})

void test('the controller follows Services and Pods, and writes only what changed', async t => {
  const controlPlane = await controlPlaneFor(t)
  const { apply, settled, store } = controlPlane
  const seen = async (): Promise<readonly string[]> => {
    await settled()
    return endpointsOf(controlPlane, 'web')
  }
  apply(pod('a', { app: 'web', ip: '10.0.0.1' }))
  apply(service('web', { ports: [{ port: 80, targetPort: 8080 }] }))
  t.strictSame(await seen(), ['10.0.0.1:8080 ready'])
  apply(pod('b', { app: 'web', ip: '10.0.0.2', ready: false }))
  apply(pod('c', { app: 'other', ip: '10.0.0.3' }))
  t.strictSame(await seen(), ['10.0.0.1:8080 ready', '10.0.0.2:8080 not ready'])

  const version = store.resourceVersion
  apply({ ...pod('c', { app: 'other', ip: '10.0.0.3' }), status: { podIP: '10.0.0.4' } })
  await settled()
  t.equal(store.resourceVersion, version + 1, 'a Pod that no Service selects changes no slice')

  apply(pod('c', { app: 'web', ip: '10.0.0.3' }))
  controlPlane.delete(pod('b', { app: '', ip: '' }))
  t.strictSame(await seen(), ['10.0.0.1:8080 ready', '10.0.0.3:8080 ready'])
  apply(service('web', { ports: [{ port: 80, targetPort: 9090 }] }))
  t.strictSame(await seen(), ['10.0.0.1:9090 ready', '10.0.0.3:9090 ready'])
  controlPlane.delete(service('web'))
  t.strictSame(await seen(), [])
  t.strictSame(store.list(endpointSlices).items, [])
})

void test('slices of Services without a selector belong to their author', async t => {
  const controlPlane = await controlPlaneFor(t)
  const { apply, settled, store } = controlPlane
  const { selector: _, ...spec } = service('manual').spec
  apply({ ...service('manual'), spec })
  apply({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'manual-1', labels: { 'kubernetes.io/service-name': 'manual' } },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['10.0.0.9'], conditions: { ready: true } }],
    ports: [{ port: 80 }],
  })
  apply(pod('a', { app: 'manual', ip: '10.0.0.1' }))
  await settled()
  t.strictSame(endpointsOf(controlPlane, 'manual'), ['10.0.0.9:80 ready'])
  controlPlane.delete(service('manual'))
  await settled()
  t.equal(store.list(endpointSlices).items.length, 1)
})

void test('a managed slice that somebody changes or deletes is put right', async t => {
  const controlPlane = await controlPlaneFor(t)
  const { apply, settled, store } = controlPlane
  apply(service('web'))
  apply(pod('a', { app: 'web', ip: '10.0.0.1' }))
  await settled()
  const [slice] = store.list(endpointSlices).items
  if (!slice) throw new Error('no slice')
  apply({ ...slice, endpoints: [] })
  await settled()
  t.strictSame(endpointsOf(controlPlane, 'web'), ['10.0.0.1:80 ready'])
  controlPlane.delete(slice)
  await settled()
  t.strictSame(endpointsOf(controlPlane, 'web'), ['10.0.0.1:80 ready'])
})

void test('a malformed slice is refused', async t => {
  const { apply } = await controlPlaneFor(t)
  const slice = { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata: { name: 's' } }
  const cases: readonly (readonly [name: string, fields: object, field: RegExp])[] = [
    ['no type', { endpoints: [] }, /addressType: Required/],
    ['odd type', { addressType: 'IPv5' }, /addressType: Unsupported value/],
    [
      'no address',
      { addressType: 'IPv4', endpoints: [{ addresses: [] }] },
      /endpoints\[0\].addresses: Required/,
    ],
    [
      'malformed address',
      { addressType: 'IPv4', endpoints: [{ addresses: ['10.0.0'] }] },
      /addresses\[0\]: Invalid/,
    ],
    [
      'other family',
      { addressType: 'IPv6', endpoints: [{ addresses: ['10.0.0.1'] }] },
      /addresses\[0\]: Invalid/,
    ],
    ['odd port', { addressType: 'IPv4', ports: [{ port: 70_000 }] }, /ports\[0\].port: Invalid/],
    [
      'port name twice',
      { addressType: 'IPv4', ports: [{ port: 1 }, { port: 2 }] },
      /ports\[1\].name: Duplicate/,
    ],
  ]
  for (const [name, fields, message] of cases)
    t.throws(() => apply({ ...slice, ...fields }), { message }, name)
})
