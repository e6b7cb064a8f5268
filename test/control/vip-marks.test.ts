// Which frontends are to be made local, which are refused for what would come of it, and how that changes with the node.

import { test } from 'tap'
import * as fc from 'fast-check'
import type { DesiredStateOptions } from '../../lib/control/desired-state.ts'
import { readCidr } from '../../lib/model/cidr.ts'
import type { Frontend, ServicePort } from '../../lib/model/proxy-table.ts'
import { vipModes } from '../../lib/model/vip-mode.ts'
import { endpoint, endpointSlice, service } from '../model/objects.ts'
import { createState, createSyncedState, nodeInfo, type Harness } from './desired-state-harness.ts'

const external = '198.51.100.7'
const nodeIp = '192.168.0.1'

/** Each frontend's "IP: mark". */
function marks(ports: Iterable<ServicePort>): Readonly<Record<string, string>> {
  const mark = ({ vip, conflict }: Frontend): string => conflict ?? (vip ? 'vip' : 'as it is')
  return Object.fromEntries([...ports].flatMap(port => port.frontends.map(each => [each.ip, mark(each)])))
}

function after({ sync, replica }: Harness): Readonly<Record<string, string>> {
  sync()
  return marks(replica.values())
}

function withService(options: Partial<DesiredStateOptions>, ...externalIPs: readonly string[]): Harness {
  const harness = createSyncedState(options)
  const ports = [{ port: 80, nodePort: 30_080 }]
  harness.state.setService(service({ type: 'NodePort', ports, externalIPs }))
  return harness
}

for (const vipMode of vipModes) {
  void test(`what is marked in mode ${vipMode}`, async t => {
    const mark = vipMode === 'none' ? 'as it is' : 'vip'
    t.strictSame(after(withService({ vipMode }, external, nodeIp, '127.0.0.9')), {
      '10.96.0.10': mark,
      '0.0.0.0': 'as it is',
      [external]: mark,
      [nodeIp]: 'as it is',
      '127.0.0.9': 'as it is',
    })
  })
}

void test('what must not become local is in conflict, and told once as a problem of the Service', async t => {
  const told: string[] = []
  const harness = withService(
    {
      vipMode: 'local',
      clusterCidrs: ['10.244.0.0/16'],
      vipExclude: ['203.0.113.0/24'].map(readCidr).filter(cidr => cidr !== null),
      apiServerIp: '192.0.2.6',
      onProblem: ({ name }, problem) => told.push(`${name}: ${problem}`),
    },
    '10.244.9.9',
    '203.0.113.1',
    '192.0.2.6',
  )
  t.match(after(harness), {
    '10.96.0.10': 'vip',
    '10.244.9.9': "inside the pods' range 10.244.0.0/16",
    '203.0.113.1': 'excluded by --vip-exclude 203.0.113.0/24',
    '192.0.2.6': "the API server's address",
  })
  t.strictSame(told.toSorted(), [
    "web: ExternalIP 10.244.9.9:80 (TCP) is inside the pods' range 10.244.0.0/16: not served",
    "web: ExternalIP 192.0.2.6:80 (TCP) is the API server's address: not served",
    'web: ExternalIP 203.0.113.1:80 (TCP) is excluded by --vip-exclude 203.0.113.0/24: not served',
  ])
  harness.state.setLocalIps([nodeIp, '192.168.0.2'])
  after(harness)
  t.equal(told.length, 3, 'which a rebuild does not repeat')
})

void test("a cluster IP that is the node's own address is refused where it would be made local", async t => {
  const localIps = ['10.96.0.10']
  t.match(after(withService({ vipMode: 'netns', localIps })), { '10.96.0.10': 'an address of this node' })
  t.match(after(withService({ vipMode: 'none', localIps })), { '10.96.0.10': 'as it is' })
})

void test("the node's addresses come and go", async t => {
  const harness = withService({ vipMode: 'netns' }, external)
  t.match(after(harness), { [external]: 'vip' })
  harness.state.setLocalIps([nodeIp, external])
  t.match(after(harness), { [external]: 'as it is' })
  harness.state.setLocalIps([nodeIp])
  t.match(after(harness), { [external]: 'vip' })
})

void test("the node's pod CIDRs become known, stay when its object goes, and change", async t => {
  const harness = withService({ vipMode: 'local' }, '10.244.1.9')
  t.match(after(harness), { '10.244.1.9': 'vip' })
  harness.state.setNode(nodeInfo({ podCidrs: ['10.244.1.0/24', 'fd00:244::/64'] }))
  t.match(after(harness), { '10.244.1.9': "inside the pods' range 10.244.1.0/24" })
  harness.state.setNode(null)
  t.match(after(harness), { '10.244.1.9': "inside the pods' range 10.244.1.0/24" }, 'its pods may live on')
  harness.state.setNode(nodeInfo({ podCidrs: ['10.244.2.0/24'] }))
  t.match(after(harness), { '10.244.1.9': 'vip' })
})

void test("other nodes' addresses and pods are theirs, for as long as they are there", async t => {
  const harness = withService({ vipMode: 'netns' }, external, '192.168.0.2', '10.244.2.9')
  t.match(after(harness), { [external]: 'vip', '192.168.0.2': 'vip', '10.244.2.9': 'vip' })
  const other = nodeInfo({ name: 'node-2', ips: ['192.168.0.2'], podCidrs: ['10.244.2.0/24'] })
  harness.state.setOtherNode('node-2', other)
  const theirs = {
    [external]: 'vip',
    '192.168.0.2': 'an address of node node-2',
    '10.244.2.9': "inside the pods' range 10.244.2.0/24",
  }
  t.match(after(harness), theirs)
  harness.state.setOtherNode('node-2', { ...other, zone: 'another' })
  t.equal(harness.state.sync(), null, 'what else changes with them is nothing to us')
  harness.state.setOtherNode('node-2', { ...other, ips: ['192.168.0.3'] })
  t.match(after(harness), { ...theirs, '192.168.0.2': 'vip' })
  harness.state.setOtherNode('node-2', null)
  t.match(after(harness), { [external]: 'vip', '192.168.0.2': 'vip', '10.244.2.9': 'vip' })
})

void test("both the configured range and the node's own keep VIPs out", async t => {
  const harness = withService({ vipMode: 'local', clusterCidrs: ['10.244.0.0/16'] }, '10.244.1.9', '10.9.1.9')
  harness.state.setNode(nodeInfo({ podCidrs: ['10.9.1.0/24'] }))
  t.match(after(harness), {
    '10.244.1.9': "inside the pods' range 10.244.0.0/16",
    '10.9.1.9': "inside the pods' range 10.9.1.0/24",
  })
})

void test('a cluster CIDR that holds the Services, too, refuses none of their cluster IPs', async t => {
  t.match(after(withService({ vipMode: 'local', clusterCidrs: ['10.0.0.0/8'] }, '10.1.2.3')), {
    '10.96.0.10': 'vip',
    '10.1.2.3': "inside the pods' range 10.0.0.0/8",
  })
})

void test('who names a pod as external IP gets neither its connections nor it out of its Service', async t => {
  const victim = service({ clusterIP: '10.96.0.20', clusterIPs: [] }, { name: 'web' })
  const thief = service(
    { clusterIP: '10.96.0.30', clusterIPs: [], externalIPs: ['10.244.1.9'], ports: [{ port: 8080 }] },
    { name: 'thief' },
  )
  const { state, sync, port } = createSyncedState({ vipMode: 'netns', clusterCidrs: ['10.244.0.0/16'] })
  for (const each of [victim, thief]) state.setService(each)
  state.setEndpointSlice(endpointSlice({ endpoints: [endpoint({ addresses: ['10.244.1.9'] })] }))
  sync()
  t.strictSame(port('default/web').cluster, ['10.244.1.9:8080'])
  t.match(port('default/thief').frontends, [
    { ip: '10.96.0.30', vip: true },
    { ip: '10.244.1.9', conflict: "inside the pods' range 10.244.0.0/16" },
  ])
})

void test('of two Services with one refused address, each is told why it is refused, and not of the other', async t => {
  const { state, sync, replica } = createSyncedState({ vipMode: 'netns', apiServerIp: external })
  for (const name of ['a', 'b']) {
    const clusterIP = name === 'a' ? '10.96.0.1' : '10.96.0.2'
    state.setService(service({ clusterIP, clusterIPs: [], externalIPs: [external] }, { name }))
  }
  sync()
  const refused = [...replica.values()].flatMap(({ frontends }) =>
    frontends.filter(({ ip }) => ip === external),
  )
  t.match(refused, [{ conflict: "the API server's address" }, { conflict: "the API server's address" }])
})

void test('a saved table is marked for the mode of this start', async t => {
  const cases = [
    ['none', 'netns', 'vip'],
    ['none', 'local', 'vip'],
    ['local', 'netns', 'vip'],
    ['netns', 'none', 'as it is'],
  ] as const
  for (const [earlier, now, expected] of cases) {
    const harness = withService({ vipMode: earlier }, external, nodeIp)
    harness.sync()
    const seed = structuredClone(harness.state.snapshot())
    const { state } = createState({ seed, vipMode: now })
    t.match(
      marks(state.servicePorts),
      { '10.96.0.10': expected, [external]: expected, [nodeIp]: 'as it is', '0.0.0.0': 'as it is' },
      `${earlier} → ${now}`,
    )
  }
})

void test("a saved table's VIPs are refused by what is known of the pods from the run that saved it", async t => {
  const saved = (vipMode: 'none' | 'local') => {
    const harness = withService({ vipMode }, '10.244.1.9')
    harness.state.setNode(nodeInfo({ podCidrs: ['10.244.1.0/24'] }))
    harness.sync()
    return structuredClone(harness.state.snapshot())
  }
  const refused = "inside the pods' range 10.244.1.0/24"
  for (const earlier of ['none', 'local'] as const) {
    const { state } = createState({ seed: saved(earlier), vipMode: 'local' })
    t.match(marks(state.servicePorts), { '10.96.0.10': 'vip', '10.244.1.9': refused }, earlier)
  }
})

void test("ranges that only the earlier run knew of end with the node's own object", async t => {
  const earlier = withService({ vipMode: 'local', clusterCidrs: ['10.0.0.0/8'] })
  earlier.sync()
  const harness = createState({ seed: structuredClone(earlier.state.snapshot()), vipMode: 'local' })
  const { state } = harness
  t.match(marks(state.servicePorts), { '10.96.0.10': "inside the pods' range 10.0.0.0/8" })
  state.setService(service())
  state.setNode(nodeInfo())
  state.markListed('services')
  state.markListed('endpointSlices')
  state.sync()
  t.match(marks(state.servicePorts), { '10.96.0.10': 'vip' })
})

void test('a reload in the same mode changes nothing, whatever is marked or refused', async t => {
  const octet = fc.integer({ min: 0, max: 3 })
  const ip = fc.tuple(fc.constantFrom('10.244', '198.51', '192.168', '127.0'), octet, octet)
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...vipModes),
      fc.uniqueArray(
        ip.map(([prefix, a, b]) => `${prefix}.${a}.${b}`),
        { maxLength: 4 },
      ),
      async (vipMode, externalIPs) => {
        const earlier = withService({ vipMode }, ...externalIPs)
        earlier.state.setNode(nodeInfo({ podCidrs: ['10.244.1.0/24'] }))
        earlier.sync()
        const seed = structuredClone(earlier.state.snapshot())
        const later = createState({ vipMode, seed })
        t.strictSame(marks(later.state.servicePorts), marks(seed.servicePorts))
        const ports = [{ port: 80, nodePort: 30_080 }]
        later.state.setService(service({ type: 'NodePort', ports, externalIPs }))
        later.state.setNode(nodeInfo({ podCidrs: ['10.244.1.0/24'] }))
        later.state.markListed('services')
        later.state.markListed('endpointSlices')
        t.match(later.state.sync(), { type: 'delta', changed: [], removed: [] })
      },
    ),
    { numRuns: 100 },
  )
})
