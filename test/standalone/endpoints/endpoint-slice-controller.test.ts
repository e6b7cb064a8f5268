import * as fc from 'fast-check'
import { test } from 'tap'
import type { KubeObject } from '../../../lib/model/objects.ts'
import { silentLog } from '../../../lib/ops/log.ts'
import type { ControlPlane } from '../../../lib/standalone/control-plane.ts'
import { startEndpointSliceController } from '../../../lib/standalone/endpoints/endpoint-slice-controller.ts'
import {
  controllerName,
  managedByLabel,
  serviceNameLabel,
} from '../../../lib/standalone/endpoints/endpoint-slices.ts'
import type { Endpoints, EndpointSlice, Pod, Service } from '../../../lib/standalone/kinds/api-types.ts'
import {
  endpoints,
  endpointSlices,
  namespaces,
  pods,
  services,
} from '../../../lib/standalone/kinds/resources.ts'
import { controlPlaneFor, endpointsOf, namespace, pod, service } from '../builders.ts'

const slicesOf = ({ store }: ControlPlane): readonly EndpointSlice[] => store.list(endpointSlices).items
const node = (name: string, zone: string): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name, labels: { 'topology.kubernetes.io/zone': zone } },
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

void test('a client that takes a slice over is worked around', async t => {
  const controlPlane = await controlPlaneFor(t)
  const { apply, settled } = controlPlane
  apply(service('web'))
  apply(pod('a', { app: 'web', ip: '10.0.0.1' }))
  await settled()
  const [slice] = slicesOf(controlPlane)
  if (!slice) throw new Error('no slice')
  const { labels } = slice.metadata
  const edits: readonly (readonly [name: string, edited: EndpointSlice])[] = [
    ['another manager', withLabels(slice, { ...labels, [managedByLabel]: 'me' })],
    ['another Service', withLabels(slice, { ...labels, [serviceNameLabel]: 'other' })],
    ['no labels', withLabels(slice, {})],
    [
      'no owner',
      { ...slice, metadata: { ...slice.metadata, ownerReferences: [] } as EndpointSlice['metadata'] },
    ],
    ['other ports', { ...slice, ports: [{ name: 'x', protocol: 'UDP', port: 9 }] }],
  ]
  for (const [name, edited] of edits) {
    const { resourceVersion: _, ...metadata } = edited.metadata
    if (slicesOf(controlPlane).some(other => other.metadata.name === slice.metadata.name)) {
      apply({ ...edited, metadata })
    }
    await settled()
    const own = slicesOf(controlPlane).filter(({ metadata: { labels: others } }) => {
      return others?.[managedByLabel] === controllerName && others[serviceNameLabel] === 'web'
    })
    const text = own.map(({ endpoints: list, ports }) => `${list?.[0]?.addresses?.[0]}:${ports?.[0]?.port}`)
    t.strictSame(text, ['10.0.0.1:80'], name)
  }
  controlPlane.delete(service('web'))
  await settled()
  t.strictSame(slicesOf(controlPlane), [], 'what was made for the Service goes with it')
})

void test('a Service of the same name gets slices of its own', async t => {
  const controlPlane = await controlPlaneFor(t)
  const { apply, settled } = controlPlane
  apply(service('web'))
  apply(pod('a', { app: 'web', ip: '10.0.0.1' }))
  await settled()
  const [before] = slicesOf(controlPlane)
  controlPlane.delete(service('web'))
  const { object } = apply(service('web'))
  await settled()
  const [after, ...more] = slicesOf(controlPlane)
  t.strictSame(more, [])
  t.not(after?.metadata.uid, before?.metadata.uid)
  t.match(after?.metadata, { ownerReferences: [{ uid: object.metadata.uid }] })
})

void test('a Service that changes what it is', async t => {
  const controlPlane = await controlPlaneFor(t)
  const { apply, settled, store } = controlPlane
  const seen = async (): Promise<object> => {
    await settled()
    const object = store.get(endpoints, 'default/web')
    return { slices: endpointsOf(controlPlane, 'web'), endpoints: object && (object.subsets ?? 'no subsets') }
  }
  const { selector: _, ...unselective } = service('web').spec
  const subsets = [{ addresses: [{ ip: '10.0.0.1' }], ports: [{ port: 80 }] }]
  apply(pod('a', { app: 'web', ip: '10.0.0.1' }))
  apply(service('web'))
  t.match(await seen(), { slices: ['10.0.0.1:80 ready'], endpoints: subsets })
  apply({ ...service('web'), spec: unselective })
  t.match(await seen(), { slices: ['10.0.0.1:80 ready'], endpoints: subsets }, 'its slices are its own now')
  apply(service('web', { selector: { app: 'nobody' } }))
  t.match(await seen(), { slices: [], endpoints: 'no subsets' })
  apply(service('web'))
  t.match(await seen(), { slices: ['10.0.0.1:80 ready'], endpoints: subsets })
  apply({
    ...service('web'),
    spec: { type: 'ExternalName', externalName: 'example.com', selector: { app: 'web' } },
  })
  t.strictSame(await seen(), { slices: [], endpoints: undefined })
  t.strictSame(slicesOf(controlPlane), [])
  apply(service('web'))
  t.match(await seen(), { slices: ['10.0.0.1:80 ready'], endpoints: subsets })
})

void test('the Endpoints of a Service', async t => {
  const controlPlane = await controlPlaneFor(t)
  const { apply, settled, store } = controlPlane
  const seen = async (name: string): Promise<Endpoints | undefined> => {
    await settled()
    return store.get(endpoints, `default/${name}`)
  }
  const { object } = apply({ ...service('web'), metadata: { name: 'web', labels: { team: 'a' } } })
  const empty = await seen('web')
  t.match(empty, { kind: 'Endpoints', metadata: { labels: { team: 'a' } } })
  t.notOk(empty && 'subsets' in empty, 'a Service without Pods has Endpoints without subsets')
  t.equal(
    empty?.metadata.annotations?.['endpoints.kubernetes.io/last-change-trigger-time'],
    object.metadata.creationTimestamp,
  )
  apply(pod('a', { app: 'web', ip: '10.0.0.1' }))
  apply(pod('b', { app: 'web', ip: '10.0.0.2', ready: false }))
  t.match(await seen('web'), {
    subsets: [
      {
        addresses: [{ ip: '10.0.0.1', targetRef: { name: 'a' } }],
        notReadyAddresses: [{ ip: '10.0.0.2', targetRef: { name: 'b' } }],
      },
    ],
  })
  controlPlane.delete({ ...(await seen('web')), metadata: { name: 'web' } })
  t.ok(await seen('web'), 'made again')
  controlPlane.delete(service('web'))
  t.equal(await seen('web'), undefined)

  const { selector: _, ...spec } = service('manual').spec
  apply({ ...service('manual'), spec })
  const manual = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'manual-1', labels: { 'kubernetes.io/service-name': 'manual' } },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['10.0.0.9'] }],
    ports: [{ port: 80 }],
  }
  apply(manual)
  t.match(await seen('manual'), { subsets: [{ addresses: [{ ip: '10.0.0.9' }] }] }, 'from hand-made slices')
  controlPlane.delete(manual)
  t.equal(await seen('manual'), undefined)
})

void test('zones come and go with the Nodes', async t => {
  const controlPlane = await controlPlaneFor(t)
  const { apply, settled, store } = controlPlane
  const seen = async (): Promise<unknown> => {
    await settled()
    const endpoint = slicesOf(controlPlane)[0]?.endpoints?.[0]
    return [endpoint?.nodeName, endpoint?.zone, endpoint?.hints?.forZones?.[0]?.name]
  }
  apply(service('web', { trafficDistribution: 'PreferSameZone' }))
  apply(
    pod('a', {
      app: 'web',
      ip: '10.0.0.1',
      spec: { nodeName: 'n1', containers: [{ name: 'c', image: 'i' }] },
    }),
  )
  t.strictSame(await seen(), ['n1', undefined, undefined])
  apply(node('n1', 'z1'))
  t.strictSame(await seen(), ['n1', 'z1', 'z1'])
  apply(node('n1', 'z2'))
  t.strictSame(await seen(), ['n1', 'z2', 'z2'])
  const version = store.resourceVersion
  apply(node('n2', 'z3'))
  await settled()
  t.equal(store.resourceVersion, version + 1, 'a Node without Pods changes no slice')
  controlPlane.delete(node('n1', ''))
  t.strictSame(await seen(), ['n1', undefined, undefined])
})

void test('a namespace goes with all that is in it', async t => {
  const controlPlane = await controlPlaneFor(t)
  const { apply, settled, store } = controlPlane
  apply(namespace('shop'))
  apply({ ...service('web'), metadata: { name: 'web', namespace: 'shop' } })
  await settled()
  t.equal(store.list(endpointSlices).items.length, 1)
  controlPlane.delete(namespace('shop'))
  await settled()
  t.strictSame([store.list(endpointSlices).items, store.list(endpoints).items], [[], []])
})

type Step =
  | { readonly do: 'service'; readonly i: number; readonly app: number; readonly port: string | number }
  | {
      readonly do: 'pod'
      readonly i: number
      readonly app: number
      readonly ready: boolean
      readonly port: number
    }
  | { readonly do: 'delete-service' | 'delete-pod'; readonly i: number }
  | { readonly do: 'edit' | 'delete-slice' | 'delete-endpoints'; readonly pick: number }
  | { readonly do: 'settle' }

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constant('service' as const),
    i: fc.nat(2),
    app: fc.nat(2),
    port: fc.constantFrom('web', 8080, 9090),
  }),
  fc.record({
    do: fc.constant('pod' as const),
    i: fc.nat(5),
    app: fc.nat(2),
    ready: fc.boolean(),
    port: fc.constantFrom(7070, 8080),
  }),
  fc.record({ do: fc.constantFrom('delete-service' as const, 'delete-pod' as const), i: fc.nat(5) }),
  fc.record({
    do: fc.constantFrom('edit' as const, 'delete-slice' as const, 'delete-endpoints' as const),
    pick: fc.nat(),
  }),
  fc.constant({ do: 'settle' as const }),
)

void test('property: whatever happens, the slices end as they should, and a second look changes nothing', async t => {
  const controlPlane = await controlPlaneFor(t)
  const { registry, store, settled } = controlPlane
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async steps => {
      for (const type of [services, pods]) {
        for (const object of store.list(type).items) {
          registry.delete(type, { namespace: 'default', name: object.metadata.name ?? '' })
        }
      }
      for (const each of steps) {
        if (each.do === 'settle') await settled()
        else take(controlPlane, each)
      }
      await settled()
      const version = store.resourceVersion
      // Another controller looks at everything, and knows nothing of what the first one did.
      const second = startEndpointSliceController({ registry, log: silentLog })
      await second.settled()
      second.close()
      await settled()
      const [wanted, actual] = [expected(controlPlane), shown(controlPlane)]
      return store.resourceVersion === version && wanted === actual
    }),
    { numRuns: 150 },
  )
})

function take(controlPlane: ControlPlane, each: Exclude<Step, { do: 'settle' }>): void {
  const { apply, registry, store } = controlPlane
  switch (each.do) {
    case 'service':
      apply(
        service(`s${each.i}`, {
          selector: { app: `a${each.app}` },
          ports: [{ port: 80, targetPort: each.port }],
        }),
      )
      return
    case 'pod': {
      const ports = [{ name: 'web', containerPort: each.port }]
      const name = `p${each.i}`
      // What a container listens on can't change, so each of these is another Pod.
      if (store.get(pods, `default/${name}`)) registry.delete(pods, { namespace: 'default', name })
      const spec = { containers: [{ name: 'c', image: 'i', ports }] }
      apply(pod(name, { app: `a${each.app}`, ip: `10.0.0.${each.i}`, ready: each.ready, spec }))
      return
    }
    case 'delete-service':
    case 'delete-pod': {
      const [type, name] = each.do === 'delete-pod' ? [pods, `p${each.i}`] : [services, `s${each.i}`]
      if (store.get(type, `default/${name}`)) registry.delete(type, { namespace: 'default', name })
      return
    }
    default: {
      const type = each.do === 'delete-endpoints' ? endpoints : endpointSlices
      const { items } = store.list(type)
      const object = items[each.pick % items.length]
      if (!object) return
      if (each.do !== 'edit')
        registry.delete(type, { namespace: 'default', name: object.metadata.name ?? '' })
      else apply({ ...object, endpoints: [{ addresses: ['10.9.9.9'] }], ports: [] })
    }
  }
}

/** What each Service should lead to, worked out anew from the Pods. */
function expected({ store }: ControlPlane): string {
  const lines = (store.list(services).items as readonly Service[]).map(({ metadata, spec }) => {
    const members = (store.list(pods).items as readonly Pod[]).flatMap(one => {
      if (one.metadata.labels?.['app'] !== spec.selector?.['app']) return []
      const targetPort = spec.ports?.[0]?.targetPort
      const port = targetPort === 'web' ? one.spec?.containers?.[0]?.ports?.[0]?.containerPort : targetPort
      const ready = one.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True')
      return [`${one.status?.podIP}:${port} ${ready ? 'ready' : 'not ready'}`]
    })
    return `${metadata.name} = ${members.sort().join()}`
  })
  return [...lines, ...lines].join('\n')
}

/** What the slices say, then what the Endpoints say. */
function shown(controlPlane: ControlPlane): string {
  const { store } = controlPlane
  const names = store.list(services).items.map(({ metadata }) => metadata.name ?? '')
  const slices = names.map(name => `${name} = ${endpointsOf(controlPlane, name).join()}`)
  const derived = (store.list(endpoints).items as readonly Endpoints[]).map(({ metadata, subsets = [] }) => {
    const members = subsets.flatMap(({ addresses = [], notReadyAddresses = [], ports = [] }) =>
      ports.flatMap(({ port }) => [
        ...addresses.map(({ ip }) => `${ip}:${port} ready`),
        ...notReadyAddresses.map(({ ip }) => `${ip}:${port} not ready`),
      ]),
    )
    return `${metadata.name} = ${members.sort().join()}`
  })
  return [...slices, ...derived].join('\n')
}

function withLabels(slice: EndpointSlice, labels: Record<string, string>): EndpointSlice {
  return { ...slice, metadata: { ...slice.metadata, labels } }
}

void test('a Service that outlives what is in its Namespace gets no endpoints any more, and nobody complains', async t => {
  const failures: unknown[] = []
  const log = { ...silentLog, error: (...line: readonly unknown[]) => void failures.push(line) }
  const { registry, settled, store } = await controlPlaneFor(t, { log })
  registry.create(namespaces, namespace('mine'))
  const held = { name: 'web', namespace: 'mine', finalizers: ['example.com/held'] }
  registry.create(services, { ...service('web'), metadata: held })
  await settled()
  t.equal(store.list(endpoints).items.length, 1)
  registry.delete(namespaces, { namespace: '', name: 'mine' })
  await settled()
  t.equal(store.list(endpoints).items.length, 0)
  t.equal(store.list(services).items.length, 1)
  t.strictSame(failures, [])
})
