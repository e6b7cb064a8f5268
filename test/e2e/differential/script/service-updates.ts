// Services that change: fields that stay, types that switch, families that come and go, and every kind of patch.

import { edit, get, patch, post, put, remove, type Chapter, type Step } from '../step.ts'
import { service, services, web } from './objects.ts'

/** With the protocol, without which 1.20 refuses to apply ports. */
const applied = (name: string, spec: object = {}): object =>
  web(name, { ports: [{ port: 80, protocol: 'TCP' }], ...spec })
const path = (name: string): string => `${services}/${name}`

const basics: readonly Step[] = [
  post('a Service', services, web('web', { selector: { app: 'web' } }), {
    remember: { version: 'metadata.resourceVersion', uid: 'metadata.uid', ip: 'spec.clusterIP' },
  }),
  put(
    'the same again changes nothing',
    path('web'),
    web('web', { selector: { app: 'web' }, clusterIP: '{{ip}}' }, { resourceVersion: '{{version}}' }),
  ),
  edit('a new selector', path('web'), { spec: { selector: { app: 'api' } } }),
  edit('the old version', path('web'), { metadata: { resourceVersion: '{{version}}' } }),
  edit('a version that is no number', path('web'), { metadata: { resourceVersion: 'latest' } }),
  edit('another uid', path('web'), { metadata: { uid: '00000000-0000-0000-0000-000000000001' } }),
  edit('no uid', path('web'), { metadata: { uid: null } }),
  put("another name than the path's", path('web'), web('other')),
  put('no name', path('web'), {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {},
    spec: { ports: [{ port: 80 }] },
  }),
  put("another namespace than the path's", path('web'), web('web', {}, { namespace: 'default' })),
  put("a Service that isn't there", path('missing'), web('missing')),
  put(
    "a Service that isn't there, with a version",
    path('missing'),
    web('missing', {}, { resourceVersion: '5' }),
  ),
  edit('another cluster IP', path('web'), { spec: { clusterIP: '10.96.77.40' } }),
  edit('headless now', path('web'), { spec: { clusterIP: 'None' } }),
  edit('an invalid port', path('web'), { spec: { ports: [{ port: 0 }] } }),
  edit('other ports', path('web'), {
    spec: {
      ports: [
        { name: 'a', port: 81 },
        { name: 'b', port: 82, targetPort: 'b' },
      ],
    },
  }),
  edit('labels and annotations', path('web'), { metadata: { labels: { a: 'b' }, annotations: { c: 'd' } } }),
  edit('another creation time', path('web'), { metadata: { creationTimestamp: '2001-01-01T00:00:00Z' } }),
  edit('a status over the main resource is ignored', path('web'), {
    status: { loadBalancer: { ingress: [{ ip: '192.0.2.5' }] } },
  }),
  edit('affinity', path('web'), { spec: { sessionAffinity: 'ClientIP' } }),
  edit('affinity goes, its timeout with it', path('web'), { spec: { sessionAffinity: 'None' } }),
  edit('external IPs', path('web'), { spec: { externalIPs: ['192.0.2.7'] } }),
  get('what has come of it', path('web'), { remember: { newest: 'metadata.resourceVersion' } }),
  put(
    'the cluster IP left out',
    path('web'),
    web('web', { selector: { app: 'web' } }, { resourceVersion: '{{newest}}' }),
  ),
  put('no version', path('web'), web('web', { selector: { app: 'web' }, clusterIP: '{{ip}}' })),
  remove('deleted', path('web')),
]

const switches: readonly Step[] = [
  post('ClusterIP', services, web('switch')),
  edit('→ NodePort', path('switch'), { spec: { type: 'NodePort' } }),
  edit('another node port', path('switch'), {
    spec: { type: 'NodePort', ports: [{ port: 80, nodePort: 30040 }] },
  }),
  edit('external policy Local', path('switch'), {
    spec: { type: 'NodePort', externalTrafficPolicy: 'Local' },
  }),
  edit('→ ClusterIP', path('switch'), { spec: { type: 'ClusterIP' } }),
  edit('→ LoadBalancer', path('switch'), { spec: { type: 'LoadBalancer' } }),
  edit('external policy Local gets a health check port', path('switch'), {
    spec: { type: 'LoadBalancer', externalTrafficPolicy: 'Local' },
  }),
  edit("the health check port can't change", path('switch'), {
    spec: { type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: 30041 },
  }),
  edit('external policy Cluster gives it up', path('switch'), {
    spec: { type: 'LoadBalancer', externalTrafficPolicy: 'Cluster' },
  }),
  edit('source ranges', path('switch'), {
    spec: { type: 'LoadBalancer', loadBalancerSourceRanges: ['192.0.2.0/24'] },
  }),
  edit('node ports declined', path('switch'), {
    spec: { type: 'LoadBalancer', allocateLoadBalancerNodePorts: false },
  }),
  edit('→ NodePort', path('switch'), { spec: { type: 'NodePort' } }),
  edit('→ ExternalName', path('switch'), { spec: { type: 'ExternalName', externalName: 'example.com' } }),
  edit('→ ClusterIP again', path('switch'), { spec: { type: 'ClusterIP' } }),
  edit('→ ExternalName, cluster IP taken along', path('switch'), {
    spec: { type: 'ExternalName', externalName: 'example.com', clusterIP: '10.96.77.41' },
  }),
  edit('→ ExternalName', path('switch'), { spec: { type: 'ExternalName', externalName: 'example.com' } }),
  edit('→ NodePort from ExternalName', path('switch'), {
    spec: { type: 'NodePort', ports: [{ port: 80, nodePort: 30042 }] },
  }),
  patch('→ ClusterIP by a patch of the type', 'merge', path('switch'), { spec: { type: 'ClusterIP' } }),
  patch('→ LoadBalancer by a patch', 'strategic', path('switch'), {
    spec: { type: 'LoadBalancer', externalTrafficPolicy: 'Local' },
  }),
  patch('→ ExternalName by a patch', 'merge', path('switch'), {
    spec: { type: 'ExternalName', externalName: 'example.com', clusterIP: null, clusterIPs: null },
  }),
  patch('→ ClusterIP by a patch', 'merge', path('switch'), {
    spec: { type: 'ClusterIP', externalName: null },
  }),
  remove('deleted', path('switch')),
  post(
    '30040, 30041 and 30042 are free again',
    services,
    web('free', {
      type: 'NodePort',
      ports: [
        { name: 'a', port: 80, nodePort: 30040 },
        { name: 'b', port: 81, nodePort: 30041 },
        { name: 'c', port: 82, nodePort: 30042 },
      ],
    }),
  ),
  edit('a node port left out', path('free'), {
    spec: {
      ports: [
        { name: 'a', port: 80 },
        { name: 'b', port: 81, nodePort: 30041 },
        { name: 'c', port: 82, nodePort: 30042 },
      ],
    },
  }),
  edit('ports exchanged', path('free'), {
    spec: {
      type: 'NodePort',
      ports: [
        { name: 'a', port: 80, nodePort: 30041 },
        { name: 'b', port: 81, nodePort: 30040 },
        { name: 'c', port: 82, nodePort: 30042 },
      ],
    },
  }),
  edit('one port gone', path('free'), {
    spec: { type: 'NodePort', ports: [{ name: 'a', port: 80, nodePort: 30041 }] },
  }),
  post('which is free', services, web('takes', { type: 'NodePort', ports: [{ port: 80, nodePort: 30042 }] })),
  edit("and can't be had back", path('free'), {
    spec: { type: 'NodePort', ports: [{ name: 'a', port: 80, nodePort: 30042 }] },
  }),
  remove('deleted', path('free')),
  remove('deleted', path('takes')),
]

const families: readonly Step[] = [
  post('a single-stack Service', services, web('dual')),
  edit('→ PreferDualStack', path('dual'), { spec: { ipFamilyPolicy: 'PreferDualStack' } }),
  edit('nothing said: both families stay', path('dual'), { spec: {} }),
  edit('→ SingleStack', path('dual'), { spec: { ipFamilyPolicy: 'SingleStack' } }),
  edit('→ RequireDualStack', path('dual'), { spec: { ipFamilyPolicy: 'RequireDualStack' } }),
  edit('other order of families', path('dual'), {
    spec: { ipFamilyPolicy: 'RequireDualStack', ipFamilies: ['IPv6', 'IPv4'] },
  }),
  patch('→ SingleStack by a patch of the policy', 'merge', path('dual'), {
    spec: { ipFamilyPolicy: 'SingleStack' },
  }),
  patch('→ SingleStack by a patch of all', 'merge', path('dual'), {
    spec: { ipFamilyPolicy: 'SingleStack', ipFamilies: ['IPv4'] },
  }),
  patch('the other family', 'merge', path('dual'), { spec: { ipFamilies: ['IPv6'] } }),
  patch('→ ExternalName', 'merge', path('dual'), {
    spec: { type: 'ExternalName', externalName: 'example.com' },
  }),
  remove('deleted', path('dual')),
  post('a headless Service', services, web('bare', { clusterIP: 'None', selector: { a: 'b' } })),
  edit('→ with an address', path('bare'), { spec: { clusterIP: '10.96.77.50', selector: { a: 'b' } } }),
  edit('→ dual stack', path('bare'), {
    spec: { clusterIP: 'None', ipFamilyPolicy: 'PreferDualStack', selector: { a: 'b' } },
  }),
  edit('→ NodePort', path('bare'), { spec: { type: 'NodePort', selector: { a: 'b' } } }),
  edit('not-ready addresses', path('bare'), {
    spec: { clusterIP: 'None', publishNotReadyAddresses: true, selector: { a: 'b' } },
  }),
  remove('deleted', path('bare')),
]

const patches: readonly Step[] = [
  post(
    'a Service to patch',
    services,
    service(
      'patched',
      {
        type: 'NodePort',
        selector: { app: 'web', tier: 'front' },
        ports: [
          { name: 'a', port: 80, nodePort: 30050 },
          { name: 'b', port: 81, nodePort: 30051 },
        ],
      },
      { labels: { one: '1', two: '2' } },
    ),
    {
      remember: { version: 'metadata.resourceVersion' },
    },
  ),
  edit('nothing, by a put', path('patched'), {}),
  patch('nothing', 'merge', path('patched'), {}),
  patch('a label', 'merge', path('patched'), { metadata: { labels: { three: '3' } } }),
  patch('a label removed', 'merge', path('patched'), { metadata: { labels: { one: null } } }),
  patch('the old version', 'merge', path('patched'), {
    metadata: { resourceVersion: '{{version}}', labels: { four: '4' } },
  }),
  patch('another name', 'merge', path('patched'), { metadata: { name: 'other' } }),
  patch('another namespace', 'merge', path('patched'), { metadata: { namespace: 'default' } }),
  patch('another uid', 'merge', path('patched'), {
    metadata: { uid: '00000000-0000-0000-0000-000000000001' },
  }),
  patch('another kind', 'merge', path('patched'), { kind: 'Pod' }),
  patch('another apiVersion', 'merge', path('patched'), { apiVersion: 'v2' }),
  patch('all ports replaced', 'merge', path('patched'), {
    spec: { ports: [{ name: 'a', port: 80, nodePort: 30050 }] },
  }),
  patch('an invalid value', 'merge', path('patched'), { spec: { sessionAffinity: 'Sometimes' } }),
  patch('a value of the wrong type', 'merge', path('patched'), { spec: { ports: 'all' } }),
  patch('null as a patch', 'merge', path('patched'), 'null'),
  patch('a list as a patch', 'merge', path('patched'), []),
  patch('no JSON', 'merge', path('patched'), '{'),
  patch("a Service that isn't there", 'merge', path('missing'), {}),
  patch('a port merged by its number', 'strategic', path('patched'), {
    spec: { ports: [{ port: 80, targetPort: 8080 }] },
  }),
  patch('a port added', 'strategic', path('patched'), {
    spec: { ports: [{ name: 'c', port: 82, nodePort: 30052 }] },
  }),
  patch('a port deleted', 'strategic', path('patched'), {
    spec: { ports: [{ port: 82, $patch: 'delete' }] },
  }),
  patch('all ports replaced', 'strategic', path('patched'), {
    spec: { ports: [{ $patch: 'replace' }, { name: 'z', port: 90 }] },
  }),
  patch('a map replaced', 'strategic', path('patched'), {
    spec: { selector: { $patch: 'replace', only: 'this' } },
  }),
  patch('an order of ports', 'strategic', path('patched'), {
    spec: { '$setElementOrder/ports': [{ port: 91 }, { port: 90 }], ports: [{ name: 'y', port: 91 }] },
  }),
  patch('a finalizer added', 'strategic', path('patched'), { metadata: { finalizers: ['example.com/a'] } }),
  patch('another finalizer', 'strategic', path('patched'), { metadata: { finalizers: ['example.com/b'] } }),
  patch('finalizers deleted from the list', 'strategic', path('patched'), {
    metadata: { '$deleteFromPrimitiveList/finalizers': ['example.com/a', 'example.com/b'] },
  }),
  patch('a port without its merge key', 'strategic', path('patched'), { spec: { ports: [{ name: 'q' }] } }),
  patch('an unknown directive', 'strategic', path('patched'), { spec: { selector: { $patch: 'explode' } } }),
  patch('fields that stay', 'strategic', path('patched'), {
    spec: { selector: { $retainKeys: ['only'], only: 'that' } },
  }),
  patch('add and replace', 'json', path('patched'), [
    { op: 'add', path: '/metadata/labels/json', value: 'yes' },
    { op: 'replace', path: '/spec/ports/0/targetPort', value: 9090 },
  ]),
  patch('a test that holds', 'json', path('patched'), [
    { op: 'test', path: '/metadata/labels/json', value: 'yes' },
    { op: 'remove', path: '/metadata/labels/json' },
  ]),
  patch('a test that fails', 'json', path('patched'), [
    { op: 'test', path: '/metadata/labels/two', value: 'no' },
  ]),
  patch("a path that isn't there", 'json', path('patched'), [{ op: 'remove', path: '/spec/nothing' }]),
  patch("a replacement of what isn't there", 'json', path('patched'), [
    { op: 'replace', path: '/metadata/labels/nothing', value: 'x' },
  ]),
  patch('what it made is taken away', 'merge', path('patched'), { metadata: { labels: { nothing: null } } }),
  patch('an operation that is none', 'json', path('patched'), [{ op: 'explode', path: '/spec' }]),
  patch('an object instead of operations', 'json', path('patched'), { op: 'add' }),
  patch('move and copy', 'json', path('patched'), [
    { op: 'copy', from: '/metadata/labels/two', path: '/metadata/labels/copy' },
    { op: 'move', from: '/metadata/labels/two', path: '/metadata/labels/moved' },
  ]),
  patch('an append', 'json', path('patched'), [
    { op: 'add', path: '/spec/ports/-', value: { name: 'last', port: 99 } },
  ]),
  patch('an escaped key', 'json', path('patched'), [
    { op: 'add', path: '/metadata/labels/example.com~1a', value: 'b' },
  ]),
  patch('an invalid result', 'json', path('patched'), [
    { op: 'replace', path: '/spec/ports/0/port', value: 0 },
  ]),
  edit('→ LoadBalancer, which has a status', path('patched'), { spec: { type: 'LoadBalancer' } }),
  patch('the status as its own resource', 'merge', `${path('patched')}/status`, {
    status: { loadBalancer: { ingress: [{ ip: '192.0.2.8' }] } },
  }),
  patch('the status leaves the spec alone', 'merge', `${path('patched')}/status`, {
    spec: { type: 'ClusterIP' },
  }),
  get('the status', `${path('patched')}/status`),
  edit('a whole status, and a spec that is ignored', `${path('patched')}/status`, {
    spec: { ports: [{ port: 1 }] },
    status: { loadBalancer: { ingress: null } },
  }),
  patch('an invalid status', 'merge', `${path('patched')}/status`, {
    status: { loadBalancer: { ingress: [{ ip: 'nowhere' }] } },
  }),
  get('what has come of it', path('patched')),
  remove('deleted', path('patched')),
]

const applies: readonly Step[] = [
  patch(
    'apply creates',
    'apply',
    `${path('applied')}?fieldManager=test`,
    applied('applied', { selector: { app: 'web' } }),
  ),
  patch(
    'apply again',
    'apply',
    `${path('applied')}?fieldManager=test`,
    applied('applied', { selector: { app: 'web' } }),
  ),
  patch(
    'apply changes',
    'apply',
    `${path('applied')}?fieldManager=test`,
    applied('applied', { selector: { app: 'api' } }),
  ),
  patch(
    'a port by its number and protocol',
    'apply',
    `${path('applied')}?fieldManager=test`,
    applied('applied', {
      selector: { app: 'api' },
      ports: [{ port: 80, protocol: 'TCP', targetPort: 8080 }],
    }),
  ),
  patch(
    'in YAML',
    'apply',
    `${path('applied')}?fieldManager=test`,
    'apiVersion: v1\nkind: Service\nmetadata:\n  name: applied\n  labels: { a: b }\nspec:\n  selector: { app: api }\n  ports:\n    - port: 80\n      protocol: TCP\n      targetPort: 8080\n',
  ),
  patch('without a manager', 'apply', path('applied'), applied('applied')),
  patch('with another name', 'apply', `${path('applied')}?fieldManager=test`, applied('other')),
  patch('without a kind', 'apply', `${path('applied')}?fieldManager=test`, { metadata: { name: 'applied' } }),
  patch(
    'something invalid',
    'apply',
    `${path('applied')}?fieldManager=test&force=true`,
    applied('applied', { ports: [{ port: 0, protocol: 'TCP' }] }),
  ),
  patch('no YAML', 'apply', `${path('applied')}?fieldManager=test`, '{ [ : '),
  patch('force with another kind of patch', 'merge', `${path('applied')}?force=true`, {}),
  remove('deleted', path('applied')),
]

export const serviceUpdateChapters: readonly Chapter[] = [
  {
    title: 'Services that are updated',
    differs: ['internal-traffic-policy', 'deleted-service'],
    differsIn: {
      'a version that is no number': ['client-fault'],
      'another uid': ['other-uid'],
      'a status over the main resource is ignored': ['no-field-managers'],
      'external IPs': ['external-policy'],
      'what has come of it': ['external-policy'],
      'the cluster IP left out': ['put-keeps-addresses'],
      'no version': ['put-without-version'],
    },
    steps: basics,
  },
  {
    title: 'Services that switch their type',
    differs: ['internal-traffic-policy', 'deleted-service'],
    differsIn: {
      "the health check port can't change": ['new-causes'],
      'a node port left out': ['put-keeps-node-ports'],
    },
    steps: switches,
  },
  {
    title: 'Services that change their families',
    differs: ['internal-traffic-policy', 'deleted-service'],
    differsIn: { 'other order of families': ['new-causes'], 'the other family': ['new-causes'] },
    steps: families,
  },
  {
    title: 'Services that are patched',
    differs: ['internal-traffic-policy', 'deleted-service'],
    differsIn: {
      'another uid': ['other-uid'],
      'a list as a patch': ['merge-patch-list'],
      'the status as its own resource': ['ip-mode'],
      'the status leaves the spec alone': ['ip-mode'],
      'the status': ['ip-mode'],
      'null as a patch': ['client-fault'],
      'no JSON': ['client-fault'],
      'a port without its merge key': ['client-fault'],
      'an unknown directive': ['client-fault'],
    },
    steps: patches,
  },
  {
    title: 'Services that are applied',
    differs: ['internal-traffic-policy', 'deleted-service'],
    differsIn: { 'something invalid': ['apply-without-ownership'] },
    steps: applies,
  },
]
