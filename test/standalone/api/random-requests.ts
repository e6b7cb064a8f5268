// Random requests to the embedded API server: some that could be meant, with an odd value here and there, and some
// that make no sense at all.

import * as fc from 'fast-check'
import type { Dispatcher } from 'undici'
import type { KubeObject } from '../../../lib/model/objects.ts'
import { resourceOfKind, resourceTypes } from '../../../lib/standalone/kinds/resources.ts'
import { namespace, pod, service } from '../builders.ts'

export interface AnyRequest {
  readonly method: Dispatcher.HttpMethod
  readonly path: string
  readonly query: readonly (readonly [name: string, value: string])[]
  readonly contentType: string
  readonly accept: string
  readonly body: string | Buffer
}

const methods: readonly Dispatcher.HttpMethod[] = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'HEAD']
const patchTypes = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
  'application/apply-patch+yaml',
]
const contentTypes = [...patchTypes, 'application/json', 'application/yaml', 'text/plain', '', 'a;b;;=']
const accepts = [
  '*/*',
  'application/yaml',
  'application/json;as=Table;g=meta.k8s.io;v=v1',
  'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1',
  'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1',
  'application/vnd.kubernetes.protobuf',
  'application/json;as=__proto__;q=NaN,,;',
]

const slice: KubeObject = {
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: 'a', namespace: 'default', labels: { 'kubernetes.io/service-name': 'a' } },
  addressType: 'IPv4',
  endpoints: [{ addresses: ['10.0.0.1'], conditions: { ready: true }, hostname: 'h', zone: 'z' }],
  ports: [{ name: 'http', port: 80, protocol: 'TCP' }],
}
const event: KubeObject = {
  apiVersion: 'v1',
  kind: 'Event',
  metadata: { name: 'a', namespace: 'default' },
  involvedObject: { kind: 'Pod', namespace: 'default', name: 'a' },
  reason: 'Because',
  message: 'it is so',
  type: 'Normal',
  lastTimestamp: '2026-01-31T12:00:00Z',
}
const node: KubeObject = {
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name: 'a', labels: { 'topology.kubernetes.io/zone': 'z' } },
  spec: { taints: [{ key: 'a', effect: 'NoSchedule' }] },
  status: { addresses: [{ type: 'InternalIP', address: '10.0.0.9' }], capacity: { cpu: '2', memory: '1Gi' } },
}
const templates: readonly KubeObject[] = [
  service('a', { type: 'NodePort', ports: [{ name: 'x', port: 80, nodePort: 30_001, targetPort: 'http' }] }),
  service('b', {
    type: 'LoadBalancer',
    externalTrafficPolicy: 'Local',
    ipFamilyPolicy: 'PreferDualStack',
    sessionAffinity: 'ClientIP',
    sessionAffinityConfig: { clientIP: { timeoutSeconds: 10 } },
  }),
  service('c', { clusterIP: 'None', publishNotReadyAddresses: true }),
  { ...service('a'), spec: { type: 'ExternalName', externalName: 'example.com' } },
  { ...service('b'), status: { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } } },
  pod('a', { app: 'a', ip: '10.0.0.1' }),
  namespace('other'),
  slice,
  event,
  node,
  { apiVersion: 'v1', kind: 'DeleteOptions', metadata: {}, gracePeriodSeconds: 5, dryRun: [] },
]

const oddity = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    0,
    -1,
    2 ** 31,
    2 ** 53,
    1e308,
    '',
    ' ',
    '\0',
    '::',
    '::1',
    '0x50',
    '1e9',
    'TCP',
    'SCTP',

    '10.96.0.1',
    '10.96.0.3',
    '256.1.1.1',
    '2026-01-01',
    '9999-12-31T23:59:60Z',
    '\ud800',
    '👩‍👩‍👧',
    'a/b',
    'None',

    'ClusterIP',
    'NodePort',
    'LoadBalancer',
    'ExternalName',
    'IPv6',
    'RequireDualStack',
    'SingleStack',
    'Local',
    [],
    {},
    [[]],
    JSON.parse('{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}'),
  ),
  fc.jsonValue({ maxDepth: 3 }),
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.nat(70_000),
  fc.constantFrom(30_000, 30_001, 30_005, 30_019),
)
/** Where in an object (counted in the order of a walk), what is done there, and with what. */
const mutation = fc.record({
  at: fc.nat(60),
  how: fc.constantFrom<'replace' | 'remove' | 'repeat' | 'add'>('replace', 'remove', 'repeat', 'add'),
  key: fc.constantFrom(
    'name',
    'finalizers',
    'resourceVersion',
    '__proto__',
    'spec',
    'nodePort',
    '$patch',
    'x',
    '0',
  ),
  value: oddity,
})
const mutated = fc
  .tuple(fc.constantFrom(...templates), fc.array(mutation, { maxLength: 3 }))
  .map(([template, mutations]) => {
    const object = JSON.parse(JSON.stringify(template)) as Record<string, unknown>
    for (const one of mutations) mutate(object, one)
    return object
  })
const operation = fc.record({
  op: fc.constantFrom('add', 'remove', 'replace', 'move', 'copy', 'test', 'x'),
  path: fc.constantFrom(
    '/metadata/labels',
    '/spec/ports/-',
    '/spec/ports/0',
    '/__proto__/x',
    '',
    '/spec/type',
    '/a~1',
  ),
  from: fc.constantFrom('/spec', '/metadata/name', '/spec/ports/0', '/nowhere'),
  value: oddity,
})
const asText = (value: unknown): string => JSON.stringify(value) ?? ''
const body = fc.oneof(
  { weight: 6, arbitrary: mutated.map(asText) },
  { weight: 2, arbitrary: fc.array(operation, { maxLength: 4 }).map(asText) },
  { weight: 1, arbitrary: oddity.map(asText) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 50 }) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 60 }).map(bytes => Buffer.from(bytes)) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '',
      '['.repeat(100_000),
      '{"a":'.repeat(2000) + '1' + '}'.repeat(2000),
      'a: &a [*a]',
      'a: &a [1]\nb: {<<: *a, c: *a}',
      '%YAML 1.1\n---\nmetadata: {name: a, annotations: !!omap [x: 2001-01-01]}\nspec: !!set {a}\n',
      '--- a\n--- b\n...',
    ),
  },
)
const name = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom('a', 'b', 'c', 'other', 'default') },
  {
    weight: 1,
    arbitrary: fc.constantFrom('__proto__', 'constructor', '..', '%2e%2e', '%', '%00', '%ff', 'a%2Fb', ''),
  },
  {
    weight: 1,
    arbitrary: fc.string({ unit: 'binary', maxLength: 20 }).map(text => encodeURIComponent(wellFormed(text))),
  },
)
const place = fc
  .tuple(
    fc.constantFrom(...resourceTypes),
    fc.constantFrom('default', 'default', 'other', 'kube-system'),
    name,
  )
  .chain(([type, inside, one]) => {
    const root = type.group === '' ? `/api/${type.version}` : `/apis/${type.group}/${type.version}`
    const collection = type.namespaced
      ? `${root}/namespaces/${inside}/${type.plural}`
      : `${root}/${type.plural}`
    return fc.constantFrom(
      collection,
      `${collection}/${one}`,
      `${collection}/${one}`,
      `${collection}/${one}/status`,

      `${root}/${type.plural}`,
      `${root}/${one}`,
      `/${one}`,
      `/openapi/v3/${one}`,
      `${collection}/${one}/${one}`,
    )
  })
const parameterNames = [
  'labelSelector fieldSelector limit continue resourceVersion resourceVersionMatch',
  'dryRun fieldValidation fieldManager force gracePeriodSeconds propagationPolicy pretty',
  'watch sendInitialEvents allowWatchBookmarks includeObject orphanDependents x',
].flatMap(names => names.split(' '))
const parameter = fc.tuple(
  fc.constantFrom(...parameterNames),
  fc.oneof(
    fc.constantFrom(
      '',
      '0',
      '1',
      '-1',
      'true',
      'All',
      'Strict',
      'Exact',
      'NotOlderThan',
      'fuzz',
      'Orphan',
      'a=b',
    ),
    fc.constantFrom(
      'a in (b,c),!d',
      'metadata.name=a',
      'spec.type!=x',
      '9007199254740991',
      '9'.repeat(30),
      '((,',
    ),
    fc.string({ unit: 'binary', maxLength: 10 }),
  ),
)
const senseless: fc.Arbitrary<AnyRequest> = fc.record({
  method: fc.constantFrom(...methods),
  path: place,
  query: fc.array(parameter, { maxLength: 3 }),
  contentType: fc.constantFrom(...contentTypes),
  accept: fc.constantFrom(...accepts),
  body,
})

/** A request that could be meant, for an object of its own kind. */
const sensible = fc
  .record({
    template: fc.constantFrom(...templates.filter(({ kind }) => kind !== 'DeleteOptions')),
    mutations: fc.array(mutation, { maxLength: 2 }),
    name: fc.constantFrom('a', 'b', 'c'),
    status: fc.integer({ min: 0, max: 5 }).map(n => (n === 0 ? '/status' : '')),
    action: fc.constantFrom(
      'create',
      'create',
      'create',
      'put',
      'put',
      ...patchTypes,
      'delete',
      'get',
      'list',
      'clear',
    ),
    accept: fc.oneof(
      { weight: 5, arbitrary: fc.constant('*/*') },
      { weight: 1, arbitrary: fc.constantFrom(...accepts) },
    ),
    query: fc.oneof(
      { weight: 4, arbitrary: fc.constant<AnyRequest['query']>([]) },
      { weight: 1, arbitrary: fc.array(parameter, { maxLength: 2 }) },
    ),
    operations: fc.array(operation, { maxLength: 3 }),
  })
  .map(({ template, mutations, name: own, status, action, accept, query, operations }): AnyRequest => {
    const object = structuredClone(template) as KubeObject & Record<string, unknown>
    const type = resourceOfKind(object.apiVersion ?? '', object.kind ?? '')
    if (!type) throw new Error(`no resource has the kind ${object.kind}`)
    const named = { ...object, metadata: { ...object.metadata, name: own } }
    for (const one of mutations) mutate(named, one)
    const root = type.group === '' ? `/api/${type.version}` : `/apis/${type.group}/${type.version}`
    const collection = `${root}${type.namespaced ? '/namespaces/default' : ''}/${type.plural}`
    const one = `${collection}/${own}${status}`
    const contentType = patchTypes.includes(action) ? action : 'application/json'
    const request = { query, contentType, accept, body: asText(named), path: one }
    switch (action) {
      case 'create':
        return { ...request, method: 'POST', path: collection }
      case 'put':
        return { ...request, method: 'PUT' }
      case 'delete':
        return { ...request, method: 'DELETE', body: '' }
      case 'clear':
        return {
          ...request,
          method: 'DELETE',
          path: collection,
          query: [['labelSelector', 'app=b']],
          body: '',
        }
      case 'get':
        return { ...request, method: 'GET' }
      case 'list':
        return { ...request, method: 'GET', path: collection }
      default: {
        const isApply = action.includes('apply')
        const patch = action.includes('json-patch') ? operations : named
        return {
          ...request,
          method: 'PATCH',
          body: asText(patch),
          query: isApply ? [['fieldManager', 'f']] : query,
        }
      }
    }
  })
/** Four of five are sensible. */
export const anyRequest = fc.oneof({ weight: 4, arbitrary: sensible }, { weight: 1, arbitrary: senseless })

/** A mutated object's place is counted as a walk comes by. */
function mutate(
  root: Record<string, unknown>,
  { at, how, key, value }: { at: number; how: string; key: string; value: unknown },
): void {
  const places: { readonly owner: Record<string, unknown> | unknown[]; readonly member: string }[] = []
  const walk = (owner: unknown): void => {
    if (typeof owner !== 'object' || owner === null) return
    for (const [member, inner] of Object.entries(owner)) {
      places.push({ owner: owner as Record<string, unknown>, member })
      walk(inner)
    }
  }
  walk(root)
  const found = places[at % Math.max(1, places.length)]
  if (!found) return
  const owner = found.owner as Record<string, unknown>
  const { member } = found
  const define = (name: string, to: unknown): void => {
    Object.defineProperty(owner, name, { value: to, enumerable: true, configurable: true, writable: true })
  }
  if (how === 'replace') define(member, value)
  else if (how === 'add') define(Array.isArray(owner) ? String(owner.length) : key, value)
  else if (how === 'remove') {
    if (Array.isArray(owner)) owner.splice(Number(member), 1)
    else delete owner[member]
  } else if (Array.isArray(owner)) owner.push(...Array.from({ length: 50 }, () => owner[Number(member)]))
  else define(key, owner[member])
}

/** encodeURIComponent and URLs take no halves of surrogate pairs. */
export function wellFormed(text: string): string {
  return text.toWellFormed()
}
