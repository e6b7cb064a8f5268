// However the objects came to be as they are, the table is the one that they would give at once, and a data plane
// that followed the updates has it.

import { isDeepStrictEqual } from 'node:util'
import * as fc from 'fast-check'
import { test } from 'tap'
import type { DesiredState } from '../../lib/control/desired-state.ts'
import { decodeTable, encodeTable } from '../../lib/control/table-file-format.ts'
import { NodePortAddresses } from '../../lib/control/node-port-addresses.ts'
import { readCidr } from '../../lib/model/cidr.ts'
import { readNodePortRanges } from '../../lib/model/node-port-ranges.ts'
import { readNode, type NodeInfo } from '../../lib/model/node.ts'
import type { KubeObject } from '../../lib/model/objects.ts'
import { applyDiff } from '../../lib/model/table-diff.ts'
import { mutated } from '../model/mutations.ts'
import { endpoint, endpointSlice, node, service } from '../model/objects.ts'
import { createState, createSyncedState, tableText } from './desired-state-harness.ts'

const serviceNames = ['a', 'b', 'c']
const sliceNames = ['s1', 's2', 's3']
/** Few of them, so that Services claim the same ones, and endpoints are frontends. */
const ips = ['10.96.0.1', '10.96.0.2', '198.51.100.1', '192.168.0.1', '127.0.0.1', '10.1.0.1', '10.1.0.2']
const someIps = fc.subarray(ips)

/** The first nine times out of ten. */
function often<T, U>(usual: fc.Arbitrary<T>, rare: fc.Arbitrary<U>): fc.Arbitrary<T | U> {
  return fc.oneof({ weight: 9, arbitrary: usual }, { weight: 1, arbitrary: rare })
}

const anyService: fc.Arbitrary<KubeObject> = fc
  .record({
    name: fc.constantFrom(...serviceNames),
    type: often(fc.constantFrom('ClusterIP', 'NodePort', 'LoadBalancer'), fc.constant('ExternalName')),
    clusterIPs: often(
      fc.constantFrom(['10.96.0.1'], ['10.96.0.2'], ['10.96.0.2', 'fd00::2']),
      fc.constantFrom(['None'], []),
    ),
    externalIPs: fc.subarray(['198.51.100.1', '192.168.0.1', 'fd00::9', 'nope']),
    ports: fc.subarray(
      [
        { name: '', port: 80, nodePort: 30_080, protocol: 'TCP' },
        { name: 'b', port: 8080, nodePort: 80, protocol: 'TCP' },
        { name: '', port: 53, nodePort: 30_053, protocol: 'UDP' },
        { name: 's', port: 7, protocol: 'SCTP' },
      ],
      { minLength: 1 },
    ),
    createdAt: fc.constantFrom('2026-01-01T00:00:00Z', '2026-02-01T00:00:00Z', null),
    internal: often(fc.constant('Cluster'), fc.constant('Local')),
    external: fc.constantFrom('Local', 'Cluster'),
    loadBalancerIps: fc.subarray(['198.51.100.1', '203.0.113.2', 'fd00::9']),
    ranges: fc.subarray(['10.0.0.0/8', '192.168.0.0/16', 'fd00::/16', 'nope']),
    annotations: fc.constantFrom<Record<string, unknown>>(
      {},
      { 'kube-relay/balance': 'p2c' },
      { 'kube-relay/balance': 'fastest', 'kube-relay/max-connections': '5' },
      { 'kube-relay/drain-timeout': 30, 'kube-relay/allow-loopback-endpoints': 'true' },
    ),
  })
  .map(({ name, type, clusterIPs, externalIPs, ports, createdAt, ...rest }) =>
    service(
      {
        type,
        clusterIP: clusterIPs[0] ?? '',
        clusterIPs,
        externalIPs,
        ports,
        internalTrafficPolicy: rest.internal,
        externalTrafficPolicy: rest.external,
        loadBalancerSourceRanges: rest.ranges,
        healthCheckNodePort: 32_000,
        sessionAffinity: rest.internal === 'Local' ? 'ClientIP' : 'None',
      },
      { name, creationTimestamp: createdAt, annotations: rest.annotations },
      { loadBalancer: { ingress: rest.loadBalancerIps.map(ip => ({ ip })) } },
    ),
  )

const anyEndpoint = fc
  .record({
    ip: fc.constantFrom(...ips, 'fd00::2'),
    ready: often(fc.constant(true), fc.constant(false)),
    serving: often(fc.constant(true), fc.constant(false)),
    terminating: often(fc.constant(false), fc.constant(true)),
    nodeName: fc.constantFrom('node-1', 'node-2'),
    zones: often(fc.constant<string[]>([]), fc.subarray(['zone-a', 'zone-b'])),
    nodes: often(fc.constant<string[]>([]), fc.subarray(['node-1', 'node-2'])),
  })
  .map(({ ip, ready, serving, terminating, nodeName, zones, nodes }) =>
    endpoint({
      addresses: [ip],
      conditions: { ready, serving, terminating },
      nodeName,
      hints: { forZones: zones.map(name => ({ name })), forNodes: nodes.map(name => ({ name })) },
    }),
  )

const anySlice: fc.Arbitrary<KubeObject> = fc
  .record({
    name: fc.constantFrom(...sliceNames),
    of: often(fc.constantFrom(...serviceNames), fc.constant('')),
    addressType: often(fc.constant('IPv4'), fc.constantFrom('IPv6', 'FQDN')),
    ports: fc.subarray(
      [
        { name: '', port: 80, protocol: 'TCP' },
        { name: '', port: 30_080, protocol: 'TCP' },
        { name: 'b', port: 8080, protocol: 'TCP' },
        { name: '', port: 53, protocol: 'UDP' },
      ],
      { minLength: 1 },
    ),
    endpoints: fc.array(anyEndpoint, { maxLength: 4 }),
  })
  .map(({ name, of, ...fields }) =>
    endpointSlice(fields, { name, labels: { 'kubernetes.io/service-name': of } }),
  )

const anyNode: fc.Arbitrary<KubeObject> = fc
  .record({
    zone: fc.constantFrom('zone-a', 'zone-b', null),
    ips: fc.subarray(['192.168.0.1', '127.0.0.1', 'fd00:1::1', 'nope']),
    podCIDRs: fc.subarray(['10.244.1.0/24', 'fd00:244::/64', 'nope']),
  })
  .map(({ zone, ips, podCIDRs }) =>
    node(
      { labels: { 'topology.kubernetes.io/zone': zone } },
      { addresses: ips.map(address => ({ type: 'InternalIP', address })) },
      { podCIDR: podCIDRs[0], podCIDRs },
    ),
  )

type Step =
  | { readonly do: 'service' | 'slice'; readonly object: KubeObject }
  | { readonly do: 'delete service' | 'delete slice'; readonly name: string }
  | { readonly do: 'node'; readonly object: KubeObject | null }
  | { readonly do: 'local ips'; readonly ips: readonly string[] }
  | { readonly do: 'sync' }

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('service'), object: anyService }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('slice'), object: anySlice }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('service'),
      object: anyService.chain(object => mutated(object)),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('slice'), object: anySlice.chain(object => mutated(object)) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('delete service'), name: fc.constantFrom(...serviceNames, 'x') }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('delete slice'), name: fc.constantFrom(...sliceNames, 'x') }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('node'),
      object: fc.oneof(
        anyNode,
        anyNode.chain(object => mutated(object)),
        fc.constant(null),
      ),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('local ips'), ips: someIps }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('sync') }) },
)

/** What exists after the steps, by kind and name, as an API server would list it. */
interface World {
  readonly services: Map<unknown, KubeObject>
  readonly slices: Map<unknown, KubeObject>
  node: KubeObject | null
  ips: readonly string[]
}

function apply(state: DesiredState, world: World, step: Exclude<Step, { do: 'sync' }>): true {
  switch (step.do) {
    case 'service':
      state.setService(step.object)
      world.services.set(nameOf(step.object), step.object)
      break
    case 'slice':
      state.setEndpointSlice(step.object)
      world.slices.set(nameOf(step.object), step.object)
      break
    case 'delete service':
      state.deleteService({ namespace: 'default', name: step.name })
      world.services.delete(`default/${step.name}`)
      break
    case 'delete slice':
      state.deleteEndpointSlice({ namespace: 'default', name: step.name })
      world.slices.delete(`default/${step.name}`)
      break
    case 'node':
      state.setNode(infoOf(step.object))
      world.node = step.object
      break
    case 'local ips':
      state.setLocalIps(step.ips)
      world.ips = step.ips
      break
  }
  return true
}

function infoOf(object: KubeObject | null): NodeInfo | null {
  return object === null ? null : readNode(object)
}

/** Unusable names are kept apart: such objects are ignored, whatever else has that name. */
function nameOf(object: KubeObject): unknown {
  const { namespace, name } = (object.metadata ?? {}) as {
    readonly namespace?: unknown
    readonly name?: unknown
  }
  return typeof namespace === 'string' && typeof name === 'string' ? `${namespace}/${name}` : object
}

const nodePortAddresses = new NodePortAddresses(readNodePortRanges('primary') ?? [])

function fromScratch({ services, slices, node, ips }: World): string {
  const { state, sync } = createState({ localIps: ips, nodePortAddresses })
  for (const object of [...slices.values()].toReversed()) state.setEndpointSlice(object)
  for (const object of [...services.values()].toReversed()) state.setService(object)
  state.setNode(infoOf(node))
  state.markListed('endpointSlices')
  state.markListed('services')
  sync()
  return textOf(state)
}

/** All that a data plane and the health servers are told. */
function textOf(state: DesiredState): string {
  const healthChecked = state.healthChecked().toSorted((a, b) => (a.name < b.name ? -1 : 1))
  const { localSources } = state.snapshot()
  return [tableText(state.servicePorts), JSON.stringify(healthChecked), localSources.join()].join('\n')
}

void test('any sequence of changes gives the table that its outcome gives', async () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 10, maxLength: 40, size: 'max' }), steps => {
      const { state, sync, replica } = createSyncedState({ localIps: [], nodePortAddresses })
      const world: World = { services: new Map(), slices: new Map(), node: null, ips: [] }
      return [...steps, { do: 'sync' } as const].every(each => {
        if (each.do !== 'sync') return apply(state, world, each)
        sync()
        return (
          textOf(state) === fromScratch(world) &&
          tableText(state.servicePorts) === tableText(replica.values()) &&
          tableText(state.servicePortsWithLocalList) ===
            tableText([...replica.values()].filter(({ local }) => local !== null)) &&
          state.sync() === null
        )
      })
    }),
    { numRuns: 300 },
  )
})

void test('any table comes back from disk as it was, and whatever happened meanwhile is found out', async () => {
  const steps = fc.array(step, { minLength: 5, maxLength: 20, size: 'max' })
  fc.assert(
    fc.property(steps, steps, (before, meanwhile) => {
      const first = createSyncedState({ localIps: [], nodePortAddresses })
      const world: World = { services: new Map(), slices: new Map(), node: null, ips: [] }
      const play = (each: Step): unknown =>
        each.do === 'sync' ? first.sync() : apply(first.state, world, each)
      for (const each of before) play(each)
      first.sync()
      const served = first.state.snapshot()
      const content = Buffer.from([...encodeTable(served, 'node-1')].join(''))
      const seed = decodeTable(content, 'node-1')
      if ('problem' in seed) throw new Error(seed.problem)
      if (!isDeepStrictEqual(seed, served)) return false
      for (const each of meanwhile) play(each)
      const { state } = createState({ seed, localIps: world.ips, nodePortAddresses })
      const replica = new Map(state.snapshot().servicePorts.map(port => [port.key, port]))
      for (const object of world.services.values()) state.setService(object)
      for (const object of world.slices.values()) state.setEndpointSlice(object)
      state.setNode(infoOf(world.node))
      state.markListed('services')
      state.markListed('endpointSlices')
      const update = state.sync()
      if (update?.type !== 'delta' || update.generation !== served.generation + 1) return false
      applyDiff(replica, update)
      return (
        textOf(state) === fromScratch(world) &&
        tableText(replica.values()) === tableText(state.servicePorts) &&
        state.sync() === null
      )
    }),
    { numRuns: 300 },
  )
})

void test('no malformed object keeps another Service from being served', async () => {
  const bystander = service(
    {
      type: 'LoadBalancer',
      clusterIP: '10.96.0.200',
      clusterIPs: [],
      loadBalancerSourceRanges: ['10.0.0.0/8'],
    },
    { name: 'bystander', annotations: { 'kube-relay/balance': 'least-connections' } },
    { loadBalancer: { ingress: [{ ip: '203.0.113.200' }] } },
  )
  const its = endpointSlice(
    { endpoints: [endpoint({ addresses: ['10.1.9.9'] })] },
    { name: 'bystander-1', labels: { 'kubernetes.io/service-name': 'bystander' } },
  )
  const some = (objects: fc.Arbitrary<KubeObject>): fc.Arbitrary<readonly KubeObject[]> =>
    fc.array(
      objects.chain(object => mutated(object)),
      { maxLength: 4 },
    )
  fc.assert(
    fc.property(some(anyService), some(anySlice), some(anyNode), (services, slices, nodes) => {
      const problems: string[] = []
      const onProblem = (_: unknown, problem: string): void => void problems.push(problem)
      const { state, sync, port, log } = createSyncedState({ nodePortAddresses, onProblem })
      for (const object of services) state.setService(object)
      state.setService(bystander)
      for (const object of slices) state.setEndpointSlice(object)
      for (const object of nodes) {
        state.setNode(readNode(object))
        sync()
      }
      state.setEndpointSlice(its)
      sync()
      const served = port('default/bystander:/TCP/IPv4')
      return (
        served.cluster?.join() === '10.1.9.9:8080' &&
        served.settings.balance === 'least-connections' &&
        served.frontends.some(({ ip, conflict }) => ip === '10.96.0.200' && conflict === undefined) &&
        served.frontends.some(
          ({ ip, sourceRanges }) => ip === '203.0.113.200' && sourceRanges?.[0] === '10.0.0.0/8',
        ) &&
        state.snapshot().localSources.every(source => readCidr(source) !== null) &&
        state.healthChecked().every(({ port: number }) => number > 0 && number < 65_536) &&
        [...log.lines, ...problems].every(line => line.length < 1200 && !line.includes('\n'))
      )
    }),
    { numRuns: 1000 },
  )
})
