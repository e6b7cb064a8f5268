// Lists and single objects over real HTTP: what a query may ask for, in which forms the answer comes, and what is said
// of paths where nothing is.

import { connect } from 'node:net'
import { gunzipSync } from 'node:zlib'
import { request } from 'undici'
import { test } from 'tap'
import { parse } from 'yaml'
import type { KubeObject } from '../../../lib/model/objects.ts'
import { controlPlaneFor, service } from '../builders.ts'
import { call, watch } from '../http-client.ts'

interface List {
  readonly kind: string
  readonly metadata: Record<string, unknown>
  readonly items: readonly KubeObject[]
}

const names = ({ items }: List): readonly unknown[] => items.map(item => item.metadata.name)

void test('which state a list shows', async t => {
  const { url, apply, store } = await controlPlaneFor(t)
  for (const name of ['a', 'b', 'c']) apply(service(name))
  const before = store.resourceVersion
  apply(service('d'))
  const all = `${url}/api/v1/services`
  const page = await call<List>(`${all}?limit=3`)
  t.match(page.body, { kind: 'ServiceList', metadata: { continue: String, remainingItemCount: 1 } })
  t.strictSame(
    names((await call<List>(`${all}?limit=3&continue=${page.body.metadata['continue'] as string}`)).body),
    ['d'],
  )
  const selected = await call<List>(`${all}?limit=1&labelSelector=!x`)
  t.notOk('remainingItemCount' in selected.body.metadata, 'with a selector nobody has counted')
  const lists: readonly (readonly [query: string, expected: readonly string[]])[] = [
    ['', ['a', 'b', 'c', 'd']],
    ['resourceVersion=0&limit=1', ['a', 'b', 'c', 'd']],
    [`resourceVersion=${before}`, ['a', 'b', 'c', 'd']],
    [`resourceVersion=${before}&limit=9`, ['a', 'b', 'c']],
    [`resourceVersion=${before}&resourceVersionMatch=Exact`, ['a', 'b', 'c']],
    [`resourceVersion=${before}&resourceVersionMatch=NotOlderThan`, ['a', 'b', 'c', 'd']],
    ['limit=-1', ['a', 'b', 'c', 'd']],
    ['fieldSelector=metadata.name%3Db', ['b']],
    ['watch=false', ['a', 'b', 'c', 'd']],
  ]
  for (const [query, expected] of lists) {
    t.strictSame(names((await call<List>(`${all}?${query}`)).body), expected, query)
  }
  const refused: readonly (readonly [query: string, code: number, details?: object])[] = [
    ['resourceVersionMatch=Exact', 422, { causes: [{ field: 'resourceVersionMatch' }] }],
    ['resourceVersion=0&resourceVersionMatch=Exact', 422],
    ['resourceVersion=1&resourceVersionMatch=X', 422, { causes: [{ reason: 'FieldValueNotSupported' }] }],
    ['resourceVersionMatch=Exact&continue=x', 422, { causes: [{}, {}] }],
    ['sendInitialEvents=true', 422, { kind: 'ListOptions', causes: [{ field: 'sendInitialEvents' }] }],
    ['continue=x', 400],
    [`continue=${String(page.body.metadata['continue'])}&resourceVersion=1`, 400],
    ['resourceVersion=x', 400],
    ['resourceVersion=-1', 400],
    ['limit=x', 400],
    ['timeoutSeconds=x', 400],
    ['resourceVersion=9999999999999999', 400],
    [`resourceVersion=${store.resourceVersion + 5}`, 504, { retryAfterSeconds: 1 }],
    ['resourceVersion=1&resourceVersionMatch=Exact', 410],
  ]
  for (const [query, code, details] of refused) {
    t.match(await call(`${all}?${query}`), { code, body: details ? { details } : {} }, query)
  }
})

void test('the forms of an answer', async t => {
  const { url, apply } = await controlPlaneFor(t)
  apply(service('a'))
  const all = `${url}/api/v1/namespaces/default/services`
  const one = `${all}/a`
  const form = (as: string, version = 'v1') => ({
    accept: `application/json;as=${as};v=${version};g=meta.k8s.io`,
  })
  const metadataOnly = await call(one, 'GET', undefined, form('PartialObjectMetadata'))
  t.match(metadataOnly.body, {
    kind: 'PartialObjectMetadata',
    apiVersion: 'meta.k8s.io/v1',
    metadata: { name: 'a' },
  })
  t.notOk('spec' in metadataOnly.body)
  t.match(await call(all, 'GET', undefined, form('PartialObjectMetadataList', 'v1beta1')), {
    code: 200,
    body: {
      kind: 'PartialObjectMetadataList',
      apiVersion: 'meta.k8s.io/v1beta1',
      items: [{ kind: 'PartialObjectMetadata', metadata: { name: 'a' } }],
    },
  })
  const refused: readonly (readonly [path: string, accept: string])[] = [
    [one, form('PartialObjectMetadataList').accept],
    [all, form('PartialObjectMetadata').accept],
    [one, form('Nope').accept],
    [one, form('Table', 'v9').accept],
    [one, 'application/xml'],
    [one, 'application/vnd.kubernetes.protobuf'],
  ]
  for (const [path, accept] of refused) {
    t.match(
      await call(path, 'GET', undefined, { accept }),
      { code: 406, body: { reason: 'NotAcceptable' } },
      accept,
    )
  }
  const noYaml = await call(`${all}?watch=1`, 'GET', undefined, { accept: 'application/yaml' })
  t.match(noYaml, { code: 406, body: /media types are accepted: application\/json/ }, 'a watch is JSON')
  const accepted = [
    '*/*',
    'application/*',
    'text/html, */*;q=0.1',
    'application/vnd.kubernetes.protobuf,application/json',
    'application/json;as=Nope;v=v1;g=meta.k8s.io,application/json',
  ]
  for (const accept of accepted) {
    t.match(await call(one, 'GET', undefined, { accept }), { code: 200, body: { kind: 'Service' } }, accept)
  }
  const asYaml = await request(one, { headers: { accept: 'application/yaml' } })
  t.match(asYaml.headers, { 'content-type': 'application/yaml' })
  t.match(parse(await asYaml.body.text()), { kind: 'Service', metadata: { name: 'a' } })
  const pretty = await request(`${one}?pretty=true`)
  t.match(await pretty.body.text(), /^\{\n {2}"kind": "Service",\n/)

  const events = await request(`${all}?watch=1`, { headers: form('PartialObjectMetadata') })
  for await (const chunk of events.body as AsyncIterable<Buffer>) {
    const event = JSON.parse(chunk.toString()) as { object: object }
    t.match(event, { type: 'ADDED', object: { kind: 'PartialObjectMetadata', metadata: { name: 'a' } } })
    t.notOk('spec' in event.object)
    break
  }
})

void test('large answers are compressed for those who ask', async t => {
  const { url, apply } = await controlPlaneFor(t)
  const annotations = { a: 'x'.repeat(150_000) }
  apply({ ...service('a'), metadata: { name: 'a', annotations } })
  const get = async (path: string, headers: Record<string, string>) => {
    const reply = await request(`${url}/api/v1/${path}`, { headers })
    return { headers: reply.headers, bytes: Buffer.from(await reply.body.arrayBuffer()) }
  }
  const asking = { 'accept-encoding': 'deflate, gzip;q=0.5' }
  const compressed = await get('services', asking)
  t.equal(compressed.headers['content-encoding'], 'gzip')
  t.ok(compressed.bytes.length < 10_000)
  t.match(JSON.parse(gunzipSync(compressed.bytes).toString()), { items: [{ metadata: { annotations } }] })
  const other = [
    await get('services', {}),
    await get('nodes', asking),
    await get('services', { 'accept-encoding': 'gzip;q=0' }),
  ]
  for (const { headers } of other) t.equal(headers['content-encoding'], undefined)
})

void test('paths and methods where nothing is', async t => {
  const { url, apply } = await controlPlaneFor(t)
  apply(service('a'))
  const all = '/api/v1/namespaces/default/services'
  const status = { kind: 'Status', reason: 'NotFound', code: 404 }
  const cases: readonly (readonly [
    method: 'GET' | 'POST' | 'OPTIONS' | 'PUT',
    path: string,
    expected: object,
  ])[] = [
    ['GET', '/', { code: 200, body: { paths: /^\/apis\/events\.k8s\.io\/v1$/ } }],
    ['GET', '/nothing', { code: 404, body: { paths: Array } }],
    ['GET', '/apis/apps/v1', { code: 404, body: '404 page not found\n' }],
    ['GET', '/apis/apps/v1/deployments', { code: 404, body: '404 page not found\n' }],
    ['GET', '/api/v2', { code: 404, body: status }],
    ['GET', '/api/v1/gadgets', { code: 404, body: status }],
    ['GET', '/apis/discovery.k8s.io/v1/gadgets', { code: 404, body: status }],
    ['GET', '/api/v1/namespaces/default/nodes', { code: 404, body: status }],
    ['GET', `${all}/a/scale`, { code: 404, body: status }],
    ['GET', `${all}/a/`, { code: 200, body: { kind: 'Service' } }],
    ['GET', `${all}/`, { code: 200, body: { kind: 'ServiceList' } }],
    ['PUT', '/api/v1/services/a', { code: 404, body: status }],
    ['POST', `${all}/a`, { code: 405, body: { reason: 'MethodNotAllowed' } }],
    ['OPTIONS', all, { code: 405 }],
    ['OPTIONS', `${all}/a`, { code: 405 }],
    ['POST', '/version', { code: 405 }],
  ]
  for (const [method, path, expected] of cases) {
    const { paths, ...rest } = (expected as { body?: { paths?: unknown } }).body ?? {}
    const reply = await call<{ paths?: readonly string[] }>(url + path, method)
    if (paths === undefined) t.match(reply, expected, `${method} ${path}`)
    else
      t.match(
        { code: reply.code, ...rest, has: reply.body.paths?.includes('/apis/events.k8s.io/v1') },
        { code: (expected as { code: number }).code, has: true },
        path,
      )
  }
  for (const path of [all, `${all}/a`])
    t.equal((await request(url + path, { method: 'HEAD' })).statusCode, 405)
})

void test('the old form of a watch', async t => {
  const { url, apply } = await controlPlaneFor(t)
  apply(service('a'))
  apply(service('b'))
  const old = `${url}/api/v1/watch/namespaces/default/services`
  t.strictSame(await (await watch(t, old)).take(2), ['ADDED default/a', 'ADDED default/b'])
  const one = await watch(t, `${old}/b`)
  t.strictSame(await one.take(1), ['ADDED default/b'])
  apply({ ...service('a'), metadata: { name: 'a', labels: { x: 'y' } } })
  apply({ ...service('b'), metadata: { name: 'b', labels: { x: 'y' } } })
  t.strictSame(await one.take(1), ['MODIFIED default/b'])
  t.match(await call(old, 'POST', service('c')), { code: 405 })
  t.match(await call(`${url}/api/v1/watch/watch/services`), { code: 404 })
})

void test('events are the same objects in both of their forms', async t => {
  const { url } = await controlPlaneFor(t)
  const core = `${url}/api/v1/namespaces/default/events`
  const today = `${url}/apis/events.k8s.io/v1/namespaces/default/events`
  const event = {
    metadata: { name: 'e' },
    involvedObject: { kind: 'Pod', name: 'p', namespace: 'default' },
    reason: 'Tested',
    message: 'a test',
    type: 'Normal',
  }
  t.match(await call(core, 'POST', event), { code: 201 })
  t.match(await call(`${today}/e`), {
    code: 200,
    body: { kind: 'Event', apiVersion: 'events.k8s.io/v1', note: 'a test', regarding: { name: 'p' } },
  })
  t.strictSame(names((await call<List>(`${today}?fieldSelector=regarding.name%3Dp`)).body), ['e'])
  t.strictSame(names((await call<List>(`${today}?fieldSelector=regarding.name%3Dq`)).body), [])
  const watching = await watch(t, `${today}?watch=1`)
  t.match(await watching.next(), {
    type: 'ADDED',
    object: { apiVersion: 'events.k8s.io/v1', note: 'a test' },
  })
  t.match(await call(`${core}/put`, 'PUT', { ...event, metadata: { name: 'put' } }), { code: 201 })
  t.match(await watching.next(), { type: 'ADDED', object: { metadata: { name: 'put' }, note: 'a test' } })
  t.match(await call(`${today}/e`, 'DELETE'), { code: 200, body: { status: 'Success' } })
  t.equal((await call(`${core}/e`)).code, 404)
})

void test('requests that are no requests end in an answer or a closed connection', async t => {
  const { url, port } = await controlPlaneFor(t)
  const raw = (text: string) =>
    new Promise<string>(resolve => {
      let answer = ''
      const socket = connect({ host: '127.0.0.1', port }, () => socket.write(text))
      socket.on('data', chunk => (answer += chunk.toString()))
      socket.on('error', () => undefined)
      socket.on('close', () => resolve(answer))
    })
  const cases: readonly (readonly [text: string, expected: RegExp])[] = [
    ['nonsense\r\n\r\n', /^HTTP\/1\.1 400/],
    [`GET /${'a'.repeat(100_000)} HTTP/1.1\r\nhost: localhost\r\n\r\n`, /^HTTP\/1\.1 431/],
    ['GET http://[ HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n', /^HTTP\/1\.1 400/],
    ['GET //[ HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n', /^HTTP\/1\.1 (400|404)/],
    ['CONNECT a:1 HTTP/1.1\r\nhost: localhost\r\n\r\n', /^$/],
  ]
  for (const [text, expected] of cases) t.match(await raw(text), expected, text.slice(0, 20))
  await new Promise<void>(resolve => {
    const path = '/api/v1/namespaces/default/services'
    const head = `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{"a`
    const socket = connect({ host: '127.0.0.1', port }, () => socket.write(head, () => socket.destroy()))
    socket.on('close', () => resolve())
  })
  t.equal((await call(`${url}/healthz`)).code, 200, 'and it still answers')
})
