// What a write may ask for beside what it writes, and what it is told: over real HTTP.

import { request } from 'undici'
import { test } from 'tap'
import type { KubeObject } from '../../../lib/model/objects.ts'
import { services } from '../../../lib/standalone/kinds/resources.ts'
import { controlPlaneFor, namespace, pod, service } from '../builders.ts'
import { call } from '../http-client.ts'

const merge = { 'content-type': 'application/merge-patch+json' }
const strategic = { 'content-type': 'application/strategic-merge-patch+json' }
const json = { 'content-type': 'application/json-patch+json' }
const apply = { 'content-type': 'application/apply-patch+yaml' }
const yaml = { 'content-type': 'application/yaml' }

interface Service extends KubeObject {
  readonly spec: { readonly clusterIP?: string; readonly ports: readonly object[]; readonly type: string }
}

async function warningsOf(url: string, body: string, headers: Record<string, string> = {}) {
  const reply = await request(url, {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json', ...headers },
  })
  await reply.body.dump()
  const { warning = [] } = reply.headers
  return { code: reply.statusCode, warnings: typeof warning === 'string' ? [warning] : warning }
}

void test('a dry run answers what would be, and nothing is', async t => {
  const { url, apply: applyObject, store, settled } = await controlPlaneFor(t)
  applyObject(service('web'))
  applyObject(namespace('kept'))
  await settled()
  const before = store.resourceVersion
  const all = `${url}/api/v1/namespaces/default/services`
  const one = `${all}/web?dryRun=All`
  const created = await call<KubeObject>(`${all}?dryRun=All`, 'POST', service('new', { type: 'NodePort' }))
  t.match(created, { code: 201, body: { metadata: { name: 'new', uid: String, creationTimestamp: String } } })
  t.notOk(created.body.metadata.resourceVersion)
  const labelled = { ...service('web'), metadata: { name: 'web', labels: { a: 'b' } } }
  t.match(await call(one, 'PUT', labelled), { code: 200, body: { metadata: { labels: { a: 'b' } } } })
  for (const [headers, patch] of [
    [merge, { metadata: { labels: { a: 'b' } } }],
    [strategic, { metadata: { labels: { a: 'b' } } }],
    [json, [{ op: 'add', path: '/metadata/labels', value: { a: 'b' } }]],
  ] as const) {
    t.match(await call(one, 'PATCH', patch, headers), {
      code: 200,
      body: { metadata: { labels: { a: 'b' } } },
    })
  }
  const applied = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'ssa' },
    spec: { ports: [{ port: 1 }] },
  }
  t.match(await call(`${all}/ssa?dryRun=All&fieldManager=t`, 'PATCH', applied, apply), { code: 201 })
  t.match(await call(one, 'DELETE'), { code: 200 })
  t.match(await call(`${all}/web`, 'DELETE', { dryRun: ['All'] }), { code: 200 })
  t.match(await call(`${all}?dryRun=All`, 'DELETE'), { code: 200, body: { items: [{}] } })
  t.match(await call(`${url}/api/v1/namespaces/kept?dryRun=All`, 'DELETE'), { code: 200 })
  t.equal((await call(`${url}/api/v1/namespaces/kept`)).code, 200)
  await settled()
  t.equal(store.resourceVersion, before, 'nothing was written')
  // Nothing was allocated either: a dry run's address goes to the next who asks.
  const clusterIP = (created.body as Service).spec.clusterIP
  if (clusterIP) t.match(await call(all, 'POST', service('same', { clusterIP })), { code: 201 })
})

void test('options that are none', async t => {
  const { url, apply: applyObject } = await controlPlaneFor(t)
  applyObject(service('web'))
  const all = `${url}/api/v1/namespaces/default/services`
  const cases: readonly (readonly [
    method: 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    query: string,
    headers: Record<string, string>,
    kind: string,
    field: string,
    reason: string,
  ])[] = [
    ['POST', '?dryRun=Some', {}, 'CreateOptions', 'dryRun', 'FieldValueNotSupported'],
    ['POST', '?dryRun=', {}, 'CreateOptions', 'dryRun', 'FieldValueNotSupported'],
    ['POST', `?fieldManager=${'x'.repeat(129)}`, {}, 'CreateOptions', 'fieldManager', 'FieldValueTooLong'],
    ['POST', '?fieldManager=%01', {}, 'CreateOptions', 'fieldManager', 'FieldValueInvalid'],
    ['PUT', '/web?fieldValidation=X', {}, 'UpdateOptions', 'fieldValidation', 'FieldValueNotSupported'],
    ['PATCH', '/web?force=true', merge, 'PatchOptions', 'force', 'FieldValueForbidden'],
    ['PATCH', '/web', apply, 'PatchOptions', 'fieldManager', 'FieldValueRequired'],
    [
      'DELETE',
      '/web?propagationPolicy=X',
      {},
      'DeleteOptions',
      'propagationPolicy',
      'FieldValueNotSupported',
    ],
    [
      'DELETE',
      '/web?propagationPolicy=Orphan&orphanDependents=true',
      {},
      'DeleteOptions',
      'propagationPolicy',
      'FieldValueInvalid',
    ],
  ]
  for (const [method, query, headers, kind, field, reason] of cases) {
    const body = method === 'DELETE' ? undefined : service('web')
    t.match(
      await call(all + query, method, body, headers),
      { code: 422, body: { reason: 'Invalid', details: { kind, causes: [{ field, reason }] } } },
      `${method} ${query.slice(0, 40)}`,
    )
  }
  t.match(await call(`${all}/web?gracePeriodSeconds=x`, 'DELETE'), { code: 400 })
  t.match(await call(`${all}/web`, 'DELETE', { gracePeriodSeconds: 'x' }), { code: 400 })
  t.match(await call(`${all}/web`, 'DELETE', { kind: 'Pod' }), { code: 400 })
  t.equal((await call(`${all}/web`)).code, 200, 'and it is still there')
})

void test('field validation: an error, warnings, or nothing', async t => {
  const { url, apply: applyObject } = await controlPlaneFor(t)
  applyObject(service('web'))
  const all = `${url}/api/v1/namespaces/default/services`
  const text =
    '{"metadata":{"generateName":"a-"},"spec":{"types":"x","ports":[{"port":1,"nodeport":2}],"type":"ClusterIP","type":"NodePort"}}'
  const complaints = [
    'unknown field "spec.types"',
    'unknown field "spec.ports[0].nodeport"',
    'duplicate field "spec.type"',
  ]
  t.match(await call(`${all}?fieldValidation=Strict`, 'POST', text), {
    code: 400,
    body: {
      reason: 'BadRequest',
      message: `Service in version "v1" cannot be handled as a Service: strict decoding error: ${complaints.join(', ')}`,
    },
  })
  const warned = complaints.map(complaint => `299 - "${complaint.replaceAll('"', String.raw`\"`)}"`)
  t.strictSame(await warningsOf(all, text), { code: 201, warnings: warned }, 'the default is to warn')
  t.strictSame(await warningsOf(`${all}?fieldValidation=Warn`, text), { code: 201, warnings: warned })
  t.strictSame(await warningsOf(`${all}?fieldValidation=Ignore`, text), { code: 201, warnings: [] })
  const yamlText = 'metadata: {generateName: a-}\nspec:\n  types: x\n  ports: [{port: 1, port: 2}]\n'
  t.strictSame(await warningsOf(all, yamlText, yaml), {
    code: 201,
    warnings: [
      String.raw`299 - "unknown field \"spec.types\""`,
      String.raw`299 - "duplicate field \"spec.ports[0].port\""`,
    ],
  })
  const odd = JSON.stringify({ metadata: { generateName: 'a-' }, spec: { ports: [{ port: 1 }] }, 'ö\n€"': 1 })
  t.equal((await warningsOf(all, odd)).code, 201, 'any name can be warned of')
  const many = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`field${i}`, i]))
  const { warnings } = await warningsOf(all, JSON.stringify({ ...service('many'), ...many }))
  t.ok(warnings.length > 10 && warnings.join('').length <= 4096, 'but not of all there are')

  const strict = `${all}/web?fieldValidation=Strict`
  for (const [headers, patch] of [
    [merge, { spec: { types: 'x' } }],
    [strategic, { spec: { types: 'x' } }],
    [json, [{ op: 'add', path: '/spec/types', value: 'x' }]],
  ] as const) {
    t.match(await call(strict, 'PATCH', patch, headers), {
      code: 422,
      body: {
        reason: 'Invalid',
        details: { causes: [{ field: 'patch', message: /unknown field "spec.types"/ }] },
      },
    })
    t.match(await call(`${all}/web`, 'PATCH', patch, headers), { code: 200 })
  }
})

void test('bodies: YAML, wrong types and none', async t => {
  const { url } = await controlPlaneFor(t)
  const all = `${url}/api/v1/namespaces/default/services`
  t.match(await call(all, 'POST', 'kind: Service\nmetadata: {name: y}\nspec: {ports: [{port: 1}]}\n', yaml), {
    code: 201,
    body: { kind: 'Service', metadata: { name: 'y' } },
  })
  const one = (spec: unknown) => JSON.stringify({ metadata: { name: 'x' }, spec })
  const cases: readonly (readonly [body: string, headers: Record<string, string>, message: RegExp])[] = [
    ['', {}, /must be of type Service.*<empty>/],
    ['{"a', {}, /json parse error/],
    ['"a"', {}, /cannot unmarshal string/],
    ['[]', {}, /cannot unmarshal array/],
    ['a: [', yaml, /yaml: /],
    ['&a [*b]', yaml, /yaml: /],
    [`${'['.repeat(100_000)}${']'.repeat(100_000)}`, {}, /levels deep/],
    [`{"a":${'{"a":'.repeat(600)}1${'}'.repeat(600)}}`, {}, /levels deep/],
    ['['.repeat(20_000), yaml, /yaml: /],
    [one('x'), {}, /cannot unmarshal string into Go struct field Service.spec of type/],
    [
      one({ ports: [{ port: '1' }] }),
      {},
      /cannot unmarshal string into Go struct field ServicePort.spec.ports.port of type int32/,
    ],
    [one({ ports: [{ port: 1e12 }] }), {}, /spec.ports\[0\].port/],
    ['{"kind":7}', {}, /kind must be a string/],
    ['{"kind":"Pod","apiVersion":"v1"}', {}, /^Pod in version "v1" cannot be handled as a Service/],
    ['{"kind":"Service","apiVersion":"v9"}', {}, /^Service in version "v9" cannot be handled as a Service/],
  ]
  for (const [body, headers, message] of cases) {
    t.match(
      await call(all, 'POST', body, headers),
      { code: 400, body: { reason: 'BadRequest', message } },
      body.slice(0, 40),
    )
  }
  t.match(
    await call(all, 'POST', service('x', { ports: [{ port: 1 }] }), { 'content-type': 'application/xml' }),
    {
      code: 415,
    },
  )
  t.match(
    await call(
      all,
      'POST',
      JSON.parse(
        '{"__proto__":{"a":1},"metadata":{"name":"p","labels":{"__proto__":"x"}},"spec":{"ports":[{"port":1}]}}',
      ),
    ),
    {
      code: 201,
    },
  )
  t.notOk('a' in {})
})

void test('patches in all forms', async t => {
  const { url, apply: applyObject, store } = await controlPlaneFor(t)
  applyObject(service('web', { ports: [{ port: 80, name: 'http' }] }))
  const one = `${url}/api/v1/namespaces/default/services/web`
  const two = { spec: { ports: [{ port: 81, name: 'other' }] } }
  t.match(await call(one, 'PATCH', two, strategic), {
    code: 200,
    body: { spec: { ports: [{ port: 81 }, { port: 80 }] } },
  })
  t.match(await call(one, 'PATCH', two, merge), { code: 200, body: { spec: { ports: [{ port: 81 }] } } })
  const operations = [
    { op: 'test', path: '/spec/ports/0/port', value: 81 },
    { op: 'replace', path: '/spec/ports/0/port', value: 82 },
  ]
  t.match(await call(one, 'PATCH', operations, json), {
    code: 200,
    body: { spec: { ports: [{ port: 82 }] } },
  })
  t.match(await call(one, 'PATCH', operations, json), { code: 422, body: { reason: 'Invalid' } })

  const stored = store.get(services, 'default/web')
  const version = stored?.metadata.resourceVersion
  const cases: readonly (readonly [patch: unknown, headers: Record<string, string>, expected: object])[] = [
    [{ metadata: { resourceVersion: '1' } }, merge, { code: 409, body: { reason: 'Conflict' } }],
    [{ metadata: { resourceVersion: version } }, merge, { code: 200 }],
    [{ metadata: { name: 'x' } }, merge, { code: 400 }],
    [{ metadata: { namespace: 'x' } }, merge, { code: 400 }],
    [{ metadata: null }, merge, { code: 400 }],
    [
      { metadata: { uid: 'x' } },
      merge,
      { code: 422, body: { details: { causes: [{ field: 'metadata.uid' }] } } },
    ],
    [{ kind: 'Pod' }, merge, { code: 422, body: { details: { causes: [{ field: 'patch' }] } } }],
    [{ spec: { ports: 'x' } }, strategic, { code: 422, body: { details: { causes: [{ field: 'patch' }] } } }],
    [
      { spec: { type: 'Nope' } },
      merge,
      { code: 422, body: { details: { causes: [{ field: 'spec.type' }] } } },
    ],
    ['null', strategic, { code: 200 }],
    ['null', merge, { code: 400 }],
    ['', merge, { code: 400 }],
    ['{', strategic, { code: 400 }],
    [[{ op: 'remove', path: '/metadata/none' }], json, { code: 422 }],
    [{}, json, { code: 400 }],
    [{}, { 'content-type': 'application/json' }, { code: 415 }],
  ]
  for (const [patch, headers, expected] of cases) {
    t.match(await call(one, 'PATCH', patch, headers), expected, JSON.stringify(patch))
  }
  t.equal(store.get(services, 'default/web'), stored, 'and nothing has changed')
  for (const headers of [merge, strategic, json]) {
    const patch = headers === json ? [] : {}
    t.match(await call(`${one}-none`, 'PATCH', patch, headers), { code: 404, body: { reason: 'NotFound' } })
  }
})

void test('server-side apply creates, and then merges', async t => {
  const { url } = await controlPlaneFor(t)
  const one = `${url}/api/v1/namespaces/default/services/web?fieldManager=test`
  const text =
    'apiVersion: v1\nkind: Service\nmetadata: {name: web, labels: {a: "1"}}\nspec: {ports: [{port: 80}]}\n'
  const created = await call<Service>(one, 'PATCH', text, apply)
  t.match(created, { code: 201, body: { metadata: { name: 'web' } } })
  const again = await call<Service>(one, 'PATCH', text, apply)
  t.strictSame(again, { code: 200, body: created.body }, 'the same once more changes nothing')
  const more =
    '{apiVersion: v1, kind: Service, metadata: {name: web, labels: {b: "2"}}, spec: {ports: [{port: 53, protocol: UDP, name: dns}, {port: 80, name: http}]}}'
  t.match(await call(one, 'PATCH', more, apply), {
    code: 200,
    body: {
      metadata: { labels: { a: '1', b: '2' } },
      spec: {
        clusterIP: created.body.spec.clusterIP,
        ports: [
          { port: 80, name: 'http' },
          { port: 53, protocol: 'UDP' },
        ],
      },
    },
  })
  const named = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web' } }
  const cases: readonly (readonly [body: unknown, expected: object])[] = [
    [
      { ...named, apiVersion: undefined },
      { code: 400, body: { message: /Incorrect version specified/ } },
    ],
    [{ ...named, kind: 'Pod' }, { code: 400 }],
    [
      { ...named, kind: undefined },
      { code: 400, body: { message: /needs a kind/ } },
    ],
    [
      { ...named, metadata: { name: 'x' } },
      { code: 400, body: { message: /does not match the name/ } },
    ],
    [
      { ...named, spec: { types: 1 } },
      { code: 400, body: { message: /\.spec\.types: field not declared/ } },
    ],
    [
      { ...named, metadata: { name: 'web', managedFields: [{ manager: 'x' }] } },
      { code: 400, body: { message: 'metadata.managedFields must be nil' } },
    ],
    ['- a', { code: 400 }],
    ['{', { code: 400 }],
  ]
  for (const [body, expected] of cases) t.match(await call(one, 'PATCH', body, apply), expected)
  const absent = one.replace('web?', 'none?')
  const none = { ...named, metadata: { name: 'none', uid: 'x' } }
  t.match(await call(absent, 'PATCH', none, apply), { code: 409, body: { message: /uid mismatch/ } })
})

void test('deletion: preconditions, collections and what clients can not write', async t => {
  const { url, apply: applyObject, store } = await controlPlaneFor(t)
  for (const name of ['a', 'b', 'c']) {
    applyObject({ ...service(name), metadata: { name, labels: { keep: name === 'b' ? 'yes' : 'no' } } })
  }
  const all = `${url}/api/v1/namespaces/default/services`
  for (const preconditions of [{ uid: 'x' }, { resourceVersion: '1' }]) {
    const reply = await call(`${all}/a`, 'DELETE', { preconditions })
    t.match(reply, { code: 409, body: { reason: 'Conflict', message: /in the precondition/ } })
  }
  t.match(await call(`${all}?labelSelector=keep%3Dno`, 'DELETE'), {
    code: 200,
    body: { kind: 'ServiceList', items: [{ metadata: { name: 'a' } }, { metadata: { name: 'c' } }] },
  })
  t.strictSame(
    store.list(services).items.map(object => object.metadata.name),
    ['b'],
  )
  t.match(await call(`${url}/api/v1/namespaces`, 'DELETE'), { code: 405 })
  t.match(await call(`${url}/api/v1/services`, 'DELETE'), { code: 405 })
  const endpoints = `${url}/api/v1/namespaces/default/endpoints`
  for (const [method, path] of [
    ['POST', endpoints],
    ['DELETE', endpoints],
    ['PUT', `${endpoints}/b`],
    ['PATCH', `${endpoints}/b`],
    ['DELETE', `${endpoints}/b`],
  ] as const) {
    const body = method === 'DELETE' ? undefined : {}
    t.match(await call(path, method, body), {
      code: 405,
      body: { reason: 'MethodNotAllowed', message: /write an EndpointSlice/ },
    })
  }
})

void test('a namespace takes what is in it along, and stays until nothing holds it', async t => {
  const { url, apply: applyObject } = await controlPlaneFor(t)
  applyObject(namespace('team'))
  applyObject({ ...service('a'), metadata: { name: 'a', namespace: 'team' } })
  const held = pod('p', { app: 'a', ip: '127.1.0.1', spec: { containers: [{ name: 'c', image: 'i' }] } })
  applyObject({ ...held, metadata: { name: 'p', namespace: 'team', finalizers: ['example.com/hold'] } })
  const one = `${url}/api/v1/namespaces/team`
  t.match(await call(one, 'DELETE'), {
    code: 200,
    body: { kind: 'Namespace', metadata: { deletionTimestamp: String }, status: { phase: 'Terminating' } },
  })
  t.match(await call(one), { code: 200, body: { status: { phase: 'Terminating' } } })
  t.match(await call(`${one}/services`), { code: 200, body: { items: [] } })
  t.match(await call(`${one}/services`, 'POST', { ...service('b'), metadata: { name: 'b' } }), {
    code: 403,
    body: { reason: 'Forbidden', details: { causes: [{ reason: 'NamespaceTerminating' }] } },
  })
  t.match(await call(`${one}/pods/p`, 'PATCH', { metadata: { finalizers: null } }, merge), { code: 200 })
  t.equal((await call(one)).code, 404)
})
