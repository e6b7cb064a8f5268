import { request } from 'undici'
import { test } from 'tap'
import { silentLog } from '../../../lib/ops/log.ts'
import type { KubeObject } from '../../../lib/model/objects.ts'
import { startControlPlane } from '../../../lib/standalone/control-plane.ts'
import { services } from '../../../lib/standalone/kinds/resources.ts'
import { controlPlaneFor, namespace, service } from '../builders.ts'
import { call } from '../http-client.ts'

interface List {
  readonly kind: string
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string }
  readonly items: readonly KubeObject[]
}

const names = (list: List): readonly string[] => list.items.map(item => item.metadata.name ?? '')

void test('health, version and discovery', async t => {
  const { url } = await controlPlaneFor(t)
  for (const path of ['/healthz', '/readyz', '/livez', '/livez/ping']) {
    t.strictSame(await call(url + path), { code: 200, body: 'ok' }, path)
  }
  const cases: readonly (readonly [path: string, expected: object])[] = [
    ['/version', { major: '1', gitVersion: /^v1\.\d+\.\d+/ }],
    ['/api', { kind: 'APIVersions', versions: ['v1'] }],
    ['/apis', { kind: 'APIGroupList', groups: [{ name: 'discovery.k8s.io' }] }],
    [
      '/apis/discovery.k8s.io',
      { kind: 'APIGroup', preferredVersion: { groupVersion: 'discovery.k8s.io/v1' } },
    ],
    ['/api/v1', { kind: 'APIResourceList', groupVersion: 'v1', resources: [{ name: String }] }],
    ['/apis/discovery.k8s.io/v1', { resources: [{ name: 'endpointslices', kind: 'EndpointSlice' }] }],
    ['/api/v1/namespaces/default', { kind: 'Namespace', metadata: { name: 'default' } }],
  ]
  for (const [path, expected] of cases) t.match(await call(url + path), { code: 200, body: expected }, path)
})

void test('what is not there, or not so, is answered with a Status', async t => {
  const { url, apply } = await controlPlaneFor(t)
  apply(service('web'))
  const one = '/api/v1/namespaces/default/services/web'
  const all = '/api/v1/namespaces/default/services'
  const json = JSON.stringify
  const cases: readonly (readonly [
    method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    path: string,
    body: string | undefined,
    headers: Record<string, string>,
    expected: { readonly code: number; readonly reason: string; readonly message?: RegExp },
  ])[] = [
    ['GET', '/api/v1/gadgets', undefined, {}, { code: 404, reason: 'NotFound' }],
    ['GET', '/api/v1/%', undefined, {}, { code: 404, reason: 'NotFound' }],
    [
      'GET',
      `${all}/none`,
      undefined,
      {},
      { code: 404, reason: 'NotFound', message: /^services "none" not found$/ },
    ],
    ['GET', `${one}/scale`, undefined, {}, { code: 404, reason: 'NotFound' }],
    ['GET', '/api/v1/services?labelSelector=a=b=c', undefined, {}, { code: 400, reason: 'BadRequest' }],
    ['GET', '/api/v1/services?fieldSelector=a=b', undefined, {}, { code: 400, reason: 'BadRequest' }],
    ['GET', '/api/v1/services?limit=x', undefined, {}, { code: 400, reason: 'BadRequest' }],
    ['GET', '/api/v1/services?continue=x', undefined, {}, { code: 400, reason: 'BadRequest' }],
    ['POST', '/api/v1/services', '{}', {}, { code: 405, reason: 'MethodNotAllowed' }],
    ['PUT', all, '{}', {}, { code: 405, reason: 'MethodNotAllowed' }],
    ['POST', '/version', '{}', {}, { code: 405, reason: 'MethodNotAllowed' }],
    ['POST', all, '{"a', {}, { code: 400, reason: 'BadRequest', message: /JSON/ }],
    ['POST', all, '[]', {}, { code: 400, reason: 'BadRequest' }],
    ['POST', all, 'null', {}, { code: 422, reason: 'Invalid', message: /metadata.name: Required/ }],
    ['POST', all, '', {}, { code: 400, reason: 'BadRequest' }],
    [
      'POST',
      all,
      '{"spec":null,"metadata":{"name":7}}',
      {},
      { code: 400, reason: 'BadRequest', message: /metadata.name/ },
    ],
    ['POST', all, json(service('web')), {}, { code: 409, reason: 'AlreadyExists' }],
    ['POST', all, json({ ...service('b'), kind: 'Pod' }), {}, { code: 400, reason: 'BadRequest' }],
    ['POST', all, json({ ...service('b'), apiVersion: 'v2' }), {}, { code: 400, reason: 'BadRequest' }],
    [
      'POST',
      all,
      json({ metadata: { name: 'b', namespace: 'other' } }),
      {},
      { code: 400, reason: 'BadRequest' },
    ],
    [
      'POST',
      all,
      json({ metadata: {}, spec: {} }),
      {},
      { code: 422, reason: 'Invalid', message: /metadata.name: Required/ },
    ],
    [
      'POST',
      '/api/v1/namespaces/none/services',
      json({ metadata: { name: 'b' } }),
      {},
      { code: 404, reason: 'NotFound', message: /namespaces "none"/ },
    ],
    [
      'PUT',
      one,
      json(service('other')),
      {},
      { code: 400, reason: 'BadRequest', message: /does not match the name on the URL/ },
    ],
    ['PUT', `${all}/none`, json(service('none')), {}, { code: 404, reason: 'NotFound' }],
    [
      'PUT',
      one,
      json({ ...service('web'), metadata: { name: 'web', resourceVersion: '1' } }),
      {},
      { code: 409, reason: 'Conflict' },
    ],
    ['DELETE', one, json({ preconditions: { uid: 'x' } }), {}, { code: 409, reason: 'Conflict' }],
    ['DELETE', '/api/v1/namespaces/default', undefined, {}, { code: 403, reason: 'Forbidden' }],
    ['PATCH', one, '[]', {}, { code: 415, reason: 'UnsupportedMediaType' }],
    ['POST', all, 'a', { 'content-type': 'text/plain' }, { code: 415, reason: 'UnsupportedMediaType' }],
    ['POST', all, `"${'x'.repeat(3 * 1024 * 1024)}"`, {}, { code: 413, reason: 'RequestEntityTooLarge' }],
    ['GET', all, undefined, { origin: 'http://example.com' }, { code: 403, reason: 'Forbidden' }],
    ['GET', all, undefined, { host: 'rebound.example.com' }, { code: 403, reason: 'Forbidden' }],
  ]
  for (const [method, path, body, headers, expected] of cases) {
    const reply = await call(url + path, method, body, headers)
    const name = `${method} ${path} ${(body ?? '').slice(0, 60)}`
    t.match(reply, { code: expected.code, body: { kind: 'Status', status: 'Failure', ...expected } }, name)
  }
  t.equal((await call(url + one)).code, 200, 'and it still answers')
})

void test('an object from create to delete', async t => {
  const { url } = await controlPlaneFor(t)
  const all = `${url}/api/v1/namespaces/default/services`
  const created = await call<KubeObject>(all, 'POST', {
    metadata: { generateName: 'web-' },
    spec: { ports: [{ port: 80 }] },
  })
  t.match(created, {
    code: 201,
    body: { metadata: { name: /^web-[a-z0-9]{5}$/ }, spec: { clusterIP: String } },
  })
  const one = `${all}/${created.body.metadata.name}`
  t.strictSame(await call(one), { code: 200, body: created.body })

  const labelled = {
    ...created.body,
    metadata: { ...created.body.metadata, labels: { a: 'b' } },
    status: { ignored: 1 },
  }
  const updated = await call<KubeObject>(one, 'PUT', labelled)
  t.match(updated, { code: 200, body: { metadata: { labels: { a: 'b' } }, status: { loadBalancer: {} } } })
  t.match(await call(one, 'PUT', created.body), { code: 409, body: { reason: 'Conflict' } })

  const patch = { metadata: { labels: { a: null, c: 'd' } }, spec: { type: 'LoadBalancer' } }
  const merge = { 'content-type': 'application/merge-patch+json' }
  const patched = await call<KubeObject>(one, 'PATCH', patch, merge)
  t.match(patched, { code: 200, body: { spec: { type: 'LoadBalancer', ports: [{ nodePort: Number }] } } })
  t.strictSame(patched.body.metadata.labels, { c: 'd' })

  const status = { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } }
  t.match(await call(`${one}/status`, 'PATCH', { status, spec: { type: 'ClusterIP' } }, merge), {
    code: 200,
    body: { status: { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } }, spec: { type: 'LoadBalancer' } },
  })

  const { uid } = created.body.metadata
  t.match(await call(one, 'DELETE'), { code: 200, body: { kind: 'Service', metadata: { uid } } })
  t.equal((await call(one)).code, 404)
})

void test('a finalizer holds a deleted object until it is removed', async t => {
  const { url, apply } = await controlPlaneFor(t)
  const held = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', finalizers: ['example.com/hold'] },
    spec: { containers: [{ name: 'c', image: 'i' }] },
  }
  apply(held)
  const one = `${url}/api/v1/namespaces/default/pods/p`
  t.match(await call(one, 'DELETE'), { code: 200, body: { metadata: { deletionTimestamp: String } } })
  t.match(await call(one), { code: 200, body: { metadata: { deletionTimestamp: String } } })
  const patch = { metadata: { finalizers: null } }
  await call(one, 'PATCH', patch, { 'content-type': 'application/merge-patch+json' })
  t.equal((await call(one)).code, 404)
})

void test('lists: namespaces and selectors', async t => {
  const { url, apply } = await controlPlaneFor(t)
  apply(namespace('other'))
  apply({ ...service('a'), metadata: { name: 'a', labels: { tier: 'front' } } })
  apply({ ...service('b', { clusterIP: 'None' }), metadata: { name: 'b', labels: { tier: 'back' } } })
  apply({ ...service('c'), metadata: { name: 'c', namespace: 'other' } })
  const cases: readonly (readonly [path: string, expected: readonly string[]])[] = [
    ['services', ['a', 'b', 'c']],
    ['namespaces/default/services', ['a', 'b']],
    ['namespaces/none/services', []],
    ['services?labelSelector=tier', ['a', 'b']],
    ['services?labelSelector=!tier', ['c']],
    ['services?labelSelector=tier%20notin%20(back)', ['a', 'c']],
    ['services?labelSelector=tier!=front', ['b', 'c']],
    ['services?fieldSelector=spec.clusterIP!=None', ['a', 'c']],
    ['services?fieldSelector=metadata.namespace=other', ['c']],
    ['services?fieldSelector=metadata.name=b,metadata.namespace=default', ['b']],
    ['services?labelSelector=tier&fieldSelector=spec.clusterIP!=None', ['a']],
  ]
  for (const [path, expected] of cases) {
    const { body } = await call<List>(`${url}/api/v1/${path}`)
    t.strictSame([body.kind, names(body)], ['ServiceList', expected], path)
  }
})

void test('the pages of a list show one moment, whatever happens between them', async t => {
  const { url, apply, store, delete: remove } = await controlPlaneFor(t)
  for (const name of ['a', 'b', 'c', 'd', 'e']) apply(service(name))
  const first = (await call<List>(`${url}/api/v1/services?limit=2`)).body
  t.strictSame(names(first), ['a', 'b'])
  remove(service('c'))
  apply(service('bb'))
  const second = (await call<List>(`${url}/api/v1/services?limit=2&continue=${first.metadata.continue}`)).body
  t.strictSame(names(second), ['c', 'd'])
  t.equal(second.metadata.resourceVersion, first.metadata.resourceVersion)
  const third = (await call<List>(`${url}/api/v1/services?limit=2&continue=${second.metadata.continue}`)).body
  t.strictSame(names(third), ['e'])
  t.notOk(third.metadata.continue)
  t.strictSame(names((await call<List>(`${url}/api/v1/services`)).body), ['a', 'b', 'bb', 'd', 'e'])

  store.compact()
  t.match(await call(`${url}/api/v1/services?limit=2&continue=${first.metadata.continue}`), {
    code: 410,
    body: { kind: 'Status', reason: 'Expired', message: /continue parameter is too old/ },
  })
})

void test('lists at a resourceVersion', async t => {
  const { url, apply, store } = await controlPlaneFor(t)
  apply(service('a'))
  const version = store.resourceVersion
  apply(service('b'))
  const all = `${url}/api/v1/services`
  t.strictSame(names((await call<List>(`${all}?resourceVersion=${version}`)).body), ['a', 'b'])
  const exact = `${all}?resourceVersion=${version}&resourceVersionMatch=Exact`
  t.strictSame(names((await call<List>(exact)).body), ['a'])
  t.match(await call(`${all}?resourceVersion=${store.resourceVersion + 9}`), {
    code: 504,
    body: { reason: 'Timeout', details: { causes: [{ reason: 'ResourceVersionTooLarge' }] } },
  })
  store.compact()
  t.match(await call(exact), { code: 410, body: { reason: 'Expired' } })
})

void test('a namespace takes its objects along', async t => {
  const { url, apply, store } = await controlPlaneFor(t)
  apply(namespace('other'))
  apply({ ...service('c'), metadata: { name: 'c', namespace: 'other' } })
  t.equal((await call(`${url}/api/v1/namespaces/other`, 'DELETE')).code, 200)
  t.strictSame(store.list(services).items, [])
})

void test('the server keeps its connections, and closes twice without complaint', async t => {
  const controlPlane = await controlPlaneFor(t)
  const reply = await request(`${controlPlane.url}/healthz`)
  await reply.body.text()
  t.notMatch(reply.headers, { connection: 'close' })
  await controlPlane.close()
  await controlPlane.close()
  await t.rejects(call(`${controlPlane.url}/healthz`), { code: 'ECONNREFUSED' })
})

void test('a port that is taken', async t => {
  const { port } = await controlPlaneFor(t)
  await t.rejects(
    startControlPlane({ host: '127.0.0.1', port, serviceCidrs: ['127.96.0.0/16'], log: silentLog }),
    { code: 'ADDRESS', message: /can't listen on 127\.0\.0\.1:\d+ \(.*EADDRINUSE/ },
  )
})
