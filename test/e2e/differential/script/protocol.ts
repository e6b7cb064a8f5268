// HTTP itself: paths, methods, content types, bodies that are no objects, tables and the discovery documents.

import { get, patch, post, put, send, type Chapter, type Step } from '../step.ts'
import { namespacePath, pod, pods, service, services, slices, web } from './objects.ts'

const paths: readonly Step[] = [
  '/nothing',
  '/api/v2',
  '/api/v1/nothing',
  '/apis/nothing.example.com',
  '/apis/nothing.example.com/v1',
  '/apis/nothing.example.com/v1/things',
  `${namespacePath}/nothing`,
  `${services}/web/nothing`,
  `${services}/web/status/nothing`,
  '/api/v1/namespaces/diff/nodes',
  '/api/v1/namespaces/diff/services/?labelSelector=none',
  '/api/v1/services/web',
].map(path => get(`GET ${path}`, path))

const methods: readonly Step[] = [
  ['POST', `${services}/web`],
  ['PUT', services],
  ['PATCH', services],
  ['POST', `${services}/web/status`],
  ['DELETE', `${services}/web/status`],
  ['POST', '/api/v1/services'],
  ['PUT', '/version'],
  ['POST', '/api/v1'],
  ['OPTIONS', services],
].map(([method = '', path = '']) =>
  send(`${method} ${path}`, method, path, method === 'OPTIONS' ? undefined : {}),
)

const bodies: readonly Step[] = [
  post('no body', services, undefined),
  post('an empty body', services, ''),
  post('no JSON', services, 'not json'),
  post('half a document', services, '{"apiVersion":"v1","kind":"Service"'),
  post('two documents', services, '{}{}'),
  post('a list', services, '[]'),
  post('null', services, 'null'),
  post('a string', services, '"Service"'),
  post('a number', services, '7'),
  post('an empty object', services, '{}'),
  post('no kind', services, { apiVersion: 'v1', metadata: { name: 'odd' } }),
  post('no apiVersion', services, { kind: 'Service', metadata: { name: 'odd' } }),
  post('another kind', services, pod('odd')),
  post('an unknown kind', services, { apiVersion: 'v1', kind: 'Nonsense', metadata: { name: 'odd' } }),
  post('another group', services, {
    apiVersion: 'example.com/v1',
    kind: 'Service',
    metadata: { name: 'odd' },
  }),
  post("a version that isn't there", services, {
    apiVersion: 'v2',
    kind: 'Service',
    metadata: { name: 'odd' },
  }),
  post('a List', services, { apiVersion: 'v1', kind: 'List', items: [] }),
  post('a ServiceList', services, { apiVersion: 'v1', kind: 'ServiceList', items: [] }),
  post('ports as text', services, service('odd', { ports: 'http' })),
  post('a port as text', services, service('odd', { ports: [{ port: '80' }] })),
  post('a port as a fraction', services, service('odd', { ports: [{ port: 80.5 }] })),
  post('a port beyond 32 bits', services, service('odd', { ports: [{ port: 5_000_000_000 }] })),
  post('a target port as a list', services, service('odd', { ports: [{ port: 80, targetPort: [80] }] })),
  post('a name as a number', services, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 7 },
    spec: { ports: [{ port: 80 }] },
  }),
  post('labels as a list', services, web('odd', {}, { labels: ['a'] } as never)),
  post('a selector as text', services, web('odd', { selector: 'app=web' })),
  post('a time that is none', services, web('odd', {}, { creationTimestamp: 'yesterday' })),
  post('metadata as text', services, { apiVersion: 'v1', kind: 'Service', metadata: 'odd' }),
  post('a boolean as text', services, web('odd', { publishNotReadyAddresses: 'yes' })),
  post(
    'null everywhere',
    services,
    '{"apiVersion":"v1","kind":"Service","metadata":{"name":"nulls","labels":null,"annotations":null},"spec":{"ports":[{"port":80,"name":null,"protocol":null}],"selector":null,"type":null,"clusterIP":null}}',
  ),
  send('deleted', 'DELETE', `${services}/nulls`),
  post(
    '__proto__ and constructor',
    services,
    '{"apiVersion":"v1","kind":"Service","metadata":{"name":"proto","labels":{"__proto__":"a","constructor":"b"}},"spec":{"ports":[{"port":80}],"selector":{"toString":"c"}}}',
  ),
  send('the one with __proto__ is deleted', 'DELETE', `${services}/proto`),
  post('deep nesting', services, `${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}`),
  post('a megabyte in an unknown field is fine', services, {
    ...web('large'),
    unknown: 'x'.repeat(1_000_000),
  }),
  send('deleted', 'DELETE', `${services}/large`),
  post('four megabytes', services, { ...web('too-large'), unknown: 'x'.repeat(4_000_000) }),
  post('no content type', services, web('untyped'), { headers: { 'content-type': '' } }),
  send('deleted', 'DELETE', `${services}/untyped`),
  post('text', services, web('odd'), { headers: { 'content-type': 'text/plain' } }),
  post('a content type that is none', services, web('odd'), { headers: { 'content-type': 'nonsense' } }),
  post('JSON with a charset', services, web('charset'), {
    headers: { 'content-type': 'application/json; charset=utf-8' },
  }),
  send('deleted', 'DELETE', `${services}/charset`),
  post(
    'YAML',
    services,
    'apiVersion: v1\nkind: Service\nmetadata: { name: from-yaml }\nspec:\n  ports:\n    - port: 80\n',
    { headers: { 'content-type': 'application/yaml' } },
  ),
  send('deleted', 'DELETE', `${services}/from-yaml`),
  post('YAML that is none', services, 'a: [', { headers: { 'content-type': 'application/yaml' } }),
  put('a put without a body', `${services}/web`, undefined),
  send(
    'a patch of JSON',
    'PATCH',
    `${services}/web`,
    {},
    { headers: { 'content-type': 'application/json' } },
  ),
  send('a patch of nothing known', 'PATCH', `${services}/web`, 'x', {
    headers: { 'content-type': 'text/plain' },
  }),
  patch('an empty merge patch', 'merge', `${services}/missing`, ''),
]

const misspelt = (name: string): object => web(name, { types: 'NodePort' })
const twice = (name: string): string =>
  `{"apiVersion":"v1","kind":"Service","metadata":{"name":"${name}"},"spec":{"type":"ClusterIP","type":"ClusterIP","ports":[{"port":80}]}}`

const validation: readonly Step[] = [
  post('spec.types, strictly', `${services}?fieldValidation=Strict`, misspelt('strict')),
  post('spec.types, with a warning', `${services}?fieldValidation=Warn`, misspelt('warned')),
  post('spec.types, ignored', `${services}?fieldValidation=Ignore`, misspelt('ignored')),
  post('spec.types, with nothing said', services, misspelt('default')),
  post('a validation that is none', `${services}?fieldValidation=Maybe`, misspelt('maybe')),
  post('a field twice, strictly', `${services}?fieldValidation=Strict`, twice('strictly-twice')),
  post('a field twice, with a warning', services, twice('twice')),
  post('a field manager that is too long', `${services}?fieldManager=${'a'.repeat(200)}`, web('managed')),
]

const tableType = 'application/json;as=Table;v=v1;g=meta.k8s.io'

const accepts: readonly Step[] = [
  post(
    'a Service to show',
    services,
    web(
      'shown',
      {
        clusterIP: '10.96.77.90',
        type: 'NodePort',
        ports: [{ name: 'a', port: 80, nodePort: 30070 }],
        selector: { app: 'x' },
      },
      { labels: { shown: 'yes' } },
    ),
  ),
  post('a Pod to show', pods, pod('shown', {}, { labels: { shown: 'yes' } })),
  get('a Service as YAML', `${services}/shown`, { headers: { accept: 'application/yaml' } }),
  get('a Service as text', `${services}/shown`, { headers: { accept: 'text/html' } }),
  get('an accepted type among others', `${services}/shown`, {
    headers: { accept: 'text/html, application/json;q=0.5' },
  }),
  get('anything', `${services}/shown`, { headers: { accept: '*/*' } }),
  get('a Service as Table', `${services}/shown`, { headers: { accept: tableType } }),
  get('Services as Table', `${services}?labelSelector=shown`, {
    headers: { accept: `${tableType},application/json` },
  }),
  get('Services as Table without objects', `${services}?labelSelector=shown&includeObject=None`, {
    headers: { accept: tableType },
  }),
  get('Services as Table with whole objects', `${services}?labelSelector=shown&includeObject=Object`, {
    headers: { accept: tableType },
  }),
  get('an includeObject that is none', `${services}?includeObject=Some`, { headers: { accept: tableType } }),
  get('Pods as Table', `${pods}?labelSelector=shown`, { headers: { accept: tableType } }),
  get('nothing as Table', `${services}?labelSelector=none`, { headers: { accept: tableType } }),
  get('Table v1beta1', `${services}/shown`, {
    headers: { accept: 'application/json;as=Table;v=v1beta1;g=meta.k8s.io' },
  }),
  get('an error as Table', `${services}/missing`, { headers: { accept: tableType } }),
  get('a watch as Table', `${services}?watch=1&timeoutSeconds=1&labelSelector=shown`, {
    headers: { accept: tableType },
  }),
  get('the metadata of a Service', `${services}/shown`, {
    headers: { accept: 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io' },
  }),
  get('the metadata of Services', `${services}?labelSelector=shown`, {
    headers: { accept: 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io' },
  }),
  get('a form that is none', `${services}/shown`, {
    headers: { accept: 'application/json;as=Picture;v=v1;g=meta.k8s.io' },
  }),
  send('deleted', 'DELETE', `${services}/shown`),
  send('deleted', 'DELETE', `${pods}/shown`),
]

const discovery: readonly Step[] = [
  get('/api', '/api'),
  get('/apis', '/apis'),
  get('/api/v1', '/api/v1'),
  get('/apis/discovery.k8s.io', '/apis/discovery.k8s.io'),
  get('/apis/discovery.k8s.io/v1', '/apis/discovery.k8s.io/v1'),
  get('/apis/events.k8s.io', '/apis/events.k8s.io'),
  get('/apis/events.k8s.io/v1', '/apis/events.k8s.io/v1'),
  get('/version', '/version'),
  get('/healthz', '/healthz'),
  get('/livez', '/livez'),
  get('/readyz', '/readyz'),
  get('no EndpointSlices', `${slices}?labelSelector=none`),
]

export const protocolChapters: readonly Chapter[] = [
  { title: 'paths', differs: [], differsIn: { 'GET /nothing': ['kinds-served'] }, steps: paths },
  { title: 'methods', differs: [], steps: methods },
  {
    title: 'bodies',
    differs: ['internal-traffic-policy', 'deleted-service'],
    differsIn: {
      'a port beyond 32 bits': ['int32-overflow'],
      '__proto__ and constructor': ['proto-key'],
      'deep nesting': ['nesting'],
      'a megabyte in an unknown field is fine': ['field-validation'],
      'a patch of JSON': ['empty-details'],
      'a patch of nothing known': ['empty-details'],
      'the one with __proto__ is deleted': ['proto-key'],
    },
    steps: bodies,
  },
  {
    title: 'unknown fields',
    differs: ['internal-traffic-policy'],
    differsIn: {
      'spec.types, strictly': ['field-validation'],
      'spec.types, with a warning': ['field-validation'],
      'spec.types, with nothing said': ['field-validation'],
      'a validation that is none': ['field-validation'],
      'a field twice, strictly': ['field-validation'],
      'a field twice, with a warning': ['field-validation'],
    },
    steps: validation,
  },
  {
    title: 'forms of an answer',
    differs: ['internal-traffic-policy', 'pod-generation', 'deleted-service'],
    differsIn: { 'a Service as text': ['empty-details'], 'Pods as Table': ['restart-column'] },
    steps: accepts,
  },
  {
    title: 'discovery',
    differs: [],
    differsIn: {
      '/api': ['server-address'],
      '/api/v1': [
        'singular-names',
        'endpoints-read-only',
        'collection-of-services',
        'beta-versions',
        'kinds-served',
      ],
      '/apis/discovery.k8s.io/v1': ['singular-names', 'kinds-served'],
      '/apis/events.k8s.io/v1': ['singular-names', 'kinds-served'],
      '/version': ['version'],
      '/apis': ['beta-versions', 'kinds-served'],
      '/apis/discovery.k8s.io': ['beta-versions'],
      '/apis/events.k8s.io': ['beta-versions'],
    },
    steps: discovery,
  },
]
