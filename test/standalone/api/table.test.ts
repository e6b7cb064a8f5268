import { test } from 'tap'
import * as fc from 'fast-check'
import type { KubeObject } from '../../../lib/model/objects.ts'
import { humanDuration } from '../../../lib/standalone/api/age.ts'
import {
  includeObjectOf,
  tableOf,
  tableOfObject,
  type Table,
  type TableOptions,
} from '../../../lib/standalone/api/table.ts'
import {
  endpoints,
  endpointSlices,
  events,
  eventsV1,
  namespaces,
  nodes,
  pods,
  resourceTypes,
  services,
  type ResourceType,
} from '../../../lib/standalone/kinds/resources.ts'
import { controlPlaneFor, refusal, service } from '../builders.ts'
import { call, watch } from '../http-client.ts'

const now = Date.parse('2026-01-02T03:04:05Z')
const ago = (seconds: number): string => new Date(now - seconds * 1000).toISOString()
const options: TableOptions = { version: 'v1', includeObject: 'None', now }

const object = (name: string, fields: Record<string, unknown> = {}, metadata = {}): KubeObject => ({
  ...fields,
  metadata: { name, namespace: 'default', creationTimestamp: ago(3600), ...metadata },
})

/** The cells of one object by their column's name. */
function cellsOf(type: ResourceType, each: KubeObject): Record<string, unknown> {
  const { columnDefinitions, rows } = tableOfObject(type, each, options)
  const names = (columnDefinitions ?? []).map(column => (column as { readonly name: string }).name)
  return Object.fromEntries(names.map((name, index) => [name, rows[0]?.cells[index]]))
}

void test('ages', t => {
  const minute = 60
  const hour = 60 * minute
  const day = 24 * hour
  const year = 365 * day
  const cases: readonly (readonly [seconds: number, text: string])[] = [
    [-2, '<invalid>'],
    [-1.5, '0s'],
    [0, '0s'],
    [0.9, '0s'],
    [59, '59s'],
    [119.9, '119s'],
    [120, '2m'],
    [121, '2m1s'],
    [9 * minute + 59, '9m59s'],
    [10 * minute + 59, '10m'],
    [3 * hour - 1, '179m'],
    [3 * hour, '3h'],
    [3 * hour + minute, '3h1m'],
    [8 * hour - 1, '7h59m'],
    [8 * hour + 59 * minute, '8h'],
    [48 * hour - 1, '47h'],
    [48 * hour, '2d'],
    [2 * day + hour, '2d1h'],
    [8 * day - 1, '7d23h'],
    [8 * day + 5 * hour, '8d'],
    [2 * year - 1, '729d'],
    [2 * year, '2y'],
    [2 * year + day, '2y1d'],
    [8 * year - 1, '7y364d'],
    [8 * year + 300 * day, '8y'],
  ]
  for (const [seconds, text] of cases) t.equal(humanDuration(seconds * 1000), text, `${seconds} s`)
  t.end()
})

void test('every resource has its columns, wide ones with priority 1', t => {
  const cases: readonly (readonly [type: ResourceType, narrow: string, wide: string])[] = [
    [services, 'Name,Type,Cluster-IP,External-IP,Port(s),Age', 'Selector'],
    [endpointSlices, 'Name,AddressType,Ports,Endpoints,Age', ''],
    [endpoints, 'Name,Endpoints,Age', ''],
    [pods, 'Name,Ready,Status,Restarts,Age', 'IP,Node,Nominated Node,Readiness Gates'],
    [
      nodes,
      'Name,Status,Roles,Age,Version',
      'Internal-IP,External-IP,OS-Image,Kernel-Version,Container-Runtime',
    ],
    [namespaces, 'Name,Status,Age', ''],
    [events, 'Last Seen,Type,Reason,Object,Message', 'Subobject,Source,First Seen,Count,Name'],
    [eventsV1, 'Last Seen,Type,Reason,Object,Message', 'Subobject,Source,First Seen,Count,Name'],
  ]
  t.same(new Set(cases.map(([type]) => type)), new Set(resourceTypes), 'all resources are here')
  for (const [type, narrow, wide] of cases) {
    const definitions = tableOf(type, [], {}, options).columnDefinitions as readonly {
      readonly name: string
      readonly type: string
      readonly format: string
      readonly description: string
      readonly priority: number
    }[]
    const named = (priority: number): string =>
      definitions
        .filter(each => each.priority === priority)
        .map(each => each.name)
        .join()
    t.equal(named(0), narrow, `${type.plural}.${type.group}`)
    t.equal(named(1), wide, `${type.plural}.${type.group}, wide`)
    t.ok(definitions.every(each => each.description.length > 10 && each.type === 'string'))
    t.same(
      definitions.filter(each => each.format !== '').map(each => [each.name, each.format]),
      [['Name', 'name']],
    )
  }
  t.end()
})

void test('services', t => {
  const ports = [
    { port: 80, protocol: 'TCP' },
    { port: 53, protocol: 'UDP', nodePort: 30053 },
  ]
  const service = (spec: object, status: object = {}): Record<string, unknown> =>
    cellsOf(services, object('web', { spec, status }))
  t.same(
    service({
      type: 'ClusterIP',
      clusterIPs: ['10.0.0.1', 'fd00::1'],
      ports,
      selector: { tier: 'x', app: 'web' },
    }),
    {
      Name: 'web',
      Type: 'ClusterIP',
      'Cluster-IP': '10.0.0.1',
      'External-IP': '<none>',
      'Port(s)': '80/TCP,53:30053/UDP',
      Age: '60m',
      Selector: 'app=web,tier=x',
    },
  )
  t.match(service({ type: 'ClusterIP', clusterIPs: ['None'] }), {
    'Cluster-IP': 'None',
    'Port(s)': '<none>',
    Selector: '<none>',
  })
  t.match(service({ type: 'ExternalName', externalName: 'example.org' }), {
    'Cluster-IP': '<none>',
    'External-IP': 'example.org',
  })

  const external = (spec: object, ingress: readonly object[] = []): unknown =>
    service(spec, { loadBalancer: { ingress } })['External-IP']
  const cases: readonly (readonly [text: string, spec: object, ingress?: readonly object[]])[] = [
    ['192.0.2.1,192.0.2.2', { type: 'NodePort', externalIPs: ['192.0.2.1', '192.0.2.2'] }],
    ['<none>', { type: 'NodePort' }],
    ['<pending>', { type: 'LoadBalancer' }],
    ['192.0.2.1', { type: 'LoadBalancer', externalIPs: ['192.0.2.1'] }],
    ['192.0.2.7', { type: 'LoadBalancer' }, [{ ip: '192.0.2.7' }]],
    [
      '192.0.2.7,lb.example.org,192.0.2.1',
      { type: 'LoadBalancer', externalIPs: ['192.0.2.1'] },
      [{ hostname: 'lb.example.org' }, { ip: '192.0.2.7' }, { ip: '192.0.2.7' }, {}],
    ],
    ['<unknown>', {}],
  ]
  for (const [text, spec, ingress] of cases) t.equal(external(spec, ingress), text, JSON.stringify(spec))
  t.end()
})

void test('endpoint slices and endpoints', t => {
  const addresses = ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4', '10.0.0.5']
  const slice = (fields: object): Record<string, unknown> =>
    cellsOf(endpointSlices, object('web-x', { addressType: 'IPv4', ...fields }))
  t.match(slice({ ports: [{ port: 80 }, { name: 'dns' }, {}], endpoints: [{ addresses }] }), {
    AddressType: 'IPv4',
    Ports: '80,dns,*',
    Endpoints: '10.0.0.1,10.0.0.2,10.0.0.3 + 2 more...',
  })
  t.match(slice({ ports: null, endpoints: null }), { Ports: '<unset>', Endpoints: '<unset>' })
  t.match(slice({ endpoints: addresses.slice(0, 3).map(each => ({ addresses: [each] })) }), {
    Endpoints: '10.0.0.1,10.0.0.2,10.0.0.3',
  })

  const ips = (count: number): object[] => addresses.slice(0, count).map(ip => ({ ip }))
  const cases: readonly (readonly [text: string, subsets: readonly object[] | undefined])[] = [
    ['<none>', undefined],
    ['', [{ notReadyAddresses: ips(1), ports: [{ port: 80 }] }]],
    ['10.0.0.1:80,10.0.0.2:80', [{ addresses: ips(2), ports: [{ port: 80 }] }]],
    ['[fd00::1]:80', [{ addresses: [{ ip: 'fd00::1' }], ports: [{ port: 80 }] }]],
    ['10.0.0.1', [{ addresses: ips(1) }]],
    [
      '10.0.0.1:80,10.0.0.2:80,10.0.0.1:81 + 1 more...',
      [{ addresses: ips(2), ports: [{ port: 80 }, { port: 81 }] }],
    ],
  ]
  for (const [text, subsets] of cases) {
    t.equal(cellsOf(endpoints, object('web', { subsets }))['Endpoints'], text, JSON.stringify(subsets))
  }
  t.end()
})

void test('what a pod is doing', t => {
  const containers = [{ name: 'a' }, { name: 'b' }]
  const running = { ready: true, state: { running: {} }, restartCount: 0 }
  const completed = { state: { terminated: { exitCode: 0, reason: 'Completed' } } }
  const waiting = (reason: string): object => ({ state: { waiting: { reason } } })
  const ready = [{ type: 'Ready', status: 'True' }]
  interface Case {
    readonly what: string
    readonly spec?: object
    readonly status: object
    readonly metadata?: object
    readonly cells: object
  }
  const cases: readonly Case[] = [
    {
      what: 'scheduled',
      status: { phase: 'Pending' },
      cells: { Ready: '0/2', Status: 'Pending', Restarts: '0' },
    },
    {
      what: 'both run',
      status: { phase: 'Running', containerStatuses: [running, running] },
      cells: { Ready: '2/2', Status: 'Running' },
    },
    {
      what: 'the first that says something is shown',
      status: { phase: 'Running', containerStatuses: [waiting('ErrImagePull'), waiting('CrashLoopBackOff')] },
      cells: { Ready: '0/2', Status: 'ErrImagePull' },
    },
    {
      what: 'restarts of all, and when the last was',
      status: {
        phase: 'Running',
        containerStatuses: [
          { ...running, restartCount: 2, lastState: { terminated: { exitCode: 1, finishedAt: ago(300) } } },
          { ...running, restartCount: 1, lastState: { terminated: { exitCode: 1, finishedAt: ago(7200) } } },
        ],
      },
      cells: { Restarts: '3 (5m ago)' },
    },
    {
      what: 'a signal',
      status: {
        phase: 'Failed',
        containerStatuses: [{ state: { terminated: { exitCode: 137, signal: 9 } } }],
      },
      cells: { Status: 'Signal:9' },
    },
    {
      what: 'an exit code',
      status: { phase: 'Failed', containerStatuses: [{ state: { terminated: { exitCode: 3 } } }] },
      cells: { Status: 'ExitCode:3' },
    },
    {
      what: 'done',
      status: { phase: 'Succeeded', containerStatuses: [completed, completed] },
      cells: { Ready: '0/2', Status: 'Completed' },
    },
    {
      what: 'one is done, the pod is ready',
      status: { phase: 'Running', conditions: ready, containerStatuses: [completed, running] },
      cells: { Ready: '1/2', Status: 'Running' },
    },
    {
      what: 'one is done, the pod is not ready',
      status: { phase: 'Running', containerStatuses: [completed, running] },
      cells: { Status: 'NotReady' },
    },
    {
      what: 'one is done, another failed',
      status: {
        phase: 'Running',
        containerStatuses: [completed, { state: { terminated: { exitCode: 1, reason: 'Error' } } }],
      },
      cells: { Status: 'Error' },
    },
    {
      what: 'initializing',
      spec: { initContainers: [{ name: 'i' }, { name: 'j' }] },
      status: {
        phase: 'Pending',
        initContainerStatuses: [
          { name: 'i', ...completed },
          { name: 'j', ...waiting('PodInitializing') },
        ],
      },
      cells: { Ready: '0/2', Status: 'Init:1/2' },
    },
    {
      what: 'initializing failed',
      spec: { initContainers: [{ name: 'i' }] },
      status: {
        phase: 'Pending',
        initContainerStatuses: [
          { name: 'i', restartCount: 4, state: { terminated: { exitCode: 2 } } },
          { name: 'not reached', restartCount: 5 },
        ],
      },
      cells: { Status: 'Init:ExitCode:2', Restarts: '4' },
    },
    {
      what: 'an init container waits',
      spec: { initContainers: [{ name: 'i' }] },
      status: { phase: 'Pending', initContainerStatuses: [{ name: 'i', ...waiting('CrashLoopBackOff') }] },
      cells: { Status: 'Init:CrashLoopBackOff' },
    },
    {
      what: 'a sidecar counts among the containers, and so do its restarts',
      spec: { initContainers: [{ name: 'i' }, { name: 'side', restartPolicy: 'Always' }] },
      status: {
        phase: 'Running',
        initContainerStatuses: [
          { name: 'i', restartCount: 7, ...completed },
          { name: 'side', started: true, ...running, restartCount: 1 },
        ],
        containerStatuses: [running, running],
      },
      cells: { Ready: '3/3', Status: 'Running', Restarts: '1' },
    },
    {
      what: 'gated',
      status: {
        phase: 'Pending',
        conditions: [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated' }],
      },
      cells: { Status: 'SchedulingGated' },
    },
    { what: 'evicted', status: { phase: 'Failed', reason: 'Evicted' }, cells: { Status: 'Evicted' } },
    {
      what: 'being deleted',
      metadata: { deletionTimestamp: ago(1) },
      status: { phase: 'Running', containerStatuses: [running, running] },
      cells: { Ready: '2/2', Status: 'Terminating' },
    },
    {
      what: 'being deleted, but done',
      metadata: { deletionTimestamp: ago(1) },
      status: { phase: 'Succeeded', containerStatuses: [completed, completed] },
      cells: { Status: 'Completed' },
    },
    {
      what: 'on a node that is lost',
      metadata: { deletionTimestamp: ago(1) },
      status: { phase: 'Running', reason: 'NodeLost' },
      cells: { Status: 'Unknown' },
    },
    {
      what: 'where it is',
      spec: { nodeName: 'node-1', readinessGates: [{ conditionType: 'x' }, { conditionType: 'y' }] },
      status: {
        podIPs: [{ ip: '10.1.0.1' }, { ip: 'fd00::1' }],
        conditions: [
          { type: 'x', status: 'True' },
          { type: 'y', status: 'False' },
        ],
      },
      cells: { IP: '10.1.0.1', Node: 'node-1', 'Nominated Node': '<none>', 'Readiness Gates': '1/2' },
    },
    {
      what: 'nowhere yet',
      status: { nominatedNodeName: 'node-2' },
      cells: { IP: '<none>', Node: '<none>', 'Nominated Node': 'node-2', 'Readiness Gates': '<none>' },
    },
  ]
  for (const { what, spec, status, metadata, cells } of cases) {
    t.match(cellsOf(pods, object('web', { spec: { containers, ...spec }, status }, metadata)), cells, what)
  }

  const conditionsOf = (phase: string): unknown =>
    tableOfObject(pods, object('web', { status: { phase } }), options).rows[0]?.conditions
  t.match(conditionsOf('Succeeded'), [{ type: 'Completed', status: 'True', reason: 'Succeeded' }])
  t.match(conditionsOf('Failed'), [{ type: 'Completed', status: 'True', reason: 'Failed' }])
  t.equal(conditionsOf('Running'), undefined)
  t.end()
})

void test('nodes and namespaces', t => {
  const node = (fields: Record<string, unknown>, labels = {}): Record<string, unknown> =>
    cellsOf(nodes, object('n', fields, { labels }))
  const condition = (status: string): object => ({ conditions: [{ type: 'Ready', status }] })
  t.match(node({ status: condition('True') }), { Status: 'Ready', Roles: '<none>', Version: '' })
  t.match(node({ status: condition('Unknown') }), { Status: 'NotReady' })
  t.match(node({ spec: { unschedulable: true } }), { Status: 'Unknown,SchedulingDisabled' })
  t.match(
    node(
      {
        status: {
          addresses: [
            { type: 'Hostname', address: 'n' },
            { type: 'InternalIP', address: '10.0.0.1' },
            { type: 'InternalIP', address: '10.0.0.2' },
          ],
          nodeInfo: { kubeletVersion: 'v1.34.0', osImage: 'Debian', kernelVersion: '6.1' },
        },
      },
      { 'node-role.kubernetes.io/worker': '', 'node-role.kubernetes.io/': '', 'kubernetes.io/role': 'edge' },
    ),
    {
      Roles: 'edge,worker',
      Version: 'v1.34.0',
      'Internal-IP': '10.0.0.1',
      'External-IP': '<none>',
      'OS-Image': 'Debian',
      'Kernel-Version': '6.1',
      'Container-Runtime': '<unknown>',
    },
  )
  t.match(cellsOf(namespaces, object('prod', { status: { phase: 'Active' } })), {
    Status: 'Active',
    Age: '60m',
  })
  t.end()
})

void test('events, which print alike in both forms', t => {
  const event = (fields: Record<string, unknown>): Record<string, unknown> =>
    cellsOf(events, object('web.1', { involvedObject: { kind: 'Service', name: 'web' }, ...fields }))
  const core = {
    type: 'Warning',
    reason: 'Odd',
    message: ' it is odd\n',
    firstTimestamp: ago(600),
    lastTimestamp: ago(60),
    count: 3,
    source: { component: 'kube-relay', host: 'node-1' },
  }
  const expected = {
    'Last Seen': '60s',
    Type: 'Warning',
    Reason: 'Odd',
    Object: 'service/web',
    Subobject: '',
    Source: 'kube-relay, node-1',
    Message: 'it is odd',
    'First Seen': '10m',
    Count: 3,
    Name: 'web.1',
  }
  t.same(event(core), expected)
  t.match(event({ eventTime: ago(5), reportingComponent: 'c', reportingInstance: 'i' }), {
    'Last Seen': '5s',
    'First Seen': '5s',
    Count: 1,
    Source: 'c, i',
  })
  t.match(event({ eventTime: ago(50), series: { count: 9, lastObservedTime: ago(2) } }), {
    'Last Seen': '2s',
    'First Seen': '50s',
    Count: 9,
  })
  t.match(event({ involvedObject: { kind: 'Node' } }), {
    'Last Seen': '<unknown>',
    Object: 'node',
    Source: '',
  })

  const { message, source, firstTimestamp, lastTimestamp, count, ...same } = core
  const renamed = {
    ...same,
    note: message,
    regarding: { kind: 'Service', name: 'web' },
    deprecatedSource: source,
    deprecatedFirstTimestamp: firstTimestamp,
    deprecatedLastTimestamp: lastTimestamp,
    deprecatedCount: count,
  }
  const newer = object('web.1', { apiVersion: 'events.k8s.io/v1', kind: 'Event', ...renamed })
  t.same(cellsOf(eventsV1, newer), expected)
  const { rows } = tableOfObject(eventsV1, newer, { ...options, includeObject: 'Object' })
  t.match(rows[0]?.object, { apiVersion: 'events.k8s.io/v1', note: ' it is odd\n' }, 'in the form asked for')
  t.end()
})

void test('what goes along with a row', t => {
  const web = object('web', { spec: { type: 'ClusterIP' } }, { resourceVersion: '7' })
  const included = (includeObject: TableOptions['includeObject'], version: 'v1' | 'v1beta1' = 'v1'): Table =>
    tableOfObject(services, web, { ...options, version, includeObject })
  t.equal(included('None').rows[0]?.object, null)
  t.same(included('Metadata', 'v1beta1').rows[0]?.object, {
    kind: 'PartialObjectMetadata',
    apiVersion: 'meta.k8s.io/v1beta1',
    metadata: web.metadata,
  })
  t.same(included('Object').rows[0]?.object, { kind: 'Service', apiVersion: 'v1', ...web })
  t.match(included('None', 'v1beta1'), {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1beta1',
    metadata: { resourceVersion: '7' },
  })
  const list = { resourceVersion: '9', continue: 'token', remainingItemCount: 4 }
  t.same(tableOf(services, [], list, options).metadata, list)
  t.equal(tableOf(services, [web], {}, { ...options, headers: false }).columnDefinitions, null)

  t.equal(includeObjectOf(new URLSearchParams()), 'Metadata')
  t.equal(includeObjectOf(new URLSearchParams('includeObject=None')), 'None')
  t.match(
    refusal(() => includeObjectOf(new URLSearchParams('includeObject=All'))),
    { code: 400, reason: 'BadRequest', message: /includeObject: Invalid value: "All"/ },
  )
  t.end()
})

void test('over HTTP: lists and their pages, single objects, errors', async t => {
  const { url, apply } = await controlPlaneFor(t)
  for (const name of ['a', 'b', 'c']) apply(service(name))
  const path = `${url}/api/v1/namespaces/default/services`
  const get = (
    query = '',
    from = path,
    accept = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json',
  ) => call<Table>(`${from}${query}`, 'GET', undefined, { accept })
  const namesIn = ({ rows }: Table): readonly unknown[] => rows.map(row => row.cells[0])

  const first = (await get('?limit=2')).body
  t.match(first, { kind: 'Table', apiVersion: 'meta.k8s.io/v1', metadata: { remainingItemCount: 1 } })
  t.same(namesIn(first), ['a', 'b'])
  t.match(first.rows[0]?.object, { kind: 'PartialObjectMetadata', metadata: { name: 'a', uid: String } })
  const second = (await get(`?limit=2&continue=${first.metadata.continue}`)).body
  t.same(namesIn(second), ['c'])
  t.equal(second.metadata.continue, undefined)
  t.equal(second.metadata.resourceVersion, first.metadata.resourceVersion)

  const single = (await get('/b?includeObject=Object')).body
  t.same(namesIn(single), ['b'])
  const object = single.rows[0]?.object as KubeObject
  t.match(object, { kind: 'Service', apiVersion: 'v1', spec: { type: 'ClusterIP' } })
  t.equal(single.metadata.resourceVersion, object.metadata.resourceVersion)
  t.equal((await get('?includeObject=None')).body.rows[0]?.object, null)
  t.equal(
    (await get('', path, 'application/json;as=Table;v=v1beta1;g=meta.k8s.io')).body.apiVersion,
    'meta.k8s.io/v1beta1',
  )

  t.match(await get('/nothing'), { code: 404, body: { kind: 'Status', reason: 'NotFound' } })
  t.match(await get('?includeObject=All'), { code: 400, body: { kind: 'Status', reason: 'BadRequest' } })
  t.match(await get('', path, 'application/json;as=Table;v=v2;g=meta.k8s.io'), {
    code: 406,
    body: { kind: 'Status' },
  })
  t.match(await get('', path, 'application/json;as=Table;v=v2;g=meta.k8s.io,application/json'), {
    code: 200,
    body: { kind: 'ServiceList' },
  })
})

void test('over HTTP: a watch sends one row at a time, the columns with the first', async t => {
  const { url, apply } = await controlPlaneFor(t)
  apply(service('a'))
  const path = `${url}/api/v1/namespaces/default/services?watch=1&allowWatchBookmarks=1&timeoutSeconds=1`
  const watching = await watch(t, path, { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' })
  const tables: (readonly [type: string, table: Table])[] = []
  const next = async (): Promise<void> => {
    const event = await watching.next()
    if (event) tables.push([event.type, event.object as unknown as Table])
  }
  await next()
  apply(service('b'))
  await next()
  await next()
  t.same(
    tables.map(([type, { kind, rows }]) => [type, kind, rows.length]),
    [
      ['ADDED', 'Table', 1],
      ['ADDED', 'Table', 1],
      ['BOOKMARK', 'Table', 1],
    ],
  )
  t.same(
    tables.map(([, table]) => table.columnDefinitions?.length ?? null),
    [7, null, null],
  )
  const [[, added] = [], , [, bookmark] = []] = tables
  t.match(added, {
    rows: [{ cells: ['a'], object: { kind: 'PartialObjectMetadata', metadata: { name: 'a' } } }],
  })
  t.ok(Number(bookmark?.metadata.resourceVersion) > Number(added?.metadata.resourceVersion))
})

void test('any object has a row of printable cells', t => {
  const field = fc.oneof(
    { maxDepth: 5 },
    fc.constant(null),
    fc.string(),
    fc.integer(),
    fc.boolean(),
    fc.constantFrom('spec', 'status', '__proto__'),
  )
  const known =
    'spec status containerStatuses initContainerStatuses state terminated lastState ports endpoints addresses ' +
    'subsets conditions labels involvedObject series loadBalancer ingress externalIPs clusterIPs nodeInfo type ' +
    'reason count'
  const names = fc.constantFrom(...known.split(' '))
  const { tree } = fc.letrec(tie => ({
    tree: fc.oneof(
      { maxDepth: 4 },
      field,
      fc.array(tie('tree'), { maxLength: 4 }),
      fc.dictionary(names, tie('tree'), { maxKeys: 6 }),
    ),
  }))
  const holds = fc.property(fc.dictionary(names, tree), fc.constantFrom(...resourceTypes), (fields, type) => {
    const [row] = tableOfObject(type, object('x', fields), options).rows
    return row?.cells.every(cell => typeof cell === 'string' || Number.isFinite(cell))
  })
  t.doesNotThrow(() => fc.assert(holds, { numRuns: 500 }))
  t.end()
})
