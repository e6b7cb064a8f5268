import { test } from 'tap'
import type { Service, ServiceSpec } from '../../../lib/standalone/kinds/api-types.ts'
import { services } from '../../../lib/standalone/kinds/resources.ts'
import { controlPlaneFor, refusal, service } from '../builders.ts'

const at = (name: string) => ({ namespace: 'default', name })

void test('defaults', async t => {
  const { apply } = await controlPlaneFor(t)
  const { object } = apply(service('web', { type: 'NodePort', ports: [{ port: 80, nodePort: 30_008 }] }))
  t.match(object, {
    metadata: { name: 'web', namespace: 'default', uid: /^[0-9a-f-]{36}$/, creationTimestamp: /Z$/ },
    spec: {
      type: 'NodePort',
      clusterIP: /^127\.96\./,
      clusterIPs: [/^127\.96\./],
      ipFamilies: ['IPv4'],
      ipFamilyPolicy: 'SingleStack',
      sessionAffinity: 'None',
      internalTrafficPolicy: 'Cluster',
      externalTrafficPolicy: 'Cluster',
      ports: [{ port: 80, targetPort: 80, protocol: 'TCP', nodePort: 30_008 }],
    },
    status: { loadBalancer: {} },
  })
  const affine = apply(service('affine', { sessionAffinity: 'ClientIP' })).object as Service
  t.strictSame(affine.spec.sessionAffinityConfig, { clientIP: { timeoutSeconds: 10_800 } })
})

void test('types get what they need', async t => {
  const { apply } = await controlPlaneFor(t, { serviceCidrs: ['127.96.0.0/16', 'fd00:96::/108'] })
  const cases: readonly (readonly [name: string, spec: ServiceSpec, expected: object])[] = [
    ['headless', { clusterIP: 'None' }, { clusterIP: 'None', clusterIPs: ['None'], ipFamilies: ['IPv4'] }],
    ['asked', { clusterIP: '127.96.0.9' }, { clusterIPs: ['127.96.0.9'] }],
    ['six', { ipFamilies: ['IPv6'] }, { clusterIP: /^fd00:96::/, ipFamilies: ['IPv6'] }],
    ['six-by-address', { clusterIP: 'fd00:96:0::7' }, { clusterIP: 'fd00:96::7', ipFamilies: ['IPv6'] }],
    [
      'dual',
      { ipFamilyPolicy: 'PreferDualStack' },
      { clusterIPs: [/^127/, /^fd00/], ipFamilies: ['IPv4', 'IPv6'] },
    ],
    [
      'dns',
      {
        type: 'NodePort',
        ports: [
          { name: 'tcp', port: 53 },
          { name: 'udp', port: 53, protocol: 'UDP', nodePort: 30_053 },
        ],
      },
      { ports: [{ nodePort: 30_053 }, { nodePort: 30_053 }] },
    ],
    [
      'balanced',
      { type: 'LoadBalancer' },
      { ports: [{ nodePort: Number }], allocateLoadBalancerNodePorts: true },
    ],
    [
      'balanced-local',
      { type: 'LoadBalancer', externalTrafficPolicy: 'Local' },
      { ports: [{ nodePort: Number }], healthCheckNodePort: Number },
    ],
  ]
  for (const [name, spec, expected] of cases)
    t.match(apply(service(name, spec)).object, { spec: expected }, name)
  const external = apply(
    service('external', { type: 'ExternalName', externalName: 'example.com', ports: [] }),
  ).object
  t.notMatch(external, { spec: { clusterIP: String } })
})

void test('refused Services', async t => {
  const controlPlane = await controlPlaneFor(t)
  controlPlane.apply(
    service('first', { type: 'NodePort', clusterIP: '127.96.0.5', ports: [{ port: 80, nodePort: 30_008 }] }),
  )
  const nodePort = (value: number): ServiceSpec => ({
    type: 'NodePort',
    ports: [{ port: 80, nodePort: value }],
  })
  const cases: readonly (readonly [name: string, spec: ServiceSpec, field: string, message: RegExp])[] = [
    ['taken nodePort', nodePort(30_008), 'spec.ports[0].nodePort', /: provided port is already allocated$/],
    [
      'taken nodePort, other protocol',
      { type: 'NodePort', ports: [{ port: 80, nodePort: 30_008, protocol: 'UDP' }] },
      'spec.ports[0].nodePort',
      /already allocated$/,
    ],
    [
      'nodePort out of range',
      nodePort(4),
      'spec.ports[0].nodePort',
      /The range of valid ports is 30000-32767$/,
    ],
    ['taken address', { clusterIP: '127.96.0.5' }, 'spec.clusterIPs', /provided IP is already allocated$/],
    ['address out of range', { clusterIP: '10.0.0.1' }, 'spec.clusterIPs', /not in the valid range/],
    ['malformed address', { clusterIP: '1.2.3' }, 'spec.clusterIP', /must be a valid IP address/],
    [
      'nodePort on a ClusterIP',
      { ports: [{ port: 1, nodePort: 30_009 }] },
      'spec.ports[0].nodePort',
      /^Forbidden/,
    ],
    ['no ports', { ports: [] }, 'spec.ports', /^Required value$/],
    [
      'unnamed ports',
      { ports: [{ port: 1 }, { name: 'b', port: 2 }] },
      'spec.ports[0].name',
      /^Required value$/,
    ],
    ['port 0', { ports: [{ port: 0 }] }, 'spec.ports[0].port', /between 1 and 65535/],
    ['port 70000', { ports: [{ port: 70_000 }] }, 'spec.ports[0].port', /between 1 and 65535/],
    ['no port', { ports: [{ name: 'a' }] }, 'spec.ports[0].port', /^Required value$/],
    [
      'odd type',
      { type: 'Nodeport' },
      'spec.type',
      /^Unsupported value: "Nodeport": supported values: "ClusterIP"/,
    ],
    [
      'odd protocol',
      { ports: [{ port: 1, protocol: 'tcp' }] },
      'spec.ports[0].protocol',
      /^Unsupported value/,
    ],
    ['odd targetPort', { ports: [{ port: 1, targetPort: 'A B' }] }, 'spec.ports[0].targetPort', /port name/],
    [
      'same name twice',
      {
        ports: [
          { name: 'a', port: 1 },
          { name: 'a', port: 2 },
        ],
      },
      'spec.ports[1].name',
      /^Duplicate value: "a"$/,
    ],
    [
      'malformed externalIP',
      { externalIPs: ['1.2.3.400'] },
      'spec.externalIPs[0]',
      /must be a valid IP address/,
    ],
    ['multicast externalIP', { externalIPs: ['224.0.0.1'] }, 'spec.externalIPs[0]', /multicast/],
    [
      'malformed range',
      { loadBalancerSourceRanges: ['10.0.0.0/99'] },
      'spec.loadBalancerSourceRanges[0]',
      /CIDR/,
    ],
    [
      'headless NodePort',
      { type: 'NodePort', clusterIP: 'None' },
      'spec.clusterIPs[0]',
      /may not be set to 'None'/,
    ],
    ['no IPv6 here', { ipFamilies: ['IPv6'] }, 'spec.ipFamilies[0]', /not configured on this cluster/],
    ['no dual stack here', { ipFamilyPolicy: 'RequireDualStack' }, 'spec.ipFamilyPolicy', /dual-stack/],
    [
      'endless affinity',
      { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 90_000 } } },
      'spec.sessionAffinityConfig.clientIP.timeoutSeconds',
      /must be greater than 0/,
    ],
    ['ExternalName without a name', { type: 'ExternalName' }, 'spec.externalName', /^Required value$/],
  ]
  const before = controlPlane.store.resourceVersion
  for (const [name, spec, field, message] of cases) {
    t.match(
      refusal(() => controlPlane.apply(service('refused', spec))),
      { code: 422, reason: 'Invalid', details: { causes: [{ field, message }] } },
      name,
    )
  }
  for (const name of ['Upper', '1st', 'a.b', '-a', 'x'.repeat(64)]) {
    t.match(
      refusal(() => controlPlane.apply(service(name))),
      { code: 422 },
      name,
    )
  }
  t.equal(controlPlane.store.resourceVersion, before, 'nothing was stored')
  t.ok(controlPlane.apply(service('fine', nodePort(30_009))), 'and nothing stayed allocated')
})

void test('a Service that is refused halfway gives back what it had taken', async t => {
  const { apply, registry } = await controlPlaneFor(t)
  const ports = [
    { name: 'a', port: 1, nodePort: 30_001 },
    { name: 'b', port: 2, nodePort: 1 },
  ]
  t.throws(() => apply(service('a', { type: 'NodePort', clusterIP: '127.96.0.5', ports })))
  t.ok(apply(service('b', { type: 'NodePort', clusterIP: '127.96.0.5', ports: ports.slice(0, 1) })))
  t.equal(registry.store.list(services).items.length, 1)
})

void test('an update keeps what was allocated, and a change of type releases it', async t => {
  const controlPlane = await controlPlaneFor(t)
  const { apply, registry } = controlPlane
  const web = (spec: ServiceSpec): ServiceSpec => apply(service('web', spec)).object['spec'] as ServiceSpec
  const first = web({ type: 'NodePort' })
  const nodePort = first.ports?.[0]?.nodePort ?? 0
  t.strictSame(web({ type: 'NodePort', selector: { app: 'other' } }), {
    ...first,
    selector: { app: 'other' },
  })

  const internal = web({ type: 'ClusterIP' })
  t.equal(internal.clusterIP, first.clusterIP)
  t.notHas(internal.ports?.[0], { nodePort: Number })
  t.notHas(internal, { externalTrafficPolicy: 'Cluster' })
  t.ok(apply(service('other', { type: 'NodePort', ports: [{ port: 80, nodePort }] })), 'its nodePort is free')

  t.match(
    refusal(() => web({ clusterIP: '127.96.0.77' })),
    { code: 422, message: /may not change once set/ },
  )
  const external = web({ type: 'ExternalName', externalName: 'example.com' })
  t.notHas(external, { clusterIP: String })
  const ip = first.clusterIP ?? ''
  t.ok(apply(service('heir', { clusterIP: ip })), 'its address is free')
  controlPlane.delete(service('heir'))
  t.ok(apply(service('heir2', { clusterIP: ip })), 'and again after a delete')
  t.equal(registry.get(services, at('web')).metadata.name, 'web')
})

void test('an update that is refused changes neither the object nor its allocations', async t => {
  const { apply, registry } = await controlPlaneFor(t)
  const ports = (nodePort: number) => ({ type: 'NodePort', ports: [{ port: 80, nodePort }] })
  apply(service('a', ports(30_001)))
  apply(service('b', ports(30_002)))
  const before = registry.get(services, at('b'))
  t.match(
    refusal(() => apply(service('b', ports(30_001)))),
    { code: 422 },
  )
  t.equal(registry.get(services, at('b')), before)
  t.match(
    refusal(() => apply(service('c', ports(30_002)))),
    { code: 422 },
  )
})
