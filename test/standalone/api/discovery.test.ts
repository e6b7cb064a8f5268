import { request } from 'undici'
import { test } from 'tap'
import { resourceList, supportedVerbs } from '../../../lib/standalone/api/discovery.ts'
import { endpoints, namespaces, resourceTypes, services } from '../../../lib/standalone/kinds/resources.ts'
import { controlPlaneFor } from '../builders.ts'

interface ListedResource {
  readonly name: string
  readonly verbs: readonly string[]
  readonly shortNames?: readonly string[]
  readonly categories?: readonly string[]
}

const resourcesOf = (group: string): readonly ListedResource[] =>
  (resourceList(group, 'v1') as { readonly resources: readonly ListedResource[] }).resources

const all = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch']

void test('verbs', async t => {
  t.strictSame(supportedVerbs(services), all)
  t.strictSame(supportedVerbs(endpoints), ['get', 'list', 'watch'])
  t.notOk(supportedVerbs(namespaces).includes('deletecollection'), 'nobody deletes all namespaces at once')
})

void test('the resources of a group, with names by which kubectl finds them', async t => {
  const core = resourcesOf('')
  const names = core.map(({ name, shortNames = [], categories = [] }) =>
    [name, ...shortNames, ...categories].join(' '),
  )
  t.strictSame(names, [
    'endpoints ep',
    'events ev',
    'namespaces ns',
    'namespaces/status',
    'nodes no',
    'nodes/status',
    'pods po all',
    'pods/status',
    'services svc all',
    'services/status',
  ])
  t.strictSame(core.find(({ name }) => name === 'services/status')?.verbs, ['get', 'patch', 'update'])
  t.match(resourcesOf('discovery.k8s.io'), [
    { name: 'endpointslices', kind: 'EndpointSlice', namespaced: true },
  ])
  t.match(resourcesOf('events.k8s.io'), [{ name: 'events', kind: 'Event', shortNames: ['ev'] }])
})

const aggregatedType = (version: string): string =>
  `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`

void test('discovery over HTTP, aggregated if the client knows that', async t => {
  const { url } = await controlPlaneFor(t)
  const get = async (path: string, accept: string) => {
    const { statusCode, headers, body } = await request(url + path, { headers: { accept } })
    return { code: statusCode, type: headers['content-type'], vary: headers.vary, body: await body.text() }
  }
  const cases: readonly (readonly [accept: string, version: string | null])[] = [
    [`${aggregatedType('v2')},${aggregatedType('v2beta1')},application/json`, 'v2'],
    [`${aggregatedType('v2beta1')},application/json`, 'v2beta1'],
    [`${aggregatedType('v9')},${aggregatedType('v2')}`, 'v2'],
    [`${aggregatedType('v9')},application/json`, null],
    [`application/json,${aggregatedType('v2')}`, null],
    ['*/*', null],
    ['', null],
  ]
  for (const [accept, version] of cases) {
    for (const [path, kind] of [
      ['/api', 'APIVersions'],
      ['/apis', 'APIGroupList'],
    ] as const) {
      const { code, type, vary, body } = await get(path, accept)
      const expected = version === null ? 'application/json' : aggregatedType(version)
      t.strictSame([code, type, vary], [200, expected, 'Accept'], `${path} ${accept}`)
      t.equal((JSON.parse(body) as { kind: string }).kind, version === null ? kind : 'APIGroupDiscoveryList')
    }
  }
  const listed = ['/api', '/apis'].map(async path => {
    const { body } = await get(path, aggregatedType('v2'))
    const { apiVersion, items } = JSON.parse(body) as {
      readonly apiVersion: string
      readonly items: readonly {
        readonly metadata: { readonly name?: string }
        readonly versions: readonly {
          readonly version: string
          readonly resources: readonly { readonly resource: string; readonly scope: string }[]
        }[]
      }[]
    }
    t.equal(apiVersion, 'apidiscovery.k8s.io/v2')
    return items.flatMap(({ metadata, versions }) =>
      versions.flatMap(({ version, resources }) =>
        resources.map(({ resource, scope }) => `${metadata.name ?? ''}/${version} ${resource} ${scope}`),
      ),
    )
  })
  t.strictSame(
    (await Promise.all(listed)).flat().sort(),
    resourceTypes
      .map(
        ({ group, version, plural, namespaced }) =>
          `${group}/${version} ${plural} ${namespaced ? 'Namespaced' : 'Cluster'}`,
      )
      .sort(),
    'every resource, once',
  )
  t.match(JSON.parse((await get('/api', aggregatedType('v2'))).body), {
    items: [
      {
        versions: [
          {
            freshness: 'Current',
            resources: [
              { resource: 'endpoints', verbs: ['get', 'list', 'watch'], singularResource: 'endpoints' },
              {},
              {},
              { subresources: [{ subresource: 'status', verbs: ['get', 'patch', 'update'] }] },
              {
                resource: 'pods',
                responseKind: { group: '', version: 'v1', kind: 'Pod' },
                categories: ['all'],
              },
            ],
          },
        ],
      },
    ],
  })
  t.match(await get('/version', 'application/yaml'), {
    code: 200,
    type: 'application/yaml',
    body: /^minor: "35"$/m,
  })
  const refused = await get('/apis', 'text/html')
  t.match([refused.code, JSON.parse(refused.body)], [406, { kind: 'Status', reason: 'NotAcceptable' }])
})
