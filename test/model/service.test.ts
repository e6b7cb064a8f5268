import * as fc from 'fast-check'
import { test } from 'tap'
import { readCidr } from '../../lib/model/cidr.ts'
import { defaultProxySettings, readProxySettings } from '../../lib/model/proxy-settings.ts'
import { readService, type Service } from '../../lib/model/service.ts'
import { mutated } from './mutations.ts'
import { service } from './objects.ts'

const isOneLine = (problem: string): boolean => problem.length < 250 && !problem.includes('\n')

void test('a plain Service', async t => {
  t.strictSame(readService(service()), {
    namespace: 'default',
    name: 'web',
    uid: '',
    createdAt: '2026-01-01T00:00:00Z',
    type: 'ClusterIP',
    clusterIps: { IPv4: '10.96.0.10' },
    externalIps: [],
    loadBalancerIps: [],
    sourceRanges: null,
    internalPolicyLocal: false,
    externalPolicyLocal: false,
    healthCheckNodePort: 0,
    affinityTimeoutSeconds: null,
    ports: [{ name: '', protocol: 'TCP', port: 80, nodePort: 0 }],
    annotations: {},
    problems: [],
  })
})

void test('only a cluster IP and a port are needed', async t => {
  const bare = readService({
    metadata: { namespace: 'a', name: 'b' },
    spec: { clusterIP: '10.96.0.1', ports: [{ port: 53 }] },
  })
  t.match(bare, {
    createdAt: '',
    type: 'ClusterIP',
    clusterIps: { IPv4: '10.96.0.1' },
    ports: [{ name: '', protocol: 'TCP', port: 53, nodePort: 0 }],
    problems: [],
  })
})

const notServed: readonly [string, Parameters<typeof service>][] = [
  ['headless', [{ clusterIP: 'None', clusterIPs: ['None'] }]],
  ['headless by clusterIPs alone', [{ clusterIP: null, clusterIPs: ['None'] }]],
  ['no cluster IP yet', [{ clusterIP: '', clusterIPs: [] }]],
  ['no cluster IP fields', [{ clusterIP: undefined, clusterIPs: undefined }]],
  ['ExternalName', [{ type: 'ExternalName', externalName: 'example.org' }]],
  ['of another proxy', [{}, { labels: { 'service.kubernetes.io/service-proxy-name': 'other' } }]],
  ['of another proxy, empty value', [{}, { labels: { 'service.kubernetes.io/service-proxy-name': '' } }]],
  ['of another proxy, value null', [{}, { labels: { 'service.kubernetes.io/service-proxy-name': null } }]],
  ['the headless label', [{}, { labels: { 'service.kubernetes.io/headless': '' } }]],
]

void test('Services that no proxy serves', async t => {
  for (const [name, [spec, metadata]] of notServed) t.equal(readService(service(spec, metadata)), null, name)
  t.equal(readService({ metadata: { name: 'x' } }), null, 'no spec')
})

const healthChecked = (spec: Readonly<Record<string, unknown>>) => ({
  type: 'LoadBalancer',
  externalTrafficPolicy: 'Local',
  healthCheckNodePort: 32_000,
  ...spec,
})

const readings: readonly [
  string,
  Parameters<typeof service>,
  Partial<Service>,
  problems?: readonly RegExp[],
][] = [
  [
    'dual stack',
    [{ clusterIPs: ['10.96.0.10', 'FD00:0::A'] }],
    { clusterIps: { IPv4: '10.96.0.10', IPv6: 'fd00::a' } },
  ],
  ['clusterIP without clusterIPs', [{ clusterIPs: null }], { clusterIps: { IPv4: '10.96.0.10' } }],
  [
    'clusterIPs of nulls beside a clusterIP',
    [{ clusterIPs: [null] }],
    { clusterIps: { IPv4: '10.96.0.10' } },
  ],
  [
    'clusterIPs that contradict clusterIP: the list counts',
    [{ clusterIP: '10.96.0.99' }],
    { clusterIps: { IPv4: '10.96.0.10' } },
  ],
  [
    'one malformed cluster IP',
    [{ clusterIPs: ['10.96.0.300', 'fd00::a'], clusterIP: '10.96.0.300' }],
    { clusterIps: { IPv6: 'fd00::a' } },
    [/^spec\.clusterIPs has "10\.96\.0\.300", which is not an IP address$/],
  ],
  ['a malformed cluster IP only', [{ clusterIP: 5, clusterIPs: [] }], { clusterIps: {} }, [/has 5/]],
  [
    'a wildcard cluster IP would open every address',
    [{ clusterIP: '0.0.0.0', clusterIPs: ['0.0.0.0', '::'] }],
    { clusterIps: {} },
    [/0\.0\.0\.0, which no host can have/, /has ::/],
  ],
  ['type null', [{ type: null }], { type: 'ClusterIP' }],
  ['unknown type', [{ type: 'Mesh' }], { type: 'ClusterIP' }, [/spec\.type "Mesh" is unknown/]],
  ['type of a wrong type', [{ type: 5 }], { type: 'ClusterIP' }, [/spec\.type 5 is unknown/]],
  [
    'NodePort',
    [{ type: 'NodePort', ports: [{ port: 80, nodePort: 30_008 }] }],
    { type: 'NodePort', ports: [{ name: '', protocol: 'TCP', port: 80, nodePort: 30_008 }] },
  ],
  [
    'a nodePort on type ClusterIP is not used',
    [{ ports: [{ port: 80, nodePort: 30_008 }] }],
    { ports: [{ name: '', protocol: 'TCP', port: 80, nodePort: 0 }] },
  ],
  [
    'a malformed nodePort leaves the rest of the port',
    [{ type: 'NodePort', ports: [{ port: 80, nodePort: 70_000 }] }],
    { ports: [{ name: '', protocol: 'TCP', port: 80, nodePort: 0 }] },
    [/^spec\.ports\[0\]\.nodePort 70000 is not a port/],
  ],
  [
    'a LoadBalancer without node ports',
    [{ type: 'LoadBalancer', ports: [{ port: 80, nodePort: 0 }] }],
    { type: 'LoadBalancer', ports: [{ name: '', protocol: 'TCP', port: 80, nodePort: 0 }] },
  ],
  [
    'load balancer IPs: ipMode absent, null or VIP; sorted; each once',
    [
      { type: 'LoadBalancer' },
      {},
      {
        loadBalancer: {
          ingress: [
            { ip: '203.0.113.9' },
            { ip: '203.0.113.2', ipMode: 'VIP' },
            { ip: '203.0.113.2', ipMode: null },
            { ip: '203.0.113.3', ipMode: 'Proxy' },
            { hostname: 'lb.example.org' },
            null,
          ],
        },
      },
    ],
    { loadBalancerIps: ['203.0.113.2', '203.0.113.9'] },
  ],
  [
    'a malformed load balancer IP',
    [{ type: 'LoadBalancer' }, {}, { loadBalancer: { ingress: [{ ip: 7 }, { ip: '203.0.113.2' }] } }],
    { loadBalancerIps: ['203.0.113.2'] },
    [/status\.loadBalancer\.ingress has 7/],
  ],
  [
    'a load balancer status on another type',
    [{ type: 'NodePort' }, {}, { loadBalancer: { ingress: [{ ip: '203.0.113.2' }] } }],
    { loadBalancerIps: [] },
  ],
  [
    'external IPs, canonical, sorted, each once',
    [{ externalIPs: ['FD00::1', '198.51.100.7', '198.51.100.1', 'fd00::1'] }],
    { externalIps: ['198.51.100.1', '198.51.100.7', 'fd00::1'] },
  ],
  [
    'malformed external IPs are skipped',
    [{ externalIPs: ['198.51.100.7', 'nope', null, '0.0.0.0', '239.1.1.1'] }],
    { externalIps: ['198.51.100.7'] },
    [/"nope"/, /null/, /0\.0\.0\.0/, /239\.1\.1\.1/],
  ],
  ['external IPs of a wrong type', [{ externalIPs: '198.51.100.7' }], { externalIps: [] }],
  ['internalTrafficPolicy Local', [{ internalTrafficPolicy: 'Local' }], { internalPolicyLocal: true }],
  ['internalTrafficPolicy of nonsense', [{ internalTrafficPolicy: 7 }], { internalPolicyLocal: false }],
  [
    'externalTrafficPolicy Local on NodePort',
    [{ type: 'NodePort', externalTrafficPolicy: 'Local' }],
    { externalPolicyLocal: true },
  ],
  [
    'externalTrafficPolicy Local on LoadBalancer',
    [{ type: 'LoadBalancer', externalTrafficPolicy: 'Local' }],
    { externalPolicyLocal: true },
  ],
  [
    'externalTrafficPolicy Local on ClusterIP with external IPs',
    [{ externalTrafficPolicy: 'Local', externalIPs: ['198.51.100.7'] }],
    { externalPolicyLocal: true },
  ],
  [
    'externalTrafficPolicy Local on a plain ClusterIP means nothing',
    [{ externalTrafficPolicy: 'Local' }],
    { externalPolicyLocal: false },
  ],
  ['affinity', [{ sessionAffinity: 'ClientIP' }], { affinityTimeoutSeconds: 10_800 }],
  [
    'affinity with a timeout',
    [{ sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } } }],
    { affinityTimeoutSeconds: 60 },
  ],
  [
    'affinity with a timeout of null',
    [{ sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: null } } }],
    { affinityTimeoutSeconds: 10_800 },
  ],
  [
    'affinity with an absurd timeout',
    [{ sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 1e9 } } }],
    { affinityTimeoutSeconds: 10_800 },
    [/timeoutSeconds 1000000000 is not within 1 to 86400/],
  ],
  [
    'a timeout without affinity',
    [{ sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } } }],
    { affinityTimeoutSeconds: null },
  ],
  ['affinity null', [{ sessionAffinity: null }], { affinityTimeoutSeconds: null }],
  ['unknown affinity', [{ sessionAffinity: 'Cookie' }], { affinityTimeoutSeconds: null }, [/"Cookie"/]],
  ['ports absent', [{ ports: undefined }], { ports: [] }],
  ['ports null', [{ ports: null }], { ports: [] }],
  ['ports of a wrong type', [{ ports: { port: 80 } }], { ports: [] }],
  [
    'one malformed port among good ones',
    [
      {
        ports: [
          { name: 'a', port: 80 },
          { name: 'b', port: 0 },
          null,
          { name: 'c', port: '80' },
          { name: 5, port: 81 },
          { name: 'x/y', port: 82 },
          { name: 'd', port: 83, protocol: 'QUIC' },
          { name: 'e', port: 84, protocol: null },
        ],
      },
    ],
    {
      ports: [
        { name: 'a', protocol: 'TCP', port: 80, nodePort: 0 },
        { name: 'e', protocol: 'TCP', port: 84, nodePort: 0 },
      ],
    },
    [
      /ports\[1\]\.port 0 /,
      /ports\[2\]\.port undefined /,
      /ports\[3\]\.port "80" /,
      /ports\[4\]\.name 5 /,
      /ports\[5\]\.name "x\/y"/,
      /"QUIC"/,
    ],
  ],
  [
    'SCTP is kept, to be reported',
    [{ ports: [{ port: 80, protocol: 'SCTP' }] }],
    { ports: [{ name: '', protocol: 'SCTP', port: 80, nodePort: 0 }] },
  ],
  [
    'one name for TCP and UDP',
    [
      {
        ports: [
          { name: 'dns', port: 53, protocol: 'UDP' },
          { name: 'dns', port: 53, protocol: 'TCP' },
        ],
      },
    ],
    {
      ports: [
        { name: 'dns', protocol: 'UDP', port: 53, nodePort: 0 },
        { name: 'dns', protocol: 'TCP', port: 53, nodePort: 0 },
      ],
    },
  ],
  [
    'one name twice',
    [
      {
        ports: [
          { name: 'a', port: 80 },
          { name: 'a', port: 81 },
        ],
      },
    ],
    { ports: [{ name: 'a', protocol: 'TCP', port: 80, nodePort: 0 }] },
    [/ports\[1\] repeats the name "a" for TCP/],
  ],
  ['a creation time that is none would be the oldest', [{}, { creationTimestamp: '0' }], { createdAt: '' }],
  ['labels of a wrong type', [{}, { labels: ['a'] }], { name: 'web' }],
  [
    'annotations, as they are',
    [{}, { annotations: { 'kube-relay/balance': 'p2c', other: 5 } }],
    { annotations: { 'kube-relay/balance': 'p2c', other: 5 } },
  ],
  ['annotations null', [{}, { annotations: null }], { annotations: {} }],
  ['annotations of a wrong type', [{}, { annotations: ['kube-relay/balance'] }], { annotations: {} }],
  ['a UID', [{}, { uid: 'c0ffee' }], { uid: 'c0ffee' }],
  ['a UID of a wrong type', [{}, { uid: 5 }], { uid: '' }],
  ['a health check port', [healthChecked({})], { healthCheckNodePort: 32_000 }],
  [
    'none with policy Cluster',
    [healthChecked({ externalTrafficPolicy: 'Cluster' })],
    { healthCheckNodePort: 0 },
  ],
  [
    'none without a policy',
    [healthChecked({ externalTrafficPolicy: undefined })],
    { healthCheckNodePort: 0 },
  ],
  ['none with type NodePort', [healthChecked({ type: 'NodePort' })], { healthCheckNodePort: 0 }],
  [
    'a health check port that is null',
    [healthChecked({ healthCheckNodePort: null })],
    { healthCheckNodePort: 0 },
  ],
  ['a health check port of 0', [healthChecked({ healthCheckNodePort: 0 })], { healthCheckNodePort: 0 }],
  [
    'a health check port that is none',
    [healthChecked({ healthCheckNodePort: 65_536 })],
    { healthCheckNodePort: 0 },
    [/spec\.healthCheckNodePort 65536 is not a port/],
  ],
]

const rangesCases: readonly [
  name: string,
  spec: Readonly<Record<string, unknown>>,
  texts: readonly string[] | null,
  problems?: readonly RegExp[],
][] = [
  ['absent', {}, null],
  ['null', { loadBalancerSourceRanges: null }, null],
  ['no ranges: no restriction', { loadBalancerSourceRanges: [] }, null],
  [
    'both families, as they stand',
    { loadBalancerSourceRanges: ['10.0.0.0/8', 'FD00:0::/16'] },
    ['10.0.0.0/8', 'fd00::/16'],
  ],
  [
    'white space around them',
    { loadBalancerSourceRanges: [' 10.0.0.0/8 ', '\t192.168.0.1/32\n'] },
    ['10.0.0.0/8', '192.168.0.1/32'],
  ],
  [
    'one malformed among good ones',
    { loadBalancerSourceRanges: ['10.0.0.0/8', '10.0.0.1', 5, null] },
    ['10.0.0.0/8'],
    [/^spec\.loadBalancerSourceRanges has "10\.0\.0\.1", which is not a CIDR$/, /has 5,/, /has null,/],
  ],
  [
    'all malformed: nobody, not everybody',
    { loadBalancerSourceRanges: ['10.0.0.0/33'] },
    [],
    [/"10\.0\.0\.0\/33"/],
  ],
  ['of another type, not used', { type: 'NodePort', loadBalancerSourceRanges: ['10.0.0.0/8'] }, null],
  ['of another type, malformed: no complaint', { type: 'ClusterIP', loadBalancerSourceRanges: ['x'] }, null],
]

void test('source ranges', async t => {
  for (const [name, spec, texts, problems = []] of rangesCases) {
    const read = readService(service({ type: 'LoadBalancer', ...spec }))
    t.strictSame(read?.sourceRanges?.map(({ text }) => text) ?? null, texts, name)
    t.equal(read?.problems.length, problems.length, `${name}: ${read?.problems.join('; ')}`)
    t.match(read?.problems, problems, name)
  }
})

void test('source ranges that are no list are not taken for "everyone"', async t => {
  const read = readService(service({ type: 'LoadBalancer', loadBalancerSourceRanges: '10.0.0.0/8' }))
  t.strictSame(read?.sourceRanges, [])
  t.match(read?.problems, [/^spec\.loadBalancerSourceRanges is "10\.0\.0\.0\/8", which is not a list$/])
})

void test('readService, field by field', async t => {
  for (const [name, [spec, metadata, status], expected, problems = []] of readings) {
    const read = readService(service(spec, metadata, status))
    const found = Object.fromEntries(Object.keys(expected).map(key => [key, read?.[key as keyof Service]]))
    t.strictSame(found, expected, name)
    t.equal(read?.problems.length, problems.length, `${name}: ${read?.problems.join('; ')}`)
    t.match(read?.problems, problems, name)
  }
})

void test('no mutation makes readService throw, and what it reads keeps its promises', async () => {
  const whole = service(
    {
      ...healthChecked({}),
      clusterIPs: ['10.96.0.10', 'fd00::a'],
      externalIPs: ['198.51.100.7'],
      loadBalancerSourceRanges: ['10.0.0.0/8', 'fd00::/16'],
      sessionAffinity: 'ClientIP',
      sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } },
      ports: [
        { name: 'a', port: 80, nodePort: 30_080, protocol: 'TCP' },
        { name: 'b', port: 53, nodePort: 30_053, protocol: 'UDP' },
      ],
    },
    {
      labels: { app: 'web' },
      annotations: { 'kube-relay/balance': 'p2c', 'kube-relay/max-connections': '5' },
    },
    { loadBalancer: { ingress: [{ ip: '203.0.113.2', ipMode: 'VIP' }] } },
  )
  fc.assert(
    fc.property(mutated(whole), object => {
      const read = readService(object)
      if (read === null) return true
      const ips = [...Object.values(read.clusterIps), ...read.externalIps, ...read.loadBalancerIps]
      return (
        ips.every(ip => ip !== '0.0.0.0' && ip !== '::') &&
        read.healthCheckNodePort >= 0 &&
        read.healthCheckNodePort < 65_536 &&
        read.ports.every(({ port, nodePort }) => port > 0 && port < 65_536 && nodePort < 65_536) &&
        (read.sourceRanges ?? []).every(({ text }) => readCidr(text) !== null) &&
        (read.type === 'LoadBalancer' || read.sourceRanges === null) &&
        readProxySettings(read.annotations, defaultProxySettings).problems.every(isOneLine) &&
        read.problems.every(isOneLine)
      )
    }),
    { numRuns: 1000 },
  )
})
