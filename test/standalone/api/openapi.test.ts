import { BinaryReader, WireType } from '@bufbuild/protobuf/wire'
import { request } from 'undici'
import { test } from 'tap'
import { openApiV2, openApiV3 } from '../../../lib/standalone/api/openapi-documents.ts'
import { encodeOpenApiV2 } from '../../../lib/standalone/api/openapi-protobuf.ts'
import type { JsonSchema } from '../../../lib/standalone/api/openapi-types.ts'
import { apiVersionOf, resourceTypes } from '../../../lib/standalone/kinds/resources.ts'
import { schemaOf } from '../../../lib/standalone/kinds/schemas.ts'
import { controlPlaneFor } from '../builders.ts'

const apiVersions = [...new Set(resourceTypes.map(type => apiVersionOf(type)))]
const protobuf = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf'

/** All values of `key`, wherever they are. */
function valuesOf(key: string, inside: unknown): readonly unknown[] {
  if (typeof inside !== 'object' || inside === null) return []
  return Object.entries(inside).flatMap(([name, value]) => [
    ...(name === key ? [value] : []),
    ...valuesOf(key, value),
  ])
}

void test('every reference leads to a definition, and every definition is referred to', async t => {
  const documents = [
    ['v2', openApiV2(), openApiV2().definitions, '#/definitions/'] as const,
    ...apiVersions.map(apiVersion => {
      const document = openApiV3(apiVersion)
      return [apiVersion, document, document?.components.schemas ?? {}, '#/components/schemas/'] as const
    }),
  ]
  for (const [name, document, definitions, prefix] of documents) {
    const references = new Set(valuesOf('$ref', document).map(String))
    t.ok(references.size > 10, `${name}: references`)
    const names = [...references].map(reference => reference.slice(prefix.length))
    t.strictSame(names.sort(), Object.keys(definitions).sort(), name)
    t.ok(
      [...references].every(reference => reference.startsWith(prefix)),
      `${name}: ${prefix}`,
    )
  }
})

void test('every resource has its kind, its list, and the paths that it is served under', async t => {
  const { definitions, paths } = openApiV2()
  for (const type of resourceTypes) {
    const { group, version, kind, plural } = type
    const name = schemaOf(type).name ?? ''
    const gvk = { group, version, kind }
    t.strictSame(definitions[name]?.['x-kubernetes-group-version-kind'], [gvk], name)
    t.match(definitions[`${name}List`], {
      required: ['items'],
      'x-kubernetes-group-version-kind': [{ ...gvk, kind: `${kind}List` }],
    })
    const root = group === '' ? '/api/v1' : `/apis/${apiVersionOf(type)}`
    const object = `${root}/${type.namespaced ? 'namespaces/{namespace}/' : ''}${plural}/{name}`
    const methods = Object.keys(paths[object] ?? {}).sort()
    t.strictSame(methods, type.readOnly ? ['get'] : ['delete', 'get', 'patch', 'put'], object)
    t.equal(`${object}/status` in paths, type.statusSubresource, `${object}/status`)
    t.equal(`${root}/${plural}` in paths, true, `${root}/${plural}`)
  }
  const ids = valuesOf('operationId', paths)
  t.equal(new Set(ids).size, ids.length, 'operation ids are unique')
  t.ok(ids.includes('listCoreV1NamespacedService') && ids.includes('patchCoreV1NamespacedServiceStatus'))
})

void test('kubectl finds that writes are validated and can be dry runs', async t => {
  const path = '/api/v1/namespaces/{namespace}/services/{name}'
  const wanted = ['dryRun', 'fieldManager', 'fieldValidation']
  for (const document of [openApiV2(), openApiV3('v1')]) {
    const patch = document?.paths[path]?.patch
    t.match(patch?.['x-kubernetes-group-version-kind'], { group: '', kind: 'Service', version: 'v1' })
    const names = (patch?.parameters ?? []).map(parameter => parameter.name)
    t.strictSame(
      names.filter(name => wanted.includes(name)),
      wanted,
    )
  }
})

void test('how lists are merged, what is required, and what a field is for', async t => {
  const { definitions } = openApiV2()
  t.match(definitions['io.k8s.api.core.v1.ServiceSpec']?.properties?.['ports'], {
    description: 'The ports of the Service.',
    type: 'array',
    items: { $ref: '#/definitions/io.k8s.api.core.v1.ServicePort' },
    'x-kubernetes-list-map-keys': ['port', 'protocol'],
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-patch-merge-key': 'port',
    'x-kubernetes-patch-strategy': 'merge',
  })
  t.match(definitions['io.k8s.api.core.v1.PodSpec']?.properties?.['volumes'], {
    'x-kubernetes-patch-merge-key': 'name',
    'x-kubernetes-patch-strategy': 'merge,retainKeys',
  })
  t.match(definitions['io.k8s.api.core.v1.ServicePort'], {
    required: ['port'],
    properties: {
      port: { type: 'integer', format: 'int32' },
      targetPort: { $ref: '#/definitions/io.k8s.apimachinery.pkg.util.intstr.IntOrString' },
    },
  })
  t.match(definitions['io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime'], {
    type: 'string',
    format: 'date-time',
  })
  const v3 = openApiV3('v1')?.components.schemas ?? {}
  t.match(v3['io.k8s.api.core.v1.ServicePort']?.properties?.['targetPort']?.allOf, [
    { $ref: '#/components/schemas/io.k8s.apimachinery.pkg.util.intstr.IntOrString' },
  ])
})

/** The fields of a message: [number, bytes] of each that is length-delimited, [number, number] of each varint. */
function fieldsOf(bytes: Uint8Array): readonly (readonly [number: number, value: Uint8Array | number])[] {
  const reader = new BinaryReader(bytes)
  const fields: (readonly [number, Uint8Array | number])[] = []
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag()
    fields.push([number, wireType === WireType.Varint ? reader.uint32() : reader.bytes()])
  }
  return fields
}

const allOf = (bytes: Uint8Array, number: number): readonly Uint8Array[] =>
  fieldsOf(bytes).flatMap(([found, value]) => (found === number && typeof value !== 'number' ? [value] : []))
const one = (bytes: Uint8Array, number: number): Uint8Array => {
  const [value, ...more] = allOf(bytes, number)
  if (!value || more.length > 0) throw new Error(`field ${number}: ${more.length + (value ? 1 : 0)} of them`)
  return value
}
const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
const namedOf = (bytes: Uint8Array, number: number): ReadonlyMap<string, Uint8Array> =>
  new Map(allOf(bytes, number).map(entry => [textOf(one(entry, 1)), one(entry, 2)]))
const maybe = (bytes: Uint8Array, number: number): string | undefined => {
  const [value] = allOf(bytes, number)
  return value && textOf(value)
}
const without = (schema: object): JsonSchema =>
  Object.fromEntries(Object.entries(schema).filter(([, value]) => value !== undefined))

/** message Schema of gnostic's OpenAPIv2.proto, back to what it says. */
function decodeSchema(bytes: Uint8Array): JsonSchema {
  const [additional] = allOf(bytes, 21)
  const [type] = allOf(bytes, 22)
  const [items] = allOf(bytes, 23)
  const [properties] = allOf(bytes, 25)
  const required = allOf(bytes, 19).map(value => textOf(value))
  const extensions = [...namedOf(bytes, 31)].map(([name, any]) => [
    name,
    JSON.parse(textOf(one(any, 2))) as unknown,
  ])
  return without({
    $ref: maybe(bytes, 1),
    format: maybe(bytes, 2),
    description: maybe(bytes, 4),
    required: required.length > 0 ? required : undefined,
    additionalProperties: additional && decodeSchema(one(additional, 1)),
    type: type && textOf(one(type, 1)),
    items: items && decodeSchema(one(items, 1)),
    properties: properties && decodeSchemas(properties),
    ...Object.fromEntries(extensions),
  })
}

function decodeSchemas(bytes: Uint8Array): Record<string, JsonSchema> {
  return Object.fromEntries([...namedOf(bytes, 1)].map(([name, schema]) => [name, decodeSchema(schema)]))
}

void test('the protobuf form says the same as the JSON form', async t => {
  const document = openApiV2()
  const bytes = encodeOpenApiV2(document)
  t.strictSame(
    fieldsOf(bytes).map(([number]) => number),
    [1, 2, 8, 9],
  )
  t.equal(textOf(one(bytes, 1)), '2.0')
  t.equal(textOf(one(one(bytes, 2), 1)), document.info.title)
  t.same(decodeSchemas(one(bytes, 9)), document.definitions)

  const paths = namedOf(one(bytes, 8), 2)
  t.strictSame([...paths.keys()], Object.keys(document.paths))
  const methods = { get: 2, put: 3, post: 4, delete: 5, patch: 8 } as const
  for (const [path, item] of Object.entries(document.paths)) {
    for (const [method, number] of Object.entries(methods)) {
      const [encoded] = allOf(paths.get(path) ?? new Uint8Array(), number)
      const operation = item[method as keyof typeof methods]
      if (!operation || !encoded) {
        t.equal(encoded, operation, `${method} ${path}`)
        continue
      }
      const parameters = allOf(encoded, 8).map(entry => {
        const parameter = one(entry, 1)
        const [body] = allOf(parameter, 1)
        if (body) return `body ${textOf(one(body, 2))} ${decodeSchema(one(body, 5)).$ref}`
        const nonBody = one(parameter, 2)
        const [query] = allOf(nonBody, 3)
        if (query) return `query ${textOf(one(query, 4))} ${textOf(one(query, 6))}`
        const inPath = one(nonBody, 4)
        return `path ${textOf(one(inPath, 4))} ${textOf(one(inPath, 5))}`
      })
      t.strictSame(
        parameters,
        operation.parameters.map(parameter =>
          parameter.in === 'body'
            ? `body ${parameter.name} ${parameter.schema.$ref}`
            : `${parameter.in} ${parameter.name} ${parameter.type}`,
        ),
        `${method} ${path}`,
      )
      t.equal(textOf(one(encoded, 5)), operation.operationId)
      const responses = namedOf(one(encoded, 9), 1)
      t.strictSame([...responses.keys()], Object.keys(operation.responses))
      const gvk = namedOf(encoded, 13).get('x-kubernetes-group-version-kind')
      t.same(gvk && JSON.parse(textOf(one(gvk, 2))), operation['x-kubernetes-group-version-kind'])
    }
  }
})

void test('over HTTP: forms by Accept, and documents that clients can keep', async t => {
  const { url } = await controlPlaneFor(t)
  const get = async (
    path: string,
    headers: Record<string, string> = {},
    method: 'GET' | 'HEAD' | 'POST' = 'GET',
  ) => {
    const response = await request(url + path, { method, headers })
    const body = Buffer.from(await response.body.arrayBuffer())
    return { code: response.statusCode, headers: response.headers, body }
  }
  const jsonOf = (body: Buffer): unknown => JSON.parse(body.toString())

  for (const accept of ['application/json', '*/*', 'text/html, application/*;q=0.5']) {
    const { code, headers, body } = await get('/openapi/v2', { accept })
    t.match({ code, type: headers['content-type'] }, { code: 200, type: 'application/json' }, accept)
    t.match(jsonOf(body), { swagger: '2.0' })
  }
  for (const accept of [protobuf, protobuf.replace('@', '.'), `${protobuf}, application/json`]) {
    const { code, headers, body } = await get('/openapi/v2', { accept })
    t.match({ code, type: headers['content-type'] }, { code: 200, type: protobuf.replace('@', '.') }, accept)
    t.same(body, Buffer.from(encodeOpenApiV2(openApiV2())))
  }
  for (const path of ['/openapi/v2', '/openapi/v3', '/openapi/v3/api/v1']) {
    const refused = await get(path, { accept: 'text/html' })
    t.match(jsonOf(refused.body), { kind: 'Status', code: 406, reason: 'NotAcceptable' }, path)
    const { headers, body } = await get(path)
    const etag = String(headers.etag)
    t.match(etag, /^"[0-9A-F]{64}"$/)
    const again = await get(path, { 'if-none-match': etag })
    t.match({ code: again.code, length: again.body.length }, { code: 304, length: 0 }, path)
    t.equal((await get(path, { 'if-none-match': '"other"' })).code, 200)
    const head = await get(path, {}, 'HEAD')
    t.match([head.code, head.headers['content-length'], head.body.length], [200, String(body.length), 0])
    t.equal((await get(path, {}, 'POST')).code, 405)
  }

  const index = jsonOf((await get('/openapi/v3')).body) as {
    paths: Record<string, { serverRelativeURL: string }>
  }
  t.strictSame(Object.keys(index.paths).sort(), [
    'api/v1',
    'apis/discovery.k8s.io/v1',
    'apis/events.k8s.io/v1',
  ])
  for (const [path, { serverRelativeURL }] of Object.entries(index.paths)) {
    const { code, headers, body } = await get(serverRelativeURL)
    t.match({ code, cache: headers['cache-control'] }, { code: 200, cache: /immutable/ }, path)
    t.match(jsonOf(body), { openapi: '3.0.0', components: { schemas: {} } })
    const stale = await get(`/openapi/v3/${path}?hash=0123`)
    t.match([stale.code, stale.headers.location], [301, serverRelativeURL], 'a hash of another version')
  }
  for (const path of [
    '/openapi',
    '/openapi/v1',
    '/openapi/v2/x',
    '/openapi/v3/api',
    '/openapi/v3/apis/x/v1',
  ]) {
    t.equal((await get(path)).code, 404, path)
  }
})
