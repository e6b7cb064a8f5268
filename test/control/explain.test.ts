// What becomes of a connection, and why: tables of named cases over a desired state as the agent has it.

import { test } from 'tap'
import type { DesiredStateOptions } from '../../lib/control/desired-state.ts'
import { explain, findFrontend, type ExplainView } from '../../lib/control/explain.ts'
import { familyOf, formatAddress, type Protocol } from '../../lib/model/address.ts'
import type { KubeObject } from '../../lib/model/objects.ts'
import type { VipMode } from '../../lib/model/vip-mode.ts'
import { endpointDetails, type AffineEndpoint, type EndpointTraffic } from '../../lib/ops/endpoint-detail.ts'
import { renderExplanation, type Explanation } from '../../lib/ops/explanation.ts'
import type { FrontendStatus } from '../../lib/ops/status.ts'
import { endpoint, endpointSlice, node, service } from '../model/objects.ts'
import { readNode } from '../../lib/model/node.ts'
import { createState, createSyncedState } from './desired-state-harness.ts'

interface World {
  readonly objects?: readonly KubeObject[]
  readonly options?: Partial<DesiredStateOptions>
  readonly vipMode?: VipMode
  readonly failedVips?: Readonly<Record<string, string>>
  readonly state?: Pick<FrontendStatus, 'state' | 'reason'>
  readonly traffic?: readonly Partial<EndpointTraffic>[]
  readonly affinity?: AffineEndpoint
}

interface Question {
  readonly ip: string
  readonly port?: number
  readonly protocol?: Protocol
  readonly client?: string
}

/** The answer, with what the data plane would have. */
function answer(world: World, { ip, port = 80, protocol = 'TCP', client }: Question): Explanation {
  const { state, sync } = createSyncedState(world.options)
  state.setNode(readNode(node({}, {}, { podCIDR: '10.244.1.0/24' })))
  for (const object of world.objects ?? [service(), endpointSlice()]) {
    if (object.kind === 'Service') state.setService(object)
    else state.setEndpointSlice(object)
  }
  sync()
  const view: ExplainView = {
    node: 'node-1',
    generation: state.generation,
    synced: true,
    servicePorts: [...state.servicePorts],
    localIps: state.localIps,
    localSources: state.localSources,
    vipMode: world.vipMode ?? 'none',
    failedVips: new Map(Object.entries(world.failedVips ?? {})),
  }
  const query = { ip, port, protocol, client: client ?? null }
  const search = findFrontend(query, view)
  if (search.owner === null) return explain(query, view, search, null)
  const traffic = (world.traffic ?? []).map((each): EndpointTraffic => ({
    address: '',
    active: 0,
    total: 0,
    bytesIn: 0,
    bytesOut: 0,
    failures: { refused: 0, timeout: 0 },
    setAsideForMs: null,
    gone: false,
    ...each,
  }))
  const affine = world.affinity ?? null
  return explain(query, view, search, {
    state: world.state ?? { state: 'listening' },
    endpoints: endpointDetails(state.assess(search.owner.port), traffic, 0),
    affinity: affine === null ? null : { cluster: affine, local: affine },
  })
}

/** "10.1.0.1:8080 eligible", sorted as told. */
function verdicts({ endpoints }: Explanation): readonly string[] {
  return endpoints.map(({ address, why }) => `${address} ${why}`)
}

const here = { nodeName: 'node-1' }
const away = { nodeName: 'node-2' }
const at = (address: string, fields: Readonly<Record<string, unknown>> = {}) =>
  endpoint({ addresses: [address], ...fields })
const slice = (...endpoints: readonly unknown[]) => endpointSlice({ endpoints })
const unready = { conditions: { ready: false, serving: false } }
const dying = { conditions: { ready: false, serving: true, terminating: true } }
const dead = { conditions: { ready: false, serving: false, terminating: true } }
const zones = (...names: readonly string[]) => ({ hints: { forZones: names.map(name => ({ name })) } })
const nodes = (...names: readonly string[]) => ({ hints: { forNodes: names.map(name => ({ name })) } })

const externalLocal = {
  type: 'LoadBalancer',
  externalTrafficPolicy: 'Local',
  ports: [{ name: '', protocol: 'TCP', port: 80, nodePort: 30_080 }],
}
const ingress = { loadBalancer: { ingress: [{ ip: '203.0.113.10' }] } }

const reasons: readonly {
  readonly name: string
  readonly objects: readonly KubeObject[]
  readonly question?: Question
  readonly options?: Partial<DesiredStateOptions>
  readonly verdicts: readonly string[]
}[] = [
  {
    name: 'ready, not ready, and two that end',
    objects: [
      service(),
      slice(at('10.1.0.1'), at('10.1.0.2', unready), at('10.1.0.3', dying), at('10.1.0.4', dead)),
    ],
    verdicts: [
      '10.1.0.1:8080 eligible',
      '10.1.0.2:8080 not ready',
      '10.1.0.3:8080 terminating: it still serves, but others are ready',
      '10.1.0.4:8080 terminating, and serves no more',
    ],
  },
  {
    name: 'the last resort',
    objects: [service(), slice(at('10.1.0.2', unready), at('10.1.0.3', dying))],
    verdicts: ['10.1.0.2:8080 not ready', '10.1.0.3:8080 eligible'],
  },
  {
    name: 'another node, and none, with internalTrafficPolicy Local',
    objects: [
      service({ internalTrafficPolicy: 'Local' }),
      slice(at('10.1.0.1', here), at('10.1.0.2', away), at('10.1.0.3', { nodeName: undefined })),
    ],
    verdicts: [
      '10.1.0.1:8080 eligible',
      '10.1.0.2:8080 on node node-2, and the policy is Local',
      '10.1.0.3:8080 on no node, and the policy is Local',
    ],
  },
  {
    name: 'zone hints',
    objects: [service(), slice(at('10.1.0.1', zones('zone-a')), at('10.1.0.2', zones('zone-b', 'zone-c')))],
    verdicts: ['10.1.0.1:8080 eligible', '10.1.0.2:8080 its topology hints name zones zone-b, zone-c'],
  },
  {
    name: 'node hints',
    objects: [service(), slice(at('10.1.0.1', nodes('node-2')), at('10.1.0.2', nodes('node-1')))],
    verdicts: ['10.1.0.1:8080 its topology hints name node node-2', '10.1.0.2:8080 eligible'],
  },
  {
    name: 'unsafe addresses',
    objects: [service(), slice(at('10.1.0.1'), at('127.0.0.1'), at('169.254.169.254'))],
    verdicts: [
      '10.1.0.1:8080 eligible',
      '127.0.0.1:8080 never dialed: a loopback address',
      '169.254.169.254:8080 never dialed: a link-local address',
    ],
  },
  {
    name: 'loopback, where it is allowed',
    objects: [service(), slice(at('127.0.0.1'))],
    options: { allowLoopbackEndpoints: true },
    verdicts: ['127.0.0.1:8080 eligible'],
  },
  {
    name: 'a loop',
    objects: [
      service(),
      service({ clusterIP: '10.96.0.20', clusterIPs: ['10.96.0.20'] }, { name: 'other' }),
      endpointSlice({
        ports: [{ name: '', protocol: 'TCP', port: 80 }],
        endpoints: [at('10.96.0.20'), at('10.1.0.1')],
      }),
    ],
    verdicts: [
      '10.1.0.1:80 eligible',
      '10.96.0.20:80 never dialed: a frontend of Service default/other (a loop)',
    ],
  },
  {
    name: 'the other family, and a slice without the port',
    objects: [
      service(),
      slice(at('10.1.0.1')),
      endpointSlice({ addressType: 'IPv6', endpoints: [at('fd00::1')] }, { name: 'web-6' }),
      endpointSlice(
        { ports: [{ name: 'http', protocol: 'TCP', port: 8080 }], endpoints: [at('10.1.0.9')] },
        { name: 'web-other' },
      ),
    ],
    verdicts: [
      '10.1.0.1:8080 eligible',
      "10.1.0.9 its EndpointSlice has no port with the Service port's name and protocol",
      '[fd00::1]:8080 an address of the other IP family',
    ],
  },
  {
    name: 'ports of one endpoint in two slices',
    objects: [
      service(),
      slice(at('10.1.0.1')),
      endpointSlice(
        { ports: [{ name: 'metrics', protocol: 'TCP', port: 9090 }], endpoints: [at('10.1.0.1')] },
        { name: 'web-metrics' },
      ),
    ],
    verdicts: ['10.1.0.1:8080 eligible'],
  },
  {
    name: 'externalTrafficPolicy Local, from elsewhere',
    objects: [service(externalLocal, {}, ingress), slice(at('10.1.0.1', here), at('10.1.0.2', away))],
    question: { ip: '203.0.113.10', client: '198.51.100.7' },
    verdicts: ['10.1.0.1:8080 eligible', '10.1.0.2:8080 on node node-2, and the policy is Local'],
  },
  {
    name: 'externalTrafficPolicy Local, from a pod on this node',
    objects: [service(externalLocal, {}, ingress), slice(at('10.1.0.1', here), at('10.1.0.2', away))],
    question: { ip: '203.0.113.10', client: '10.244.1.7' },
    verdicts: ['10.1.0.1:8080 eligible', '10.1.0.2:8080 eligible'],
  },
]

void test('why each endpoint is eligible or not', async t => {
  for (const { name, objects, question, options, verdicts: expected } of reasons) {
    const explanation = answer({ objects, ...(options && { options }) }, question ?? { ip: '10.96.0.10' })
    t.strictSame(verdicts(explanation), expected, name)
    t.equal(explanation.outcome, 'proxied', name)
    t.equal(
      explanation.endpoints.filter(each => each.eligible).length,
      expected.filter(text => text.endsWith(' eligible')).length,
    )
  }
})

void test('who is eligible is who is in the table', async t => {
  for (const { name, objects, options } of reasons) {
    const { state, sync } = createSyncedState(options)
    state.setNode(readNode(node()))
    for (const object of objects) {
      if (object.kind === 'Service') state.setService(object)
      else state.setEndpointSlice(object)
    }
    sync()
    for (const port of state.servicePorts) {
      const facts = state.assess(port)
      for (const list of ['cluster', 'local'] as const) {
        const eligible = facts.filter(each => each[list] === 'eligible').map(({ address }) => address)
        t.strictSame(port[list] ?? [], eligible, `${name}: ${port.key}, ${list}`)
        if (port[list] === null) t.ok(facts.every(each => each[list] === 'unused'))
      }
    }
  }
})

const local = service(externalLocal, {}, ingress)
const restricted = service({ ...externalLocal, loadBalancerSourceRanges: ['198.51.100.0/24'] }, {}, ingress)
const affine = service({ sessionAffinity: 'ClientIP' })

const outcomes: readonly {
  readonly name: string
  readonly world?: World
  readonly question: Question
  readonly outcome: Explanation['outcome']
  readonly summary: RegExp
  readonly more?: Partial<Explanation>
  /** Of what is near it. */
  readonly nearest?: readonly string[]
}[] = [
  {
    name: 'a cluster IP',
    question: { ip: '10.96.0.10' },
    outcome: 'proxied',
    summary: /^goes to default\/web, 1 eligible endpoint$/,
    more: {
      choice: 'round-robin over 1',
      list: { name: 'cluster', why: 'internalTrafficPolicy is Cluster: endpoints on every node' },
    },
  },
  {
    name: 'no endpoints',
    world: { objects: [service()] },
    question: { ip: '10.96.0.10' },
    outcome: 'refused',
    summary: /^refused, because default\/web has no eligible endpoint \(the port is closed\)$/,
  },
  {
    name: 'a NodePort on an address of this node: the listener on all of them',
    world: { objects: [local, slice(at('10.1.0.1', here))] },
    question: { ip: '192.168.0.1', port: 30_080 },
    outcome: 'proxied',
    summary: /^goes to default\/web/,
  },
  {
    name: 'a NodePort on an address of another node',
    world: { objects: [local, slice(at('10.1.0.1', here))] },
    question: { ip: '192.168.0.9', port: 30_080 },
    outcome: 'not-proxied',
    summary: /^no Service has this address, nor is it one of this node/,
    nearest: ['same-port 0.0.0.0:30080'],
  },
  {
    name: 'Local without a local endpoint, from elsewhere: open for this node, so reset',
    world: { objects: [local, slice(at('10.1.0.2', away))] },
    question: { ip: '203.0.113.10', client: '198.51.100.7' },
    outcome: 'reset',
    summary: /^reset, because default\/web has no eligible endpoint for this client$/,
    more: { choice: '' },
  },
  {
    name: 'Local without a local endpoint, from this node',
    world: { objects: [local, slice(at('10.1.0.2', away))] },
    question: { ip: '203.0.113.10', client: '192.168.0.1' },
    outcome: 'proxied',
    summary: /^goes to default\/web/,
    more: {
      list: {
        name: 'cluster',
        why: 'externalTrafficPolicy is Local, but 192.168.0.1 is this node or a pod on it: endpoints on every node',
      },
    },
  },
  {
    name: 'outside the source ranges',
    world: { objects: [restricted, slice(at('10.1.0.1', here))] },
    question: { ip: '203.0.113.10', client: '192.0.2.1' },
    outcome: 'reset',
    summary: /^reset, because 192\.0\.2\.1 is outside the source ranges of default\/web$/,
  },
  {
    name: 'inside the source ranges',
    world: { objects: [restricted, slice(at('10.1.0.1', here))] },
    question: { ip: '203.0.113.10', client: '198.51.100.1' },
    outcome: 'proxied',
    summary: /^goes to/,
  },
  {
    name: 'source ranges are not for the cluster IP',
    world: { objects: [restricted, slice(at('10.1.0.1', here))] },
    question: { ip: '10.96.0.10', client: '192.0.2.1' },
    outcome: 'proxied',
    summary: /^goes to/,
  },
  {
    name: 'UDP from outside the source ranges: nobody is told',
    world: {
      objects: [
        service(
          {
            type: 'LoadBalancer',
            loadBalancerSourceRanges: ['198.51.100.0/24'],
            ports: [{ name: '', protocol: 'UDP', port: 80 }],
          },
          {},
          ingress,
        ),
        endpointSlice({ ports: [{ name: '', protocol: 'UDP', port: 8080 }] }),
      ],
    },
    question: { ip: '203.0.113.10', client: '192.0.2.1', protocol: 'UDP' },
    outcome: 'reset',
    summary: /^dropped, because/,
  },
  {
    name: 'an address that cannot be bound',
    world: { state: { state: 'bind-failed', reason: 'EADDRINUSE' } },
    question: { ip: '10.96.0.10' },
    outcome: 'not-proxied',
    summary: /can't be bound \(EADDRINUSE\); it is tried again and again$/,
  },
  {
    name: 'a VIP that is not local',
    world: { failedVips: { '10.96.0.10': 'Operation not permitted' } },
    question: { ip: '10.96.0.10' },
    outcome: 'not-proxied',
    summary: /^the address is not local to this node \(Operation not permitted\)/,
  },
  {
    name: 'affinity that is remembered',
    world: { objects: [affine, endpointSlice()], affinity: { endpoint: '10.1.0.1:8080', remembered: true } },
    question: { ip: '10.96.0.10', client: '192.0.2.1' },
    outcome: 'proxied',
    summary: /^goes to default\/web, 10\.1\.0\.1:8080$/,
    more: {
      choice: 'ClientIP affinity (10800 s): 10.1.0.1:8080, which the client had',
      affinity: { endpoint: '10.1.0.1:8080', remembered: true },
    },
  },
  {
    name: 'affinity by the hash',
    world: { objects: [affine, endpointSlice()], affinity: { endpoint: '10.1.0.1:8080', remembered: false } },
    question: { ip: '10.96.0.10', client: '192.0.2.1' },
    outcome: 'proxied',
    summary: /10\.1\.0\.1:8080$/,
    more: { choice: 'ClientIP affinity (10800 s): 10.1.0.1:8080, by the hash of its address' },
  },
  {
    name: 'affinity without a client',
    world: { objects: [affine, endpointSlice()] },
    question: { ip: '10.96.0.10' },
    outcome: 'proxied',
    summary: /1 eligible endpoint$/,
    more: {
      choice: "ClientIP affinity (10800 s): by the client's address; name one with --client to see which",
    },
  },
  {
    name: 'one endpoint that is set aside',
    world: {
      objects: [service(), slice(at('10.1.0.1'), at('10.1.0.2'))],
      traffic: [{ address: '10.1.0.1:8080', setAsideForMs: 5000 }],
    },
    question: { ip: '10.96.0.10' },
    outcome: 'proxied',
    summary: /2 eligible endpoints$/,
    more: { choice: 'round-robin over 2; 1 set aside, tried last' },
  },
  {
    name: 'the other protocol',
    question: { ip: '10.96.0.10', protocol: 'UDP' },
    outcome: 'not-proxied',
    summary: /^no Service has port 80\/UDP of this address/,
    nearest: ['other-protocol 10.96.0.10:80'],
  },
  {
    name: 'another port of a VIP in a namespace of ours',
    world: { vipMode: 'netns', options: { vipMode: 'netns' } },
    question: { ip: '10.96.0.10', port: 81 },
    outcome: 'refused',
    summary: /^refused: no Service has port 81\/TCP/,
    nearest: ['same-ip 10.96.0.10:80'],
  },
  {
    name: 'another port of a VIP by routes: a wildcard listener of the node may answer',
    world: { vipMode: 'local', options: { vipMode: 'local' } },
    question: { ip: '10.96.0.10', port: 81 },
    outcome: 'not-proxied',
    summary: /refused, unless another program of this node listens there$/,
  },
  {
    name: 'a NodePort on a VIP by routes',
    world: {
      vipMode: 'local',
      options: { vipMode: 'local' },
      objects: [local, slice(at('10.1.0.1', here))],
    },
    question: { ip: '10.96.0.10', port: 30_080 },
    outcome: 'proxied',
    summary: /^goes to default\/web/,
  },
  {
    name: 'another port of an address that somebody else makes local',
    question: { ip: '10.96.0.10', port: 81 },
    outcome: 'not-proxied',
    summary: /kube-relay doesn't make the address local, whoever does \(--vip-mode none\) decides$/,
  },
  {
    name: 'a port of the NodePort range that no Service has',
    world: { objects: [local, slice(at('10.1.0.1', here))] },
    question: { ip: '192.168.0.1', port: 30_081 },
    outcome: 'not-proxied',
    summary: /^no Service has port 30081\/TCP of this address, nor is it a NodePort of one: refused, unless/,
    nearest: ['same-ip 0.0.0.0:30080'],
  },
  {
    name: 'an endpoint itself',
    question: { ip: '10.1.0.1', port: 8080 },
    outcome: 'not-proxied',
    summary: /^not a Service address, but one of an endpoint/,
    nearest: ['endpoint 10.1.0.1:8080'],
  },
  {
    name: 'nothing of ours',
    question: { ip: '8.8.8.8', port: 53 },
    outcome: 'not-proxied',
    summary: /routed like any other$/,
    nearest: [],
  },
  {
    name: 'an address that is refused to its Service',
    world: {
      vipMode: 'netns',
      options: { vipMode: 'netns' },
      objects: [service({ externalIPs: ['10.244.1.5'] }), endpointSlice()],
    },
    question: { ip: '10.244.1.5' },
    outcome: 'not-proxied',
    summary: /^not proxied: the ExternalIP of default\/web is inside the pods' range 10\.244\.1\.0\/24$/,
  },
]

void test('what becomes of a connection', async t => {
  for (const { name, world = {}, question, outcome, summary, more = {}, nearest } of outcomes) {
    const explanation = answer(world, question)
    t.equal(explanation.outcome, outcome, name)
    t.match(explanation.summary, summary, name)
    t.match(explanation, more, name)
    if (nearest !== undefined) {
      t.strictSame(
        explanation.nearest.map(({ near, address }) => `${near} ${address}`),
        nearest,
        name,
      )
    }
    const text = renderExplanation(explanation)
    t.ok(
      text.startsWith(`${formatAddress(question.ip, question.port ?? 80)} (${question.protocol ?? 'TCP'}) `),
      name,
    )
    t.ok(text.includes(explanation.summary), name)
    t.notMatch(text, /undefined|\[object/, name)
  }
})

void test('two Services that name one address: the older one has it, the other is told', async t => {
  const objects = [
    service({ externalIPs: ['203.0.113.1'] }),
    service(
      { clusterIP: '10.96.0.20', clusterIPs: ['10.96.0.20'], externalIPs: ['203.0.113.1'] },
      { name: 'younger', creationTimestamp: '2026-02-02T00:00:00Z' },
    ),
    endpointSlice(),
  ]
  const explanation = answer({ objects }, { ip: '203.0.113.1' })
  t.match(explanation, { outcome: 'proxied', frontend: { service: 'default/web', kind: 'ExternalIP' } })
  t.strictSame(explanation.rivals, [
    { service: 'default/younger', portName: '', kind: 'ExternalIP', reason: 'held by default/web' },
  ])
  t.match(
    renderExplanation(explanation),
    /not served +ExternalIP of default\/younger is held by default\/web/,
  )
})

void test('of a table of before the start, what it tells', async t => {
  const { state, sync } = createSyncedState()
  state.setService(service())
  const half = at('10.1.0.2', { conditions: { ready: false, serving: true } })
  state.setEndpointSlice(slice(at('10.1.0.1'), half))
  sync()
  // Nothing has been listed yet.
  const seeded = createState({ seed: state.snapshot() }).state
  const [port] = seeded.servicePorts
  t.ok(port)
  t.match(port === undefined ? [] : seeded.assess(port), [
    { address: '10.1.0.1:8080', conditions: null, cluster: 'eligible', local: 'unused' },
    { address: '10.1.0.2:8080', conditions: null, cluster: 'unknown', local: 'unused' },
  ])
  t.equal(seeded.written('default/web'), null)
  t.match(state.written('default/web'), { problems: [] })
})

void test('families are kept apart', async t => {
  const dual = service({ clusterIPs: ['10.96.0.10', 'fd00:96::10'], ipFamilies: ['IPv4', 'IPv6'] })
  const six = endpointSlice({ addressType: 'IPv6', endpoints: [at('fd00::1')] }, { name: 'web-6' })
  const explanation = answer({ objects: [dual, endpointSlice(), six] }, { ip: 'fd00:96::10' })
  t.strictSame(verdicts(explanation), [
    '[fd00::1]:8080 eligible',
    '10.1.0.1:8080 an address of the other IP family',
  ])
  t.ok(
    explanation.endpoints
      .filter(({ eligible }) => eligible)
      .every(({ address }) => familyOf(address) === 'IPv6'),
  )
})
