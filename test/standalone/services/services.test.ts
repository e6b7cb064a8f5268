import { test } from 'tap'
import type { Service, ServiceSpec } from '../../../lib/standalone/kinds/api-types.ts'
import { services } from '../../../lib/standalone/kinds/resources.ts'
import { controlPlaneFor, refusal, service } from '../builders.ts'

const dualStack = { serviceCidrs: ['10.96.0.0/16', 'fd00:96::/108'] }
const two = [
  { name: 'a', port: 1 },
  { name: 'b', port: 2 },
]

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
})

void test('what is left out is filled in, and what says nothing is left out', async t => {
  const { apply } = await controlPlaneFor(t, dualStack)
  const absent = undefined
  const cases: readonly (readonly [name: string, spec: ServiceSpec, expected: object])[] = [
    [
      'affinity',
      { sessionAffinity: 'ClientIP' },
      { sessionAffinityConfig: { clientIP: { timeoutSeconds: 10_800 } } },
    ],
    [
      'affinity-given',
      { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 5 } } },
      { sessionAffinityConfig: { clientIP: { timeoutSeconds: 5 } } },
    ],
    ['no-affinity', { sessionAffinityConfig: { clientIP: {} } }, { sessionAffinityConfig: absent }],
    ['external-policy', { externalIPs: ['192.0.2.1'] }, { externalTrafficPolicy: 'Cluster' }],
    ['no-external-policy', {}, { externalTrafficPolicy: absent, allocateLoadBalancerNodePorts: absent }],
    [
      'balanced',
      { type: 'LoadBalancer' },
      {
        ports: [{ nodePort: Number }],
        allocateLoadBalancerNodePorts: true,
        externalTrafficPolicy: 'Cluster',
      },
    ],
    [
      'balanced-local',
      { type: 'LoadBalancer', externalTrafficPolicy: 'Local' },
      { ports: [{ nodePort: Number }], healthCheckNodePort: Number },
    ],
    [
      'balanced-without-ports',
      {
        type: 'LoadBalancer',
        allocateLoadBalancerNodePorts: false,
        ports: [...two, { name: 'c', port: 3, nodePort: 30_777 }],
      },
      { ports: [{ nodePort: absent }, { nodePort: absent }, { nodePort: 30_777 }] },
    ],
    [
      'external',
      { type: 'ExternalName', externalName: 'example.com.', ports: [] },
      {
        externalName: 'example.com.',
        clusterIP: absent,
        clusterIPs: absent,
        ipFamilies: absent,
        internalTrafficPolicy: absent,
        ports: absent,
      },
    ],
    ['target-0', { ports: [{ port: 80, targetPort: 0 }] }, { ports: [{ targetPort: 80 }] }],
    ['target-empty', { ports: [{ port: 80, targetPort: '' }] }, { ports: [{ targetPort: 80 }] }],
    ['target-named', { ports: [{ port: 80, targetPort: 'http' }] }, { ports: [{ targetPort: 'http' }] }],
    [
      'empties',
      {
        type: '',
        clusterIP: '',
        clusterIPs: [],
        externalIPs: [],
        ipFamilies: [],
        selector: {},
        sessionAffinity: '',
        healthCheckNodePort: 0,
        publishNotReadyAddresses: false,
        ports: [{ name: '', port: 80, protocol: '', nodePort: 0 }],
      },
      {
        type: 'ClusterIP',
        clusterIP: /^10\.96/,
        externalIPs: absent,
        selector: absent,
        publishNotReadyAddresses: absent,
        healthCheckNodePort: absent,
        ports: [{ name: absent, protocol: 'TCP', nodePort: absent }],
      },
    ],
  ]
  for (const [name, spec, expected] of cases) {
    t.match(apply(service(name, spec)).object, { spec: expected }, name)
  }
})

void test('node ports', async t => {
  const { apply } = await controlPlaneFor(t)
  const dns = (tcp?: number, udp?: number): ServiceSpec => ({
    type: 'NodePort',
    ports: [
      { name: 'tcp', port: 53, ...(tcp === undefined ? {} : { nodePort: tcp }) },
      { name: 'udp', port: 53, protocol: 'UDP', ...(udp === undefined ? {} : { nodePort: udp }) },
    ],
  })
  const nodePorts = (name: string, spec: ServiceSpec): readonly (number | undefined)[] =>
    (apply(service(name, spec)).object as Service).spec.ports?.map(port => port.nodePort) ?? []
  t.strictSame(nodePorts('asked-once', dns(undefined, 30_053)), [30_053, 30_053], 'one number, one nodePort')
  t.strictSame(nodePorts('asked-twice', dns(30_054, 30_055)), [30_054, 30_055])
  const [tcp, udp] = nodePorts('unasked', dns())
  t.equal(tcp, udp)
  t.ok(tcp !== undefined && tcp >= 30_086, 'low ones are for those who ask')
  const next = (tcp ?? 0) + 1
  const mixed: ServiceSpec = {
    type: 'NodePort',
    ports: [
      { name: 'a', port: 1 },
      { name: 'b', port: 2, nodePort: next },
    ],
  }
  t.strictSame(nodePorts('mixed', mixed), [next + 1, next], 'nobody is given what a later port asks for')
})

void test('refused Services, with every cause in the order of the real server', async t => {
  const controlPlane = await controlPlaneFor(t, dualStack)
  const first: ServiceSpec = {
    type: 'NodePort',
    clusterIP: '10.96.0.5',
    ports: [{ port: 80, nodePort: 30_008 }],
  }
  controlPlane.apply(service('first', first))
  const nodePort = (value: number, more: object = {}): ServiceSpec => ({
    type: 'NodePort',
    ports: [{ port: 80, nodePort: value, ...more }],
  })
  const external = (spec: ServiceSpec): ServiceSpec => ({
    type: 'ExternalName',
    externalName: 'e.com',
    ...spec,
  })
  const balancer = (spec: ServiceSpec): ServiceSpec => ({ type: 'LoadBalancer', ...spec })
  const affinity = (timeoutSeconds: number): ServiceSpec => ({
    sessionAffinity: 'ClientIP',
    sessionAffinityConfig: { clientIP: { timeoutSeconds } },
  })
  const cases: readonly (readonly [name: string, spec: ServiceSpec, ...causes: readonly string[]])[] = [
    ['taken nodePort', nodePort(30_008), 'Invalid spec.ports[0].nodePort'],
    [
      'taken nodePort, other protocol',
      nodePort(30_008, { protocol: 'UDP' }),
      'Invalid spec.ports[0].nodePort',
    ],
    ['nodePort out of range', nodePort(4), 'Invalid spec.ports[0].nodePort'],
    [
      'nodePort of two numbers',
      { type: 'NodePort', ports: two.map(port => ({ ...port, nodePort: 30_070 })) },
      'Invalid spec.ports[1].nodePort',
    ],
    [
      'nodePort on a ClusterIP',
      { ports: [{ port: 1, nodePort: 30_009 }] },
      'Forbidden spec.ports[0].nodePort',
    ],
    ['taken address', { clusterIP: '10.96.0.5' }, 'Invalid spec.clusterIPs'],
    ['address out of range', { clusterIP: '10.0.0.1' }, 'Invalid spec.clusterIPs'],
    ['malformed address', { clusterIP: '1.2.3' }, 'Invalid spec.clusterIPs[0]'],
    ['list of addresses only', { clusterIPs: ['10.96.0.6'] }, 'Invalid spec.clusterIPs'],
    [
      'addresses that disagree',
      { clusterIP: '10.96.0.6', clusterIPs: ['10.96.0.7'] },
      'Invalid spec.clusterIPs',
    ],
    ['None and more', { clusterIP: 'None', clusterIPs: ['None', '10.96.0.7'] }, 'Invalid spec.clusterIPs'],
    [
      'None later',
      { clusterIP: '10.96.0.7', clusterIPs: ['10.96.0.7', 'None'] },
      'Invalid spec.clusterIPs[1]',
    ],
    ['no ports', { ports: [] }, 'Required spec.ports'],
    ['unnamed ports', { ports: [{ port: 1 }, { name: 'b', port: 2 }] }, 'Required spec.ports[0].name'],
    ['port 0', { ports: [{ port: 0 }] }, 'Invalid spec.ports[0].port', 'Invalid spec.ports[0].targetPort'],
    ['no port', { ports: [{ name: 'a' }] }, 'Invalid spec.ports[0].port', 'Invalid spec.ports[0].targetPort'],
    ['port 70000', { ports: [{ port: 70_000, targetPort: 1 }] }, 'Invalid spec.ports[0].port'],
    ['odd protocol', { ports: [{ port: 1, protocol: 'tcp' }] }, 'NotSupported spec.ports[0].protocol'],
    ['targetPort of digits', { ports: [{ port: 1, targetPort: '80' }] }, 'Invalid spec.ports[0].targetPort'],
    ['odd port name', { ports: [{ port: 1, name: 'HTTP' }] }, 'Invalid spec.ports[0].name'],
    ['odd appProtocol', { ports: [{ port: 1, appProtocol: 'a b' }] }, 'Invalid spec.ports[0].appProtocol'],
    ['same name twice', { ports: two.map(port => ({ ...port, name: 'a' })) }, 'Duplicate spec.ports[1].name'],
    ['same number twice', { ports: two.map(port => ({ ...port, port: 1 })) }, 'Duplicate spec.ports[1]'],
    ['odd selector', { selector: { 'a b': 'c d' } }, 'Invalid spec.selector', 'Invalid spec.selector'],
    ['odd type', { type: 'Nodeport' }, 'NotSupported spec.type'],
    ['odd affinity', { sessionAffinity: 'Server' }, 'NotSupported spec.sessionAffinity'],
    ['endless affinity', affinity(90_000), 'Invalid spec.sessionAffinityConfig.clientIP.timeoutSeconds'],
    ['no time for affinity', affinity(0), 'Invalid spec.sessionAffinityConfig.clientIP.timeoutSeconds'],
    ['odd internal policy', { internalTrafficPolicy: 'Zone' }, 'NotSupported spec.internalTrafficPolicy'],
    [
      'odd external policy',
      { type: 'NodePort', externalTrafficPolicy: 'Zone' },
      'NotSupported spec.externalTrafficPolicy',
    ],
    [
      'external policy of a ClusterIP',
      { externalTrafficPolicy: 'Local' },
      'Invalid spec.externalTrafficPolicy',
    ],
    ['odd distribution', { trafficDistribution: 'Nearby' }, 'NotSupported spec.trafficDistribution'],
    ['malformed externalIP', { externalIPs: ['192.0.2.1', '1.2.3.400'] }, 'Invalid spec.externalIPs[1]'],
    ['link-local externalIP', { externalIPs: ['169.254.0.1'] }, 'Invalid spec.externalIPs[0]'],
    [
      'source ranges of a ClusterIP',
      { loadBalancerSourceRanges: ['10.0.0.0/8', '10.0.0.0/99'] },
      'Forbidden spec.LoadBalancerSourceRanges',
      'Invalid spec.LoadBalancerSourceRanges[1]',
    ],
    [
      'malformed source range',
      balancer({ loadBalancerSourceRanges: ['x'] }),
      'Invalid spec.LoadBalancerSourceRanges[0]',
    ],
    [
      'class of a NodePort',
      { type: 'NodePort', loadBalancerClass: 'a/b' },
      'Forbidden spec.loadBalancerClass',
    ],
    ['odd class', balancer({ loadBalancerClass: 'a b' }), 'Invalid spec.loadBalancerClass'],
    [
      'allocation of a NodePort',
      { type: 'NodePort', allocateLoadBalancerNodePorts: false },
      'Forbidden spec.allocateLoadBalancerNodePorts',
    ],
    [
      'health port without Local',
      balancer({ healthCheckNodePort: 30_100 }),
      'Invalid spec.healthCheckNodePort',
    ],
    ['headless NodePort', { type: 'NodePort', clusterIP: 'None' }, 'Invalid spec.clusterIPs[0]'],
    ['headless LoadBalancer', balancer({ clusterIP: 'None' }), 'Invalid spec.clusterIPs[0]'],
    ['ExternalName without a name', external({ externalName: '' }), 'Required spec.externalName'],
    ['ExternalName with an odd name', external({ externalName: 'a_b' }), 'Invalid spec.externalName'],
    [
      'ExternalName with addresses',
      external({ clusterIP: '10.96.0.9', ipFamilies: ['IPv4'], ipFamilyPolicy: 'SingleStack' }),
      'Forbidden spec.clusterIPs',
      'Forbidden spec.ipFamilies',
      'Forbidden spec.ipFamilyPolicy',
    ],
    [
      'much',
      {
        type: 'Foo',
        sessionAffinity: 'Bar',
        externalIPs: ['x'],
        selector: { '-': 'v' },
        ports: [{ port: 0, name: 'A', protocol: 'x' }, { port: 80 }],
      },
      'Invalid spec.ports[0].name',
      'Invalid spec.ports[0].port',
      'NotSupported spec.ports[0].protocol',
      'Invalid spec.ports[0].targetPort',
      'Required spec.ports[1].name',
      'Invalid spec.selector',
      'NotSupported spec.sessionAffinity',
      'Invalid spec.externalIPs[0]',
      'NotSupported spec.type',
    ],
  ]
  const before = controlPlane.store.resourceVersion
  for (const [name, spec, ...causes] of cases) {
    const status = refusal(() => controlPlane.apply(service('refused', spec)))
    t.equal(status.code, 422, name)
    const found = status.details?.causes?.map(({ reason, field }) => `${reason} ${field}`)
    t.strictSame(
      found,
      causes.map(cause => `FieldValue${cause}`),
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
  t.ok(controlPlane.apply(service('fine-too', { clusterIP: '10.96.0.6' })))
})

void test('annotations that say what a field says', async t => {
  const { apply } = await controlPlaneFor(t)
  const ranges = 'service.beta.kubernetes.io/load-balancer-source-ranges'
  const mode = 'service.kubernetes.io/topology-mode'
  const hints = 'service.kubernetes.io/topology-aware-hints'
  const annotated = (
    annotations: Record<string, string>,
    spec: ServiceSpec = { type: 'LoadBalancer' },
  ): Service => {
    const object = service('annotated', spec)
    return { ...object, metadata: { ...object.metadata, annotations } }
  }
  const causes = (object: Service): unknown =>
    refusal(() => apply(object)).details?.causes?.map(({ reason, field }) => `${reason} ${field}`)
  const field = `metadata.annotations[${ranges}]`
  t.strictSame(causes(annotated({ [ranges]: 'x, 10.0.0.0/8' })), [`FieldValueInvalid ${field}`])
  t.strictSame(causes(annotated({ [ranges]: '10.0.0.0/8' }, {})), [`FieldValueForbidden ${field}`])
  t.strictSame(causes(annotated({ [mode]: 'Auto', [hints]: 'Disabled' })), [
    `FieldValueInvalid metadata.annotations[${mode}]`,
  ])
  t.ok(apply(annotated({ [ranges]: '10.0.0.0/8, 1.2.3.4/32', [mode]: 'Auto', [hints]: 'Auto' })))
})

void test('a health check port that is not to be had', async t => {
  const { apply } = await controlPlaneFor(t)
  const local = (healthCheckNodePort: number): ServiceSpec => ({
    type: 'LoadBalancer',
    externalTrafficPolicy: 'Local',
    healthCheckNodePort,
  })
  t.match(apply(service('a', local(30_222))).object, { spec: { healthCheckNodePort: 30_222 } })
  const status = refusal(() => apply(service('b', local(30_222))))
  t.match(status, {
    code: 500,
    reason: 'InternalError',
    message: /HealthCheck NodePort 30222: .*already allocated/,
  })
  t.ok(apply(service('c', { type: 'NodePort', ports: [{ port: 1, nodePort: 30_223 }] })))
  t.match(
    refusal(() => apply(service('d', { type: 'NodePort', ports: [{ port: 1, nodePort: 30_222 }] }))),
    { code: 422 },
    'node ports and health check ports are of one range',
  )
})

void test('a status is checked, too', async t => {
  const { apply, registry } = await controlPlaneFor(t)
  const write = (spec: ServiceSpec, ingress: readonly object[]): unknown => {
    const object = apply(service('web', spec)).object
    return registry.updateStatus(services, { ...object, status: { loadBalancer: { ingress } } })
  }
  const cases: readonly (readonly [name: string, spec: ServiceSpec, ingress: object, cause: string])[] = [
    ['of a ClusterIP', {}, { ip: '192.0.2.1' }, 'Forbidden status.loadBalancer.ingress'],
    ['no address', { type: 'LoadBalancer' }, { ip: '1.2.3' }, 'Invalid status.loadBalancer.ingress[0].ip'],
    [
      'odd mode',
      { type: 'LoadBalancer' },
      { ip: '192.0.2.1', ipMode: 'Odd' },
      'NotSupported status.loadBalancer.ingress[0].ipMode',
    ],
    [
      'mode of nothing',
      { type: 'LoadBalancer' },
      { ipMode: 'VIP' },
      'Forbidden status.loadBalancer.ingress[0].ipMode',
    ],
    [
      'odd name',
      { type: 'LoadBalancer' },
      { hostname: 'a_b' },
      'Invalid status.loadBalancer.ingress[0].hostname',
    ],
    [
      'address as a name',
      { type: 'LoadBalancer' },
      { hostname: '192.0.2.1' },
      'Invalid status.loadBalancer.ingress[0].hostname',
    ],
  ]
  for (const [name, spec, ingress, cause] of cases) {
    const causes = refusal(() => write(spec, [ingress])).details?.causes
    t.strictSame(
      causes?.map(({ reason, field }) => `${reason} ${field}`),
      [`FieldValue${cause}`],
      name,
    )
  }
  const written = write({ type: 'LoadBalancer' }, [{ ip: '192.0.2.1' }, { hostname: 'lb.example.com' }])
  const ingress = [{ ip: '192.0.2.1', ipMode: 'VIP' }, { hostname: 'lb.example.com' }]
  t.match(written, { status: { loadBalancer: { ingress } } })
  t.match(apply(service('web', { type: 'NodePort' })).object, {
    status: { loadBalancer: { ingress: undefined } },
  })
})
