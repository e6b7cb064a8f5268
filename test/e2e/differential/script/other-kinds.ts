// EndpointSlices, Pods, Nodes, Namespaces, Events and Endpoints.

import { edit, get, patch, post, put, remove, send, type Chapter, type Step } from '../step.ts'
import { event, events, namespace, namespacePath, node, pod, pods, slice, slices } from './objects.ts'

const nodes = '/api/v1/nodes'
const namespaces = '/api/v1/namespaces'
const newEvents = `/apis/events.k8s.io/v1/namespaces/${namespace}/events`
const endpoints = `${namespacePath}/endpoints`
const many = (n: number): readonly number[] => Array.from({ length: n }, (_, i) => i)

const validSlices: readonly (readonly [what: string, fields: object])[] = [
  ['an IPv4 slice', {}],
  ['an IPv6 slice', { addressType: 'IPv6', endpoints: [{ addresses: ['fd00:10::1'] }] }],
  ['an FQDN slice', { addressType: 'FQDN', endpoints: [{ addresses: ['pod.example.com'] }] }],
  ['no endpoints', { endpoints: [] }],
  ['no ports', { ports: [] }],
  ['ports left out', { ports: undefined }],
  [
    'all conditions',
    {
      endpoints: [
        { addresses: ['10.244.1.10'], conditions: { ready: true, serving: true, terminating: false } },
      ],
    },
  ],
  [
    'a hostname and a target',
    {
      endpoints: [
        {
          addresses: ['10.244.1.10'],
          hostname: 'web-0',
          targetRef: { kind: 'Pod', name: 'web-0', namespace },
          nodeName: 'node-a',
        },
      ],
    },
  ],
  [
    'all kinds of ports',
    {
      ports: [
        { name: 'a', port: 1, protocol: 'TCP' },
        { name: 'b', port: 2, protocol: 'UDP', appProtocol: 'dns' },
        { name: 'c', port: 3, protocol: 'SCTP' },
        { name: 'd' },
      ],
    },
  ],
  ['one port without a name', { ports: [{ port: 80 }] }],
]

const invalidSlices: readonly (readonly [what: string, fields: object])[] = [
  ['no address type', { addressType: undefined }],
  ['an unknown address type', { addressType: 'IPv5' }],
  ['an IPv6 address in an IPv4 slice', { endpoints: [{ addresses: ['fd00:10::1'] }] }],
  ['an IPv4 address in an IPv6 slice', { addressType: 'IPv6' }],
  ['no address', { endpoints: [{ addresses: [] }] }],
  ['an address that is none', { endpoints: [{ addresses: ['here'] }] }],
  ['an unspecified address', { endpoints: [{ addresses: ['0.0.0.0'] }] }],
  ['a link-local address', { endpoints: [{ addresses: ['169.254.0.1'] }] }],
  ['a multicast address', { endpoints: [{ addresses: ['224.0.0.1'] }] }],
  ['a domain that is none', { addressType: 'FQDN', endpoints: [{ addresses: ['a b'] }] }],
  ['101 addresses in one endpoint', { endpoints: [{ addresses: many(101).map(i => `10.244.2.${i}`) }] }],
  ['a hostname that is none', { endpoints: [{ addresses: ['10.244.1.10'], hostname: 'Not_A_Host' }] }],
  ['two ports without names', { ports: [{ port: 80 }, { port: 81 }] }],
  ['a port name in upper case', { ports: [{ name: 'HTTP', port: 80 }] }],
  ['an unknown protocol', { ports: [{ name: 'a', port: 80, protocol: 'HTTP' }] }],
  ['1001 endpoints', { endpoints: many(1001).map(i => ({ addresses: [`10.245.${i >> 8}.${i & 255}`] })) }],
]

const sliceSteps: readonly Step[] = [
  ...validSlices.flatMap(([what, fields], i) => [
    post(what, slices, slice(`slice-${i}`, fields)),
    remove(`${what}: deleted`, `${slices}/slice-${i}`),
  ]),
  ...invalidSlices.map(([what, fields], i) => post(what, slices, slice(`bad-${i}`, fields))),
  post(
    'a slice that changes',
    slices,
    slice('changing', {}, { labels: { 'kubernetes.io/service-name': 'web' } }),
  ),
  edit('more endpoints', `${slices}/changing`, {
    endpoints: [{ addresses: ['10.244.1.10'] }, { addresses: ['10.244.1.11'], conditions: { ready: false } }],
  }),
  edit('nothing', `${slices}/changing`, {}),
  edit('labels only', `${slices}/changing`, { metadata: { labels: { a: 'b' } } }),
  edit('another address type', `${slices}/changing`, { addressType: 'IPv6', endpoints: [] }),
  patch('ports by a patch', 'merge', `${slices}/changing`, { ports: [{ name: 'x', port: 1 }] }),
  patch('endpoints by a strategic patch', 'strategic', `${slices}/changing`, {
    endpoints: [{ addresses: ['10.244.1.12'] }],
  }),
  get('its status', `${slices}/changing/status`),
  remove('deleted', `${slices}/changing`),
]

const validPods: readonly (readonly [what: string, spec: object])[] = [
  ['one container', {}],
  ['an image with a tag', { containers: [{ name: 'main', image: 'example/web:1.2' }] }],
  ['an image that is the latest', { containers: [{ name: 'main', image: 'example/web:latest' }] }],
  [
    'ports',
    {
      containers: [
        {
          name: 'main',
          image: 'example/web',
          ports: [
            { name: 'http', containerPort: 80 },
            { containerPort: 53, protocol: 'UDP' },
          ],
        },
      ],
    },
  ],
  [
    'environment and resources',
    {
      containers: [
        {
          name: 'main',
          image: 'example/web',
          env: [
            { name: 'A', value: 'b' },
            { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
          ],
          resources: { requests: { cpu: '100m', memory: '64Mi' }, limits: { cpu: '1', memory: '128Mi' } },
        },
      ],
    },
  ],
  [
    'probes',
    {
      containers: [
        {
          name: 'main',
          image: 'example/web',
          readinessProbe: { httpGet: { port: 80 } },
          livenessProbe: { tcpSocket: { port: 'http' } },
        },
      ],
    },
  ],
  [
    'an init container and a volume',
    {
      initContainers: [{ name: 'init', image: 'example/init' }],
      volumes: [{ name: 'tmp', emptyDir: {} }],
      containers: [
        { name: 'main', image: 'example/web', volumeMounts: [{ name: 'tmp', mountPath: '/tmp' }] },
      ],
    },
  ],
  ['never restarted, in no hurry', { restartPolicy: 'Never', terminationGracePeriodSeconds: 5 }],
  ['a hostname and a subdomain', { hostname: 'web-0', subdomain: 'web' }],
  [
    'a node selector and tolerations',
    { nodeSelector: { disk: 'ssd' }, tolerations: [{ key: 'a', operator: 'Exists', effect: 'NoSchedule' }] },
  ],
]

const invalidPods: readonly (readonly [what: string, spec: object])[] = [
  ['no containers', { containers: [] }],
  ['a container without a name', { containers: [{ image: 'example/web' }] }],
  ['a container without an image', { containers: [{ name: 'main' }] }],
  ['a container name that is none', { containers: [{ name: 'Main', image: 'example/web' }] }],
  [
    'two containers of one name',
    {
      containers: [
        { name: 'main', image: 'a' },
        { name: 'main', image: 'b' },
      ],
    },
  ],
  ['container port 0', { containers: [{ name: 'main', image: 'a', ports: [{ containerPort: 0 }] }] }],
  [
    'a port name that is too long',
    {
      containers: [{ name: 'main', image: 'a', ports: [{ name: 'a-name-of-17-chars', containerPort: 80 }] }],
    },
  ],
  [
    'two ports of one name',
    {
      containers: [
        {
          name: 'main',
          image: 'a',
          ports: [
            { name: 'a', containerPort: 80 },
            { name: 'a', containerPort: 81 },
          ],
        },
      ],
    },
  ],
  [
    'a port protocol that is none',
    { containers: [{ name: 'main', image: 'a', ports: [{ containerPort: 80, protocol: 'HTTP' }] }] },
  ],
  ['an unknown restart policy', { restartPolicy: 'Sometimes' }],
  ['an unknown DNS policy', { dnsPolicy: 'Mine' }],
  ['an unknown pull policy', { containers: [{ name: 'main', image: 'a', imagePullPolicy: 'Maybe' }] }],
  [
    'a mount without a volume',
    { containers: [{ name: 'main', image: 'a', volumeMounts: [{ name: 'tmp', mountPath: '/tmp' }] }] },
  ],
  [
    'two volumes of one name',
    {
      volumes: [
        { name: 'a', emptyDir: {} },
        { name: 'a', emptyDir: {} },
      ],
    },
  ],
  [
    'an environment variable without a name',
    { containers: [{ name: 'main', image: 'a', env: [{ value: 'x' }] }] },
  ],
  ['a node selector that is no label', { nodeSelector: { 'a b': 'c' } }],
]

const podSteps: readonly Step[] = [
  ...validPods.flatMap(([what, spec], i) => [
    post(what, pods, pod(`pod-${i}`, spec)),
    remove(`${what}: deleted`, `${pods}/pod-${i}`),
  ]),
  ...invalidPods.map(([what, spec], i) => post(what, pods, pod(`bad-${i}`, spec))),
  post('a name with a dot is good enough for a Pod', pods, pod('web.0')),
  remove('deleted', `${pods}/web.0`),
  post('a name in upper case', pods, pod('Web')),
  post('a Pod that changes', pods, pod('changing', {}, { labels: { app: 'web' } })),
  patch('another image', 'strategic', `${pods}/changing`, {
    spec: { containers: [{ name: 'main', image: 'example/web:2' }] },
  }),
  patch('another command', 'strategic', `${pods}/changing`, {
    spec: { containers: [{ name: 'main', command: ['sh'] }] },
  }),
  patch('another container', 'strategic', `${pods}/changing`, {
    spec: { containers: [{ name: 'side', image: 'example/side' }] },
  }),
  patch('another restart policy', 'merge', `${pods}/changing`, { spec: { restartPolicy: 'Never' } }),
  patch('a deadline', 'merge', `${pods}/changing`, { spec: { activeDeadlineSeconds: 100 } }),
  patch('a later deadline', 'merge', `${pods}/changing`, { spec: { activeDeadlineSeconds: 200 } }),
  patch('a node, over the main resource', 'merge', `${pods}/changing`, { spec: { nodeName: 'node-x' } }),
  patch('a toleration more', 'merge', `${pods}/changing`, {
    spec: { tolerations: [{ key: 'a', operator: 'Exists' }] },
  }),
  patch('labels', 'merge', `${pods}/changing`, { metadata: { labels: { app: 'api' } } }),
  patch('a status', 'merge', `${pods}/changing/status`, {
    status: {
      phase: 'Running',
      podIP: '10.244.1.50',
      podIPs: [{ ip: '10.244.1.50' }],
      conditions: [{ type: 'Ready', status: 'True' }],
    },
  }),
  patch('a condition by its type', 'strategic', `${pods}/changing/status`, {
    status: { conditions: [{ type: 'ContainersReady', status: 'True' }] },
  }),
  patch('a status over the main resource is ignored', 'merge', `${pods}/changing`, {
    status: { phase: 'Failed' },
  }),
  get('what has come of it', `${pods}/changing`),
  get('its logs', `${pods}/changing/log`),
  remove('deleted with options', `${pods}/changing`, {
    kind: 'DeleteOptions',
    apiVersion: 'v1',
    gracePeriodSeconds: 0,
  }),
  get('gone', `${pods}/changing`),
]

const nodeSteps: readonly Step[] = [
  post(
    'a Node',
    nodes,
    node(
      'node-a',
      { spec: { podCIDR: '10.244.7.0/24', podCIDRs: ['10.244.7.0/24'] } },
      { labels: { differential: 'yes', 'topology.kubernetes.io/zone': 'zone-a' } },
    ),
  ),
  post('the same again', nodes, node('node-a')),
  post('a name that is none', nodes, node('Node_A')),
  post('a pod range that is none', nodes, node('node-b', { spec: { podCIDR: 'all', podCIDRs: ['all'] } })),
  post('a taint without an effect', nodes, node('node-b', { spec: { taints: [{ key: 'a' }] } })),
  post('a namespace, which Nodes have not', nodes, node('node-b', {}, { namespace: 'default' })),
  patch('its status', 'merge', `${nodes}/node-a/status`, {
    status: { addresses: [{ type: 'InternalIP', address: '10.89.0.9' }] },
  }),
  patch('an address by its type', 'strategic', `${nodes}/node-a/status`, {
    status: {
      addresses: [{ type: 'Hostname', address: 'node-a' }],
      conditions: [{ type: 'Ready', status: 'True' }],
    },
  }),
  patch('unschedulable', 'merge', `${nodes}/node-a`, { spec: { unschedulable: true } }),
  patch('another pod range', 'merge', `${nodes}/node-a`, {
    spec: { podCIDR: '10.244.8.0/24', podCIDRs: ['10.244.8.0/24'] },
  }),
  patch('labels', 'strategic', `${nodes}/node-a`, { metadata: { labels: { more: 'yes' } } }),
  get('what has come of it', `${nodes}/node-a`),
  get('by label', `${nodes}?labelSelector=differential=yes`),
  remove('deleted', `${nodes}/node-a`),
  remove('again', `${nodes}/node-a`),
]

const namespaceSteps: readonly Step[] = [
  post('a Namespace', namespaces, {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: 'diff-two', labels: { differential: 'yes' } },
  }),
  post('the same again', namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'diff-two' } }),
  post('a name with a dot', namespaces, {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: 'diff.two' },
  }),
  post('a name that is too long', namespaces, {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: 'a'.repeat(64) },
  }),
  get('is read', `${namespaces}/diff-two`),
  get('its status', `${namespaces}/diff-two/status`),
  patch('labels', 'merge', `${namespaces}/diff-two`, { metadata: { labels: { more: 'yes' } } }),
  edit('nothing', `${namespaces}/diff-two`, {}),
  get('by label', `${namespaces}?labelSelector=differential=yes`),
  remove('default stays', `${namespaces}/default`),
  remove('kube-system stays', `${namespaces}/kube-system`),
  remove("one that isn't there", `${namespaces}/diff-none`),
  remove('all at once', namespaces),
  remove('deleted', `${namespaces}/diff-two`),
]

const newEvent = (name: string, fields: object = {}): object => ({
  apiVersion: 'events.k8s.io/v1',
  kind: 'Event',
  metadata: { name, namespace },
  eventTime: '2026-01-02T03:04:05.000006Z',
  reportingController: 'example.com/differential',
  reportingInstance: 'differential-0',
  action: 'Testing',
  reason: 'Tested',
  regarding: { kind: 'Service', namespace, name: 'web', apiVersion: 'v1' },
  note: 'it was tested',
  type: 'Normal',
  ...fields,
})

const eventSteps: readonly Step[] = [
  post('a core Event', events, event('core-event')),
  get('is read', `${events}/core-event`),
  get('and in its new form', `${newEvents}/core-event`),
  post('a new Event', newEvents, newEvent('new-event')),
  get('is read', `${newEvents}/new-event`),
  get('and in its core form', `${events}/new-event`),
  patch('counted', 'strategic', `${events}/core-event`, { count: 2, lastTimestamp: '2026-01-02T03:05:05Z' }),
  patch('a series', 'merge', `${newEvents}/new-event`, {
    series: { count: 2, lastObservedTime: '2026-01-02T03:05:05.000006Z' },
  }),
  get('of one object', `${events}?fieldSelector=involvedObject.name=web,involvedObject.kind=Service`),
  get('of a reason', `${events}?fieldSelector=reason=Nothing`),
  get('of a type', `${events}?fieldSelector=type=Normal`),
  get('new ones of one object', `${newEvents}?fieldSelector=regarding.name=web`),
  get('by a field that is none', `${events}?fieldSelector=message=x`),
  post(
    'an object in another namespace',
    events,
    event('elsewhere', { involvedObject: { kind: 'Service', namespace: 'default', name: 'web' } }),
  ),
  post('a new Event without a time', newEvents, newEvent('bad-event-1', { eventTime: undefined })),
  post(
    'a new Event without a controller',
    newEvents,
    newEvent('bad-event-2', { reportingController: undefined }),
  ),
  post(
    'a new Event without an instance',
    newEvents,
    newEvent('bad-event-3', { reportingInstance: undefined }),
  ),
  post('a new Event without an action', newEvents, newEvent('bad-event-4', { action: undefined })),
  post('a new Event without a reason', newEvents, newEvent('bad-event-5', { reason: undefined })),
  post('a new Event of an unknown type', newEvents, newEvent('bad-event-6', { type: 'Odd' })),
  post(
    'a new Event in a series of one',
    newEvents,
    newEvent('bad-event-7', { series: { count: 1, lastObservedTime: '2026-01-02T03:05:05.000006Z' } }),
  ),
  post('a time that is none', events, event('bad-event', { firstTimestamp: 'yesterday' })),
  remove('deleted', `${events}/core-event`),
  remove('deleted in its new form', `${newEvents}/new-event`),
]

const endpointsSteps: readonly Step[] = [
  get("Endpoints that aren't there", `${endpoints}/missing`),
  get('no Endpoints', `${endpoints}?labelSelector=none=such`),
  get('Endpoints by name', `${endpoints}?fieldSelector=metadata.name=none`),
  post('written', endpoints, {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: { name: 'written' },
    subsets: [{ addresses: [{ ip: '10.244.1.10' }], ports: [{ port: 80 }] }],
  }),
  put('put', `${endpoints}/written`, { apiVersion: 'v1', kind: 'Endpoints', metadata: { name: 'written' } }),
  patch('patched', 'merge', `${endpoints}/written`, { metadata: { labels: { a: 'b' } } }),
  remove('deleted', `${endpoints}/written`),
  send('posted to a name', 'POST', `${endpoints}/written`, {}),
]

export const otherChapters: readonly Chapter[] = [
  {
    title: 'EndpointSlices',
    differs: [],
    differsIn: {
      'labels only': ['slice-generation'],
      'ports by a patch': ['slice-generation'],
      'endpoints by a strategic patch': ['slice-generation'],
      'an address that is none': ['new-causes'],
      'an unspecified address': ['new-causes'],
      'a link-local address': ['new-causes'],
      'a multicast address': ['new-causes'],
    },
    steps: sliceSteps,
  },
  { title: 'Pods', differs: ['pod-generation'], differsIn: { 'its logs': ['no-logs'] }, steps: podSteps },
  { title: 'Nodes', differs: [], steps: nodeSteps },
  { title: 'Namespaces', differs: ['namespace-label'], steps: namespaceSteps },
  { title: 'Events', differs: [], steps: eventSteps },
  { title: 'Endpoints', differs: ['endpoints-read-only'], steps: endpointsSteps },
]
