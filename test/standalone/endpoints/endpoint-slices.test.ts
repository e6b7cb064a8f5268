import * as fc from 'fast-check'
import { test } from 'tap'
import type { EndpointSlice, Pod, Service, ServiceSpec } from '../../../lib/standalone/kinds/api-types.ts'
import {
  maxEndpointsPerSlice,
  reconcileSlices,
  type SliceChanges,
} from '../../../lib/standalone/endpoints/endpoint-slices.ts'
import { controlPlaneFor, pod, service } from '../builders.ts'

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
    [
      'terminating, and published all the same',
      { metadata: { name: 'a', deletionTimestamp: '2026-01-01T00:00:00Z' } },
      { publishNotReadyAddresses: true },
      { ready: true, serving: true, terminating: true },
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
    ['an address that no endpoint may have', { podIP: '169.254.0.1', podIPs: [{ ip: '169.254.0.1' }] }],
    ['not an address', { podIP: 'x', podIPs: [{ ip: 'x' }, {}] }],
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
  const sidecar = { ports: [{ name: 'web', containerPort: 7070 }] }
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
    pod('f', {
      app: 'web',
      ip: '10.0.0.6',
      spec: { initContainers: [{ ...sidecar, restartPolicy: 'Always' }] },
    }),
    pod('g', { app: 'web', ip: '10.0.0.7', spec: { initContainers: [sidecar] } }),
  )
  const text = slices.map(slice => {
    const list = (slice.ports ?? []).map(port => `${port.name}:${port.port}`)
    return `${list.join(' ')} = ${(slice.endpoints ?? []).map(endpoint => endpoint.addresses?.[0]).join(' ')}`
  })
  t.strictSame(text.sort(), [
    'dns:53 = 10.0.0.4 10.0.0.7',
    'http:7070 dns:53 = 10.0.0.6',
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

/** Pods in the addresses' order, `ready` or not. */
const podsFrom = (from: number, count: number, ready = true): readonly Pod[] =>
  Array.from({ length: count }, (_, n) => {
    const i = from + n
    const metadata = { name: `p${i}`, uid: `uid-${i}` }
    return pod(metadata.name, { app: 'web', ip: `10.0.${i >> 8}.${i & 255}`, ready, metadata })
  })

/** Slices as they are once the registry has named them. */
const stored = (slices: readonly EndpointSlice[], prefix = 's'): readonly EndpointSlice[] =>
  slices.map((slice, i) => ({ ...slice, metadata: { ...slice.metadata, name: `${prefix}${i}` } }))

const summary = ({ create, update, delete: gone }: SliceChanges): object => ({
  create: create.map(({ endpoints }) => endpoints?.length),
  update: update.map(({ metadata, endpoints }) => `${metadata.name} ${endpoints?.length}`),
  delete: gone.map(({ metadata }) => metadata.name),
})

void test('at most 100 endpoints in a slice', async t => {
  t.strictSame(summary(reconcileSlices(web(), podsFrom(0, 250), [], noZone)), {
    create: [100, 100, 50],
    update: [],
    delete: [],
  })
})

void test('where new endpoints go', async t => {
  const sized = (...sizes: readonly number[]) => {
    let from = 0
    return sizes.map((size, i) => {
      const made = reconcileSlices(web(), podsFrom(from, size), [], noZone).create
      from += 1000
      return stored(made, `s${i}-`)[0] as EndpointSlice
    })
  }
  const cases: readonly (readonly [
    name: string,
    existing: readonly EndpointSlice[],
    pods: readonly Pod[],
    changes: object,
  ])[] = [
    [
      'into the fullest slice that has room for all of them',
      sized(20, 90, 95),
      [...podsFrom(0, 20), ...podsFrom(1000, 90), ...podsFrom(2000, 95), ...podsFrom(5000, 7)],
      { create: [], update: ['s1-0 97'], delete: [] },
    ],
    [
      'into a new slice where no single one has room',
      sized(90, 95),
      [...podsFrom(0, 90), ...podsFrom(1000, 95), ...podsFrom(5000, 15)],
      { create: [15], update: [], delete: [] },
    ],
    [
      'first into a slice that changes anyway',
      sized(20, 90),
      [...podsFrom(0, 19), ...podsFrom(1000, 90), ...podsFrom(5000, 7)],
      { create: [], update: ['s0-0 26'], delete: [] },
    ],
    [
      'an emptied slice is used again',
      sized(20, 100),
      [...podsFrom(1000, 100), ...podsFrom(5000, 30)],
      { create: [], update: ['s0-0 30'], delete: [] },
    ],
    [
      'an emptied slice that nobody needs goes',
      sized(20, 100),
      podsFrom(1000, 100),
      { create: [], update: [], delete: ['s0-0'] },
    ],
    ['the last one stays, empty', sized(20), [], { create: [], update: ['s0-0 0'], delete: [] }],
    [
      'sparse slices are left as they are',
      sized(1, 1),
      [...podsFrom(0, 1), ...podsFrom(1000, 1)],
      {
        create: [],
        update: [],
        delete: [],
      },
    ],
  ]
  for (const [name, existing, pods, changes] of cases) {
    t.strictSame(summary(reconcileSlices(web(), pods, existing, noZone)), changes, name)
  }
})

void test('other ports: the slices are used again', async t => {
  const existing = stored(reconcileSlices(web(), podsFrom(0, 150), [], noZone).create)
  const spec: ServiceSpec = { ports: [{ port: 80, protocol: 'TCP', targetPort: 9090 }] }
  const changes = reconcileSlices(web(spec), podsFrom(0, 150), existing, noZone)
  t.match(summary(changes), { create: [], delete: [] })
  t.match(changes.update, [{ ports: [{ port: 9090 }] }, { ports: [{ port: 9090 }] }])
})

void test('whose slices they are', async t => {
  const owned = (uid: string): Service => ({ ...web(), metadata: { ...web().metadata, uid } })
  const [slice] = stored(reconcileSlices(owned('old'), podsFrom(0, 2), [], noZone).create)
  if (!slice) throw new Error('no slice')
  t.strictSame(
    summary(reconcileSlices(owned('new'), podsFrom(0, 2), [slice], noZone)),
    { create: [2], update: [], delete: ['s0'] },
    'of an earlier Service of this name',
  )
  const leaving = { ...slice, metadata: { ...slice.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } }
  t.strictSame(
    summary(reconcileSlices(owned('old'), podsFrom(0, 2), [leaving], noZone)),
    { create: [2], update: [], delete: [] },
    'one that is being deleted counts no more',
  )
  const ending = owned('old')
  const { metadata } = ending
  const service = { ...ending, metadata: { ...metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } }
  t.strictSame(
    summary(reconcileSlices(service, podsFrom(0, 2), [], noZone)),
    { create: [], update: [], delete: [] },
    'a Service that is being deleted gets none',
  )
  t.strictSame(
    summary(reconcileSlices({ ...ending, spec: { type: 'ExternalName' } }, podsFrom(0, 2), [slice], noZone)),
    { create: [], update: [], delete: ['s0'] },
    'an ExternalName has none',
  )
})

void test('labels follow the Service, reserved ones excepted', async t => {
  const labelled = (labels: Record<string, string>): Service => ({
    ...web({ clusterIP: '10.96.0.1' }),
    metadata: { ...web().metadata, labels },
  })
  const reserved = {
    'service.kubernetes.io/headless': '',
    'kubernetes.io/service-name': 'other',
    'endpointslice.kubernetes.io/managed-by': 'me',
  }
  const [slice] = stored(
    reconcileSlices(labelled({ team: 'a', ...reserved }), podsFrom(0, 1), [], noZone).create,
  )
  t.strictSame(slice?.metadata.labels, {
    team: 'a',
    'kubernetes.io/service-name': 'web',
    'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
  })
  const { update } = reconcileSlices(labelled({ team: 'b' }), podsFrom(0, 1), slice ? [slice] : [], noZone)
  t.match(update, [{ metadata: { name: 's0', labels: { team: 'b' } } }])
})

void test('the trigger time is that of the last write', async t => {
  const key = 'endpoints.kubernetes.io/last-change-trigger-time'
  const time = '2026-01-01T00:00:00Z'
  const made = stored(reconcileSlices(web(), podsFrom(0, 1), [], noZone, time).create)
  t.strictSame(made[0]?.metadata.annotations, { [key]: time })
  t.strictSame(reconcileSlices(web(), podsFrom(0, 1), made, noZone, '2026-01-02T00:00:00Z').update, [])
  const kept = made.map(slice => ({
    ...slice,
    metadata: { ...slice.metadata, annotations: { ...slice.metadata.annotations, mine: 'x' } },
  }))
  const [unknown] = reconcileSlices(web(), podsFrom(0, 2), kept, noZone).update
  t.strictSame(unknown?.metadata.annotations, { mine: 'x' }, 'an unknown cause leaves none')
})

void test('hints', async t => {
  const zoneOf = (nodeName: string): string | undefined => (nodeName === 'n1' ? 'z1' : undefined)
  const on = (nodeName: string, ready = true): Pod =>
    pod('a', { app: 'web', ip: '10.0.0.1', ready, spec: nodeName ? { nodeName } : {} })
  const zone = { forZones: [{ name: 'z1' }] }
  const node = (name: string) => ({ forNodes: [{ name }] })
  const cases: readonly (readonly [name: string, distribution: string, pod: Pod, hints: unknown])[] = [
    ['the zone', 'PreferSameZone', on('n1'), zone],
    ['the zone, by the older name', 'PreferClose', on('n1'), zone],
    ['the node and its zone', 'PreferSameNode', on('n1'), { ...zone, ...node('n1') }],
    ['a node without a zone', 'PreferSameNode', on('n2'), node('n2')],
    ['no zone, no hint', 'PreferSameZone', on('n2'), undefined],
    ['no node, no hint', 'PreferSameNode', on(''), undefined],
    ['not ready', 'PreferSameZone', on('n1', false), undefined],
    ['not asked for', '', on('n1'), undefined],
    ['a word nobody knows', 'PreferMoon', on('n1'), undefined],
  ]
  const hintsOf = (service: Service, pod: Pod, existing: readonly EndpointSlice[] = []): unknown => {
    const { create, update } = reconcileSlices(service, [pod], existing, zoneOf)
    return [...create, ...update][0]?.endpoints?.[0]?.hints
  }
  for (const [name, trafficDistribution, pod, hints] of cases) {
    t.strictSame(hintsOf(web({ trafficDistribution }), pod), hints, name)
  }
  const asked = web({ trafficDistribution: 'PreferSameZone' })
  for (const key of ['service.kubernetes.io/topology-mode', 'service.kubernetes.io/topology-aware-hints']) {
    const annotated = { ...asked, metadata: { ...asked.metadata, annotations: { [key]: 'Auto' } } }
    t.equal(hintsOf(annotated, on('n1')), undefined, key)
  }
  const hinted = stored(reconcileSlices(asked, [on('n1')], [], zoneOf).create)
  const { update } = reconcileSlices(web(), [on('n1')], hinted, zoneOf)
  t.equal(update.length, 1)
  t.equal(update[0]?.endpoints?.[0]?.hints, undefined, 'they go with the field')
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
