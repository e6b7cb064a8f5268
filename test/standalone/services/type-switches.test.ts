// Updates over HTTP as clients send them: a merge patch of one field leaves all else as the server wrote it, and a PUT
// of a manifest leaves out what the server had added.

import { test } from 'tap'
import type { Service, ServiceSpec } from '../../../lib/standalone/kinds/api-types.ts'
import type { Status } from '../../../lib/standalone/kinds/status.ts'
import { controlPlaneFor, service } from '../builders.ts'
import { call } from '../http-client.ts'

const absent = undefined
const mergePatch = { 'content-type': 'application/merge-patch+json' }
const external: ServiceSpec = { type: 'ExternalName', externalName: 'example.com' }
const local: ServiceSpec = { type: 'LoadBalancer', externalTrafficPolicy: 'Local' }

type Answer = object | readonly string[]

interface Switch {
  readonly name: string
  readonly from: ServiceSpec
  /** Fields to patch; null removes one. */
  readonly patch: Readonly<Record<string, unknown>>
  /** What the Service has then, or the causes of the refusal. */
  readonly expected: Answer
}

const switches: readonly Switch[] = [
  {
    name: 'ClusterIP to NodePort',
    from: {},
    patch: { type: 'NodePort' },
    expected: { externalTrafficPolicy: 'Cluster', ports: [{ nodePort: Number }] },
  },
  {
    name: 'NodePort to ClusterIP',
    from: { type: 'NodePort' },
    patch: { type: 'ClusterIP' },
    expected: { externalTrafficPolicy: absent, ports: [{ nodePort: absent }] },
  },
  {
    name: 'NodePort to ClusterIP with another nodePort',
    from: { type: 'NodePort' },
    patch: { type: 'ClusterIP', ports: [{ port: 80, nodePort: 30_999 }] },
    expected: ['Forbidden spec.ports[0].nodePort'],
  },
  {
    name: 'NodePort to LoadBalancer',
    from: { type: 'NodePort', ports: [{ port: 80, nodePort: 30_111 }] },
    patch: { type: 'LoadBalancer' },
    expected: { allocateLoadBalancerNodePorts: true, ports: [{ nodePort: 30_111 }] },
  },
  {
    name: 'NodePort to LoadBalancer with Local',
    from: { type: 'NodePort' },
    patch: local as Record<string, unknown>,
    expected: { healthCheckNodePort: Number },
  },
  {
    name: 'Local to Cluster',
    from: local,
    patch: { externalTrafficPolicy: 'Cluster' },
    expected: { healthCheckNodePort: absent, ports: [{ nodePort: Number }] },
  },
  {
    name: 'LoadBalancer to ClusterIP',
    from: { ...local, loadBalancerClass: 'example.com/lb' },
    patch: { type: 'ClusterIP' },
    expected: {
      allocateLoadBalancerNodePorts: absent,
      externalTrafficPolicy: absent,
      healthCheckNodePort: absent,
      loadBalancerClass: absent,
      ports: [{ nodePort: absent }],
    },
  },
  {
    name: 'LoadBalancer to ExternalName',
    from: local,
    patch: external as Record<string, unknown>,
    expected: {
      clusterIP: absent,
      clusterIPs: absent,
      ipFamilies: absent,
      ipFamilyPolicy: absent,
      internalTrafficPolicy: absent,
      healthCheckNodePort: absent,
      ports: [{ nodePort: absent }],
    },
  },
  {
    name: 'to ExternalName with another address',
    from: {},
    patch: { ...external, clusterIP: '127.96.0.99' },
    expected: ['Forbidden spec.clusterIPs'],
  },
  {
    name: 'to ExternalName without a name',
    from: {},
    patch: { type: 'ExternalName' },
    expected: ['Required spec.externalName'],
  },
  {
    name: 'ExternalName to NodePort',
    from: external,
    patch: { type: 'NodePort' },
    expected: { clusterIP: /^127\.96\./, ipFamilyPolicy: 'SingleStack', ports: [{ nodePort: Number }] },
  },
  {
    name: 'ExternalName to a certain address',
    from: external,
    patch: { type: 'ClusterIP', clusterIP: '127.96.0.98' },
    expected: { clusterIPs: ['127.96.0.98'] },
  },
  {
    name: 'ExternalName to headless',
    from: external,
    patch: { type: 'ClusterIP', clusterIP: 'None' },
    expected: { clusterIPs: ['None'] },
  },
  {
    name: 'headless to NodePort',
    from: { clusterIP: 'None' },
    patch: { type: 'NodePort' },
    expected: ['Invalid spec.clusterIPs[0]'],
  },
  {
    name: 'headless to an address',
    from: { clusterIP: 'None' },
    patch: { clusterIP: '127.96.0.97' },
    expected: ['Invalid spec.clusterIPs[0]'],
  },
  { name: 'address removed', from: {}, patch: { clusterIP: null }, expected: { clusterIP: /^127\.96\./ } },
  {
    name: 'address changed',
    from: {},
    patch: { clusterIP: '127.96.0.96' },
    expected: ['Invalid spec.clusterIPs[0]'],
  },
  {
    name: 'health port changed',
    from: local,
    patch: { healthCheckNodePort: 30_222 },
    expected: ['Forbidden spec.healthCheckNodePort'],
  },
  {
    name: 'health port removed',
    from: local,
    patch: { healthCheckNodePort: null },
    expected: { healthCheckNodePort: Number },
  },
  {
    name: 'class changed',
    from: { type: 'LoadBalancer', loadBalancerClass: 'example.com/lb' },
    patch: { loadBalancerClass: 'example.com/other' },
    expected: ['Invalid spec.loadBalancerClass'],
  },
  {
    name: 'source ranges left in',
    from: { type: 'LoadBalancer', loadBalancerSourceRanges: ['10.0.0.0/8'] },
    patch: { type: 'NodePort' },
    expected: ['Forbidden spec.LoadBalancerSourceRanges'],
  },
  {
    name: 'external IPs removed',
    from: { externalIPs: ['192.0.2.1'] },
    patch: { externalIPs: null },
    expected: { externalTrafficPolicy: absent },
  },
  {
    name: 'affinity off',
    from: { sessionAffinity: 'ClientIP' },
    patch: { sessionAffinity: 'None' },
    expected: { sessionAffinityConfig: absent },
  },
  {
    name: 'node ports swapped',
    from: {
      type: 'NodePort',
      ports: [
        { name: 'a', port: 80, nodePort: 30_120 },
        { name: 'b', port: 81, nodePort: 30_121 },
      ],
    },
    patch: {
      ports: [
        { name: 'a', port: 80, nodePort: 30_121 },
        { name: 'b', port: 81, nodePort: 30_120 },
      ],
    },
    expected: { ports: [{ nodePort: 30_121 }, { nodePort: 30_120 }] },
  },
  {
    name: 'the same nodePort for UDP',
    from: { type: 'NodePort', ports: [{ name: 'a', port: 53, nodePort: 30_120 }] },
    patch: {
      ports: [
        { name: 'a', port: 53, nodePort: 30_120 },
        { name: 'b', port: 53, nodePort: 30_120, protocol: 'UDP' },
      ],
    },
    expected: { ports: [{ nodePort: 30_120 }, { nodePort: 30_120 }] },
  },
  {
    name: 'the same nodePort twice',
    from: { type: 'NodePort', ports: [{ name: 'a', port: 80, nodePort: 30_120 }] },
    patch: {
      ports: [
        { name: 'a', port: 80, nodePort: 30_120 },
        { name: 'b', port: 81, nodePort: 30_120 },
      ],
    },
    expected: ['Duplicate spec.ports[1].nodePort'],
  },
]

void test('patches', async t => {
  const { url } = await controlPlaneFor(t)
  const path = `${url}/api/v1/namespaces/default/services`
  for (const { name, from, patch, expected } of switches) {
    const { body: before, code: created } = await call<Service>(path, 'POST', service('web', from))
    t.equal(created, 201, name)
    const { code, body } = await call<Service & Status>(`${path}/web`, 'PATCH', { spec: patch }, mergePatch)
    if (Array.isArray(expected)) {
      t.equal(code, 422, name)
      const causes = body.details?.causes?.map(({ reason, field }) => `${reason} ${field}`)
      t.strictSame(
        causes,
        expected.map(cause => `FieldValue${cause}`),
        name,
      )
      t.strictSame((await call<Service>(`${path}/web`)).body, before, 'nothing has changed')
    } else {
      t.match(body, { spec: expected }, name)
    }
    await call(`${path}/web`, 'DELETE')
    // All that any of them had is free again.
    const heir = await call(path, 'POST', service('heir', { ...before.spec, ...from }))
    t.equal(heir.code, 201, `${name}: what the Service had is free`)
    await call(`${path}/heir`, 'DELETE')
  }
})

void test('a manifest that is put again changes nothing, whatever the server has added', async t => {
  const { url } = await controlPlaneFor(t, { serviceCidrs: ['127.96.0.0/16', 'fd00:96::/108'] })
  const path = `${url}/api/v1/namespaces/default/services`
  const manifests: readonly (readonly [name: string, spec: ServiceSpec])[] = [
    ['plain', {}],
    ['nodeport', { type: 'NodePort' }],
    ['local', local],
    ['headless', { clusterIP: 'None' }],
    ['dual', { ipFamilyPolicy: 'RequireDualStack' }],
    ['external', external],
    ['affine', { sessionAffinity: 'ClientIP' }],
    ['address', { clusterIP: '127.96.0.9' }],
    [
      'dns',
      {
        type: 'NodePort',
        ports: [
          { name: 'a', port: 53 },
          { name: 'b', port: 53, protocol: 'UDP' },
        ],
      },
    ],
  ]
  for (const [name, spec] of manifests) {
    const created = await call(path, 'POST', service(name, spec))
    const again = await call(`${path}/${name}`, 'PUT', service(name, spec))
    t.equal(again.code, 200, name)
    t.strictSame(again.body, created.body, name)
  }
})

void test('a nodePort follows its port by name', async t => {
  const { url } = await controlPlaneFor(t)
  const path = `${url}/api/v1/namespaces/default/services`
  const put = async (spec: ServiceSpec): Promise<readonly (number | undefined)[] | undefined> => {
    const { body } = await call<Service>(`${path}/web`, 'PUT', service('web', { type: 'NodePort', ...spec }))
    return body.spec.ports?.map(port => port.nodePort)
  }
  const first: ServiceSpec = { type: 'NodePort', ports: [{ name: 'a', port: 80, nodePort: 30_120 }] }
  await call(path, 'POST', service('web', first))
  t.strictSame(await put({ ports: [{ name: 'a', port: 8080 }] }), [30_120], 'another number')
  const added = await put({
    ports: [
      { name: 'b', port: 81 },
      { name: 'a', port: 80 },
    ],
  })
  t.equal(added?.[1], 30_120)
  t.not(added?.[0], 30_120)
  const [taken = 0] = added ?? []
  const moved = await put({
    ports: [
      { name: 'a', port: 80, nodePort: taken },
      { name: 'b', port: 81 },
    ],
  })
  t.equal(moved?.[0], taken)
  t.notOk(
    moved?.[1] === taken || moved?.[1] === 30_120,
    'a port whose nodePort went to another gets a new one',
  )
  const [renamed] = (await put({ ports: [{ name: 'c', port: 80 }] })) ?? []
  t.ok(renamed !== undefined && !moved?.includes(renamed), 'another name is another port')
  t.equal((await call(path, 'POST', service('heir', first))).code, 201, 'the old one is free')
})
