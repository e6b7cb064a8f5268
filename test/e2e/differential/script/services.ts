// Services as they are created: what the server adds, and what it refuses.

import { get, post, remove, type Chapter, type Step } from '../step.ts'
import { service, services, web, type Metadata } from './objects.ts'

type Created = readonly [what: string, spec: object, metadata?: Metadata]

/** Each becomes two steps: the Service is created, and deleted again. */
const valid: readonly Created[] = [
  ['one port', { ports: [{ port: 80 }] }],
  ['a protocol and a named target port', { ports: [{ port: 80, protocol: 'TCP', targetPort: 'http' }] }],
  ['a target port as a string of digits', { ports: [{ port: 80, targetPort: '8080' }] }, {}],
  [
    'several named ports',
    {
      ports: [
        { name: 'http', port: 80, targetPort: 8080 },
        { name: 'dns', port: 53, protocol: 'UDP' },
        { name: 'dns-tcp', port: 53, protocol: 'TCP' },
        { name: 'sctp', port: 9, protocol: 'SCTP' },
      ],
    },
  ],
  ['an application protocol', { ports: [{ port: 443, appProtocol: 'https' }] }],
  ['a qualified application protocol', { ports: [{ port: 443, appProtocol: 'example.com/custom' }] }],
  ['a selector', { ports: [{ port: 80 }], selector: { app: 'web', tier: 'front' } }],
  [
    'labels and annotations',
    { ports: [{ port: 80 }] },
    { labels: { app: 'web' }, annotations: { note: 'x' } },
  ],
  ['type ClusterIP spelt out', { type: 'ClusterIP', ports: [{ port: 80 }] }],
  ['a cluster IP of its own', { clusterIP: '10.96.77.1', ports: [{ port: 80 }] }],
  ['cluster IPs of its own', { clusterIPs: ['10.96.77.2'], ports: [{ port: 80 }] }],
  [
    'a cluster IP twice, as both fields',
    { clusterIP: '10.96.77.3', clusterIPs: ['10.96.77.3'], ports: [{ port: 80 }] },
  ],
  ['headless', { clusterIP: 'None', selector: { app: 'web' }, ports: [{ port: 80 }] }],
  ['headless without ports', { clusterIP: 'None', selector: { app: 'web' } }],
  ['headless by clusterIPs', { clusterIPs: ['None'], selector: { app: 'web' }, ports: [{ port: 80 }] }],
  [
    'headless, not-ready addresses published',
    { clusterIP: 'None', selector: { a: 'b' }, publishNotReadyAddresses: true, ports: [{ port: 80 }] },
  ],
  ['affinity by client IP', { sessionAffinity: 'ClientIP', ports: [{ port: 80 }] }],
  [
    'affinity by client IP for a minute',
    {
      sessionAffinity: 'ClientIP',
      sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } },
      ports: [{ port: 80 }],
    },
  ],
  [
    'an affinity configuration without affinity',
    { sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } }, ports: [{ port: 80 }] },
  ],
  ['an empty target port', { ports: [{ port: 80, targetPort: '' }] }],
  ['affinity None', { sessionAffinity: 'None', ports: [{ port: 80 }] }],
  ['external IPs', { externalIPs: ['192.0.2.1', '192.0.2.2'], ports: [{ port: 80 }] }],
  ['NodePort', { type: 'NodePort', ports: [{ port: 80 }] }],
  [
    'NodePort with two ports',
    {
      type: 'NodePort',
      ports: [
        { name: 'a', port: 80 },
        { name: 'b', port: 81 },
      ],
    },
  ],
  ['NodePort with a port of its own', { type: 'NodePort', ports: [{ port: 80, nodePort: 30010 }] }],
  [
    'NodePort, one number for TCP and UDP',
    {
      type: 'NodePort',
      ports: [
        { name: 'tcp', port: 53, nodePort: 30011 },
        { name: 'udp', port: 53, protocol: 'UDP', nodePort: 30011 },
      ],
    },
  ],
  [
    'NodePort, external policy Local',
    { type: 'NodePort', externalTrafficPolicy: 'Local', ports: [{ port: 80 }] },
  ],
  ['LoadBalancer', { type: 'LoadBalancer', ports: [{ port: 80 }] }],
  [
    'LoadBalancer, external policy Local',
    { type: 'LoadBalancer', externalTrafficPolicy: 'Local', ports: [{ port: 80 }] },
  ],
  [
    'LoadBalancer with a health check port of its own',
    {
      type: 'LoadBalancer',
      externalTrafficPolicy: 'Local',
      healthCheckNodePort: 30012,
      ports: [{ port: 80 }],
    },
  ],
  [
    'LoadBalancer with source ranges',
    { type: 'LoadBalancer', loadBalancerSourceRanges: ['192.0.2.0/24'], ports: [{ port: 80 }] },
  ],
  [
    'LoadBalancer with an address',
    { type: 'LoadBalancer', loadBalancerIP: '192.0.2.9', ports: [{ port: 80 }] },
  ],
  [
    'LoadBalancer without node ports',
    { type: 'LoadBalancer', allocateLoadBalancerNodePorts: false, ports: [{ port: 80 }] },
  ],
  [
    'LoadBalancer with both protocols',
    {
      type: 'LoadBalancer',
      ports: [
        { name: 'a', port: 53 },
        { name: 'b', port: 53, protocol: 'UDP' },
      ],
    },
  ],
  ['ExternalName', { type: 'ExternalName', externalName: 'example.com' }],
  ['ExternalName with a port', { type: 'ExternalName', externalName: 'example.com', ports: [{ port: 80 }] }],
  [
    'ExternalName with a selector',
    { type: 'ExternalName', externalName: 'example.com', selector: { app: 'web' } },
  ],
  ['IPv6', { ipFamilies: ['IPv6'], ports: [{ port: 80 }] }],
  ['IPv6 by its cluster IP', { clusterIP: 'fd00:96::77', ports: [{ port: 80 }] }],
  ['PreferDualStack', { ipFamilyPolicy: 'PreferDualStack', ports: [{ port: 80 }] }],
  ['RequireDualStack', { ipFamilyPolicy: 'RequireDualStack', ports: [{ port: 80 }] }],
  ['SingleStack', { ipFamilyPolicy: 'SingleStack', ports: [{ port: 80 }] }],
  [
    'RequireDualStack, IPv6 first',
    { ipFamilyPolicy: 'RequireDualStack', ipFamilies: ['IPv6', 'IPv4'], ports: [{ port: 80 }] },
  ],
  [
    'PreferDualStack from IPv6',
    { ipFamilyPolicy: 'PreferDualStack', ipFamilies: ['IPv6'], ports: [{ port: 80 }] },
  ],
  [
    'both cluster IPs given',
    { ipFamilyPolicy: 'RequireDualStack', clusterIPs: ['10.96.77.4', 'fd00:96::78'], ports: [{ port: 80 }] },
  ],
  [
    'headless dual stack',
    { clusterIP: 'None', selector: { a: 'b' }, ipFamilyPolicy: 'RequireDualStack', ports: [{ port: 80 }] },
  ],
  ['headless without a selector', { clusterIP: 'None', ports: [{ port: 80 }] }],
  ['dual-stack NodePort', { type: 'NodePort', ipFamilyPolicy: 'PreferDualStack', ports: [{ port: 80 }] }],
]

const invalid: readonly Created[] = [
  ['no spec', {}],
  ['no ports', { selector: { app: 'web' } }],
  ['port 0', { ports: [{ port: 0 }] }],
  ['port 65536', { ports: [{ port: 65536 }] }],
  ['a negative port', { ports: [{ port: -1 }] }],
  ['no port number', { ports: [{ name: 'http' }] }],
  ['target port 0 as a number', { ports: [{ port: 80, targetPort: 70000 }] }],
  ['a target port that is no name', { ports: [{ port: 80, targetPort: 'Not A Name' }] }],
  ['an unknown protocol', { ports: [{ port: 80, protocol: 'HTTP' }] }],
  ['a lower-case protocol', { ports: [{ port: 80, protocol: 'tcp' }] }],
  ['two ports without names', { ports: [{ port: 80 }, { port: 81 }] }],
  [
    'two ports of one name',
    {
      ports: [
        { name: 'a', port: 80 },
        { name: 'a', port: 81 },
      ],
    },
  ],
  [
    'one port twice',
    {
      ports: [
        { name: 'a', port: 80 },
        { name: 'b', port: 80 },
      ],
    },
  ],
  ['a port name in upper case', { ports: [{ name: 'HTTP', port: 80 }] }],
  ['a port name that is too long', { ports: [{ name: 'a'.repeat(64), port: 80 }] }],
  ['an application protocol that is no name', { ports: [{ port: 80, appProtocol: 'not valid' }] }],
  ['an unknown type', { type: 'Cluster', ports: [{ port: 80 }] }],
  [
    'several faults at once',
    { type: 'Nonsense', sessionAffinity: 'Sticky', ports: [{ port: 0, protocol: 'X' }] },
  ],
  ['an unknown affinity', { sessionAffinity: 'Cookie', ports: [{ port: 80 }] }],
  [
    'an affinity timeout of 0',
    {
      sessionAffinity: 'ClientIP',
      sessionAffinityConfig: { clientIP: { timeoutSeconds: 0 } },
      ports: [{ port: 80 }],
    },
  ],
  [
    'an affinity timeout of more than a day',
    {
      sessionAffinity: 'ClientIP',
      sessionAffinityConfig: { clientIP: { timeoutSeconds: 86401 } },
      ports: [{ port: 80 }],
    },
  ],
  ['a cluster IP that is none', { clusterIP: 'ten', ports: [{ port: 80 }] }],
  ['a cluster IP outside the range', { clusterIP: '192.0.2.1', ports: [{ port: 80 }] }],
  ['the network address as cluster IP', { clusterIP: '10.96.0.0', ports: [{ port: 80 }] }],
  ['two cluster IPs of one family', { clusterIPs: ['10.96.77.5', '10.96.77.6'], ports: [{ port: 80 }] }],
  ['three cluster IPs', { clusterIPs: ['10.96.77.5', 'fd00:96::79', '10.96.77.6'], ports: [{ port: 80 }] }],
  [
    'cluster IPs that contradict',
    { clusterIP: '10.96.77.5', clusterIPs: ['10.96.77.6'], ports: [{ port: 80 }] },
  ],
  ['an address beside None', { clusterIPs: ['None', '10.96.77.5'], ports: [{ port: 80 }] }],
  [
    'dual-stack cluster IPs with SingleStack',
    { ipFamilyPolicy: 'SingleStack', clusterIPs: ['10.96.77.5', 'fd00:96::79'], ports: [{ port: 80 }] },
  ],
  ['an unknown family', { ipFamilies: ['IPv5'], ports: [{ port: 80 }] }],
  ['one family twice', { ipFamilies: ['IPv4', 'IPv4'], ports: [{ port: 80 }] }],
  [
    'two families with SingleStack',
    { ipFamilyPolicy: 'SingleStack', ipFamilies: ['IPv4', 'IPv6'], ports: [{ port: 80 }] },
  ],
  ['an unknown family policy', { ipFamilyPolicy: 'Both', ports: [{ port: 80 }] }],
  [
    'a family that the cluster IP is not of',
    { clusterIP: '10.96.77.5', ipFamilies: ['IPv6'], ports: [{ port: 80 }] },
  ],
  ['a node port on a ClusterIP Service', { ports: [{ port: 80, nodePort: 30020 }] }],
  ['a node port below the range', { type: 'NodePort', ports: [{ port: 80, nodePort: 29999 }] }],
  ['a node port that is none', { type: 'NodePort', ports: [{ port: 80, nodePort: 70000 }] }],
  [
    'one node port twice',
    {
      type: 'NodePort',
      ports: [
        { name: 'a', port: 80, nodePort: 30021 },
        { name: 'b', port: 81, nodePort: 30021 },
      ],
    },
  ],
  ['an external policy on a ClusterIP Service', { externalTrafficPolicy: 'Local', ports: [{ port: 80 }] }],
  ['an unknown external policy', { type: 'NodePort', externalTrafficPolicy: 'Near', ports: [{ port: 80 }] }],
  [
    'a health check port on a NodePort Service',
    { type: 'NodePort', healthCheckNodePort: 30022, ports: [{ port: 80 }] },
  ],
  [
    'a health check port with policy Cluster',
    {
      type: 'LoadBalancer',
      externalTrafficPolicy: 'Cluster',
      healthCheckNodePort: 30022,
      ports: [{ port: 80 }],
    },
  ],
  [
    'source ranges on a ClusterIP Service',
    { loadBalancerSourceRanges: ['192.0.2.0/24'], ports: [{ port: 80 }] },
  ],
  [
    'source ranges that are none',
    { type: 'LoadBalancer', loadBalancerSourceRanges: ['192.0.2.0/33'], ports: [{ port: 80 }] },
  ],
  [
    'node ports declined on a ClusterIP Service',
    { allocateLoadBalancerNodePorts: true, ports: [{ port: 80 }] },
  ],
  ['a headless NodePort', { type: 'NodePort', clusterIP: 'None', ports: [{ port: 80 }] }],
  ['a headless LoadBalancer', { type: 'LoadBalancer', clusterIP: 'None', ports: [{ port: 80 }] }],
  ['a LoadBalancer without ports', { type: 'LoadBalancer' }],
  ['ExternalName without a name', { type: 'ExternalName' }],
  ['ExternalName that is no name', { type: 'ExternalName', externalName: 'not a name!' }],
  [
    'ExternalName with a cluster IP',
    { type: 'ExternalName', externalName: 'example.com', clusterIP: '10.96.77.5' },
  ],
  ['ExternalName that is headless', { type: 'ExternalName', externalName: 'example.com', clusterIP: 'None' }],
  ['ExternalName with a family', { type: 'ExternalName', externalName: 'example.com', ipFamilies: ['IPv4'] }],
  [
    'ExternalName with a family policy',
    { type: 'ExternalName', externalName: 'example.com', ipFamilyPolicy: 'SingleStack' },
  ],
  ['an external IP that is none', { externalIPs: ['here'], ports: [{ port: 80 }] }],
  ['an unspecified external IP', { externalIPs: ['0.0.0.0'], ports: [{ port: 80 }] }],
  ['a link-local external IP', { externalIPs: ['169.254.1.1'], ports: [{ port: 80 }] }],
  [
    'a selector that is no label',
    { selector: { 'not a key!': 'x', ok: 'not a value!' }, ports: [{ port: 80 }] },
  ],
]

const names: readonly Step[] = [
  post('a name that begins with a digit', services, web('1web')),
  post('a name in upper case', services, web('Web')),
  post('a name with a dot', services, web('web.example')),
  post('a name that is too long', services, web('a'.repeat(64))),
  post('an empty name', services, web('')),
  post('no metadata', services, { apiVersion: 'v1', kind: 'Service', spec: { ports: [{ port: 80 }] } }),
  post(
    'a generated name',
    services,
    service(
      '',
      { ports: [{ port: 80 }] },
      { generateName: 'made-', name: undefined, labels: { made: 'up' } },
    ),
    {
      remember: { made: 'metadata.name' },
    },
  ),
  remove('the generated one is deleted', `${services}/{{made}}`),
  post('a generated name from a bad prefix', services, web('', {}, { generateName: 'Made-' })),
  post('a label key that is none', services, web('labelled', {}, { labels: { 'a b': 'x' } })),
  post('a label value that is none', services, web('labelled', {}, { labels: { a: 'x y' } })),
  post('a label value that is a number', services, web('labelled', {}, { labels: { a: 1 } })),
  post('an annotation key that is none', services, web('noted', {}, { annotations: { '/': 'x' } })),
  post(
    'annotations that are too large',
    services,
    web('noted', {}, { annotations: { a: 'x'.repeat(262_144) } }),
  ),
  post('a finalizer that is none', services, web('final', {}, { finalizers: ['not a finalizer'] })),
  post(
    'an owner without a uid',
    services,
    web('owned', {}, { ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'a' }] }),
  ),
  post("another namespace than the path's", services, web('placed', {}, { namespace: 'default' })),
  post("a namespace that isn't there", '/api/v1/namespaces/nowhere/services', web('placed')),
]

const collisions: readonly Step[] = [
  post(
    'a NodePort Service takes a port',
    services,
    web('first', { type: 'NodePort', ports: [{ port: 80, nodePort: 30030 }], clusterIP: '10.96.77.30' }),
  ),
  post('the same name', services, web('first')),
  post(
    'the same node port',
    services,
    web('second', { type: 'NodePort', ports: [{ port: 80, nodePort: 30030 }] }),
  ),
  post(
    'the same node port for UDP',
    services,
    web('second', { type: 'NodePort', ports: [{ port: 80, protocol: 'UDP', nodePort: 30030 }] }),
  ),
  post('the same cluster IP', services, web('second', { clusterIP: '10.96.77.30' })),
  post(
    'a health check port that is taken',
    services,
    web('second', { type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: 30030 }),
  ),
  post(
    'a health check port that is its own node port',
    services,
    web('second', {
      type: 'LoadBalancer',
      externalTrafficPolicy: 'Local',
      healthCheckNodePort: 30031,
      ports: [{ port: 80, nodePort: 30031 }],
    }),
  ),
  post(
    'a refused Service has kept nothing',
    services,
    web('second', { type: 'NodePort', ports: [{ port: 80, nodePort: 30031 }] }),
  ),
  remove('the first is deleted', `${services}/first`),
  post(
    'its node port and cluster IP are free',
    services,
    web('third', { type: 'NodePort', ports: [{ port: 80, nodePort: 30030 }], clusterIP: '10.96.77.30' }),
  ),
  remove('the second is deleted', `${services}/second`),
  remove('the third is deleted', `${services}/third`),
  remove('the third is gone', `${services}/third`),
  get("and can't be read", `${services}/third`),
]

const unusual: readonly Step[] = [
  post('a status that the client made up', services, {
    ...web('with-status', { type: 'LoadBalancer' }),
    status: { loadBalancer: { ingress: [{ ip: '192.0.2.5' }] } },
  }),
  remove('is ignored', `${services}/with-status`),
  post(
    'a uid, version and time that the client made up',
    services,
    web(
      'made-up',
      {},
      {
        uid: '00000000-0000-0000-0000-000000000001',
        creationTimestamp: '2001-01-01T00:00:00Z',
      },
    ),
  ),
  remove('are ignored', `${services}/made-up`),
  post('a resourceVersion on create', services, web('versioned', {}, { resourceVersion: '1' })),
  post('a finalizer', services, web('finalized', {}, { finalizers: ['example.com/hold'] })),
  remove('holds the Service', `${services}/finalized`),
  get('which is being deleted', `${services}/finalized`),
  post('and whose name is taken', services, web('finalized')),
  {
    name: 'until the finalizer goes',
    request: {
      method: 'PATCH',
      path: `${services}/finalized`,
      headers: { 'content-type': 'application/merge-patch+json' },
      body: { metadata: { finalizers: null } },
    },
  },
  get('then it is gone', `${services}/finalized`),
]

export const serviceChapters: readonly Chapter[] = [
  {
    title: 'Services that are created',
    differs: ['internal-traffic-policy', 'deleted-service'],
    differsIn: { 'external IPs': ['external-policy'] },
    steps: valid.flatMap(([what, spec, metadata], i) => [
      post(what, services, service(`valid-${i}`, spec, metadata)),
      remove(`${what}: deleted`, `${services}/valid-${i}`),
    ]),
  },
  {
    title: 'Services that are refused',
    differs: [],
    differsIn: {
      'one node port twice': ['new-causes'],
      'an unknown external policy': ['new-causes'],
      'source ranges that are none': ['new-causes'],
    },
    steps: invalid.map(([what, spec, metadata], i) =>
      post(what, services, service(`invalid-${i}`, spec, metadata)),
    ),
  },
  { title: 'names and metadata', differs: ['internal-traffic-policy', 'deleted-service'], steps: names },
  {
    title: 'addresses and ports that are taken',
    differs: ['internal-traffic-policy', 'deleted-service'],
    steps: collisions,
  },
  {
    title: 'what only a server may set',
    differs: ['internal-traffic-policy', 'deleted-service'],
    differsIn: {
      'a resourceVersion on create': ['client-fault'],
      'until the finalizer goes': ['last-finalizer'],
    },
    steps: unusual,
  },
]
