// Endpoints that are never dialed: our own frontends, and addresses that are none of a tenant's business.

import { test } from 'tap'
import { endpoint, endpointSlice, service } from '../model/objects.ts'
import { type Harness, createSyncedState, nodeInfo } from './desired-state-harness.ts'

const good = '10.1.0.1'

/** A slice of "web" with a good endpoint and another one. */
function sliceWith(ip: string, port = 8080, fields: Readonly<Record<string, unknown>> = {}) {
  return endpointSlice({
    ports: [{ name: '', port, protocol: 'TCP' }],
    endpoints: [endpoint({ addresses: [good] }), endpoint({ addresses: [ip] })],
    ...fields,
  })
}

function eligible({ sync, port }: Harness, key = 'default/web:'): readonly string[] | null {
  sync()
  return port(key).cluster
}

const loop = (name: string, address: string, owner: string): string =>
  `warn Service default/${name}: endpoint ${address} is a frontend of Service default/${owner} (a loop): not dialed`

void test("an endpoint at the Service's own cluster IP", async t => {
  const harness = createSyncedState()
  const { state, log } = harness
  state.setService(service())
  state.setEndpointSlice(sliceWith('10.96.0.10', 80))
  t.strictSame(eligible(harness), [`${good}:80`])
  t.strictSame(harness.port('default/web').serving, [`${good}:80`], 'UDP flows to it would be cut as well')
  t.strictSame(log.take(), [loop('web', '10.96.0.10:80', 'web')])
  state.setEndpointSlice(sliceWith('10.96.0.10', 80))
  t.equal(harness.sync(), null)
  t.strictSame(log.take(), [], 'logged once')
})

void test('a port that no frontend of the VIP has is no loop, while no NodePort is on all addresses', async t => {
  const harness = createSyncedState()
  harness.state.setService(service())
  harness.state.setEndpointSlice(sliceWith('10.96.0.10', 8081))
  t.strictSame(eligible(harness), [`${good}:8081`, '10.96.0.10:8081'])
})

const other = service({ clusterIP: '10.96.0.20', clusterIPs: [], ports: [{ port: 8080 }] }, { name: 'other' })

void test('a frontend that appears and goes: the endpoints of the others are looked at again', async t => {
  const harness = createSyncedState()
  const { state, log } = harness
  state.setService(service())
  state.setEndpointSlice(sliceWith('10.96.0.20'))
  t.strictSame(eligible(harness), [`${good}:8080`, '10.96.0.20:8080'])
  state.setService(other)
  t.strictSame(eligible(harness), [`${good}:8080`])
  t.strictSame(log.take(), [loop('web', '10.96.0.20:8080', 'other')])
  state.deleteService({ namespace: 'default', name: 'other' })
  t.strictSame(eligible(harness), [`${good}:8080`, '10.96.0.20:8080'])
})

void test('both within one sync, in either order', async t => {
  for (const order of ['frontend first', 'endpoint first'] as const) {
    const harness = createSyncedState()
    const { state } = harness
    if (order === 'frontend first') state.setService(other)
    state.setService(service())
    state.setEndpointSlice(sliceWith('10.96.0.20'))
    if (order === 'endpoint first') state.setService(other)
    t.strictSame(eligible(harness), [`${good}:8080`], order)
  }
})

void test('a frontend of UDP is no loop for TCP', async t => {
  const harness = createSyncedState()
  harness.state.setService(service())
  harness.state.setService(
    service(
      { clusterIP: '10.96.0.20', clusterIPs: [], ports: [{ port: 8080, protocol: 'UDP' }] },
      { name: 'other' },
    ),
  )
  harness.state.setEndpointSlice(sliceWith('10.96.0.20'))
  t.strictSame(eligible(harness), [`${good}:8080`, '10.96.0.20:8080'])
})

const nodePort = service(
  { type: 'NodePort', clusterIP: '10.96.0.30', clusterIPs: [], ports: [{ port: 80, nodePort: 30_080 }] },
  { name: 'np' },
)

void test('a NodePort on all addresses is reached at every local one, VIPs included', async t => {
  const harness = createSyncedState({ localIps: ['192.168.0.1'], allowLoopbackEndpoints: true })
  const { state } = harness
  const reached = (ip: string): boolean => {
    state.setEndpointSlice(sliceWith(ip, 30_080))
    return !(eligible(harness) ?? []).includes(`${ip}:30080`)
  }
  state.setService(service())
  t.notOk(reached('192.168.0.1'), 'before the NodePort exists')
  state.setService(nodePort)
  harness.sync()
  t.strictSame(harness.port('default/web').cluster, [`${good}:30080`], 'once it does')
  t.ok(reached('192.168.0.1'), 'the node itself')
  t.ok(reached('127.0.0.77'), 'anything in 127.0.0.0/8')
  t.ok(reached('10.96.0.10'), 'a cluster IP, which is local to the node too')
  t.notOk(reached('192.168.0.2'), 'another node')
  state.setLocalIps(['192.168.0.1', '192.168.0.2'])
  t.ok(reached('192.168.0.2'), 'an address that the node got')
  state.setEndpointSlice(sliceWith('10.96.0.20', 30_080))
  t.strictSame(eligible(harness), [`${good}:30080`, '10.96.0.20:30080'], 'not a VIP yet')
  state.setService(other)
  t.strictSame(eligible(harness), [`${good}:30080`], 'a VIP of another Service, on another port')
  state.deleteService({ namespace: 'default', name: 'np' })
  t.strictSame(eligible(harness), [`${good}:30080`, '10.96.0.20:30080'], 'the NodePort is gone')
})

const unsafe: readonly [string, string][] = [
  ['127.0.0.1', 'a loopback address'],
  ['169.254.169.254', 'a link-local address'],
  ['0.0.0.0', 'an unspecified address'],
  ['224.0.0.1', 'a multicast address'],
  ['255.255.255.255', 'the broadcast address'],
]

const unsafeIpv6: readonly [string, string][] = [
  ['::1', 'a loopback address'],
  ['fe80::1', 'a link-local address'],
  ['::', 'an unspecified address'],
  ['ff02::1', 'a multicast address'],
]

void test('unsafe endpoints are refused, and the Service says so once', async t => {
  for (const [ip, reason] of unsafe) {
    const harness = createSyncedState()
    harness.state.setService(service())
    harness.state.setEndpointSlice(sliceWith(ip))
    t.strictSame(eligible(harness), [`${good}:8080`], ip)
    harness.state.setNode(nodeInfo({ zone: 'a' }))
    harness.sync()
    t.strictSame(harness.log.take(), [
      `warn Service default/web: endpoint ${ip}:8080 is ${reason}: not dialed`,
    ])
  }
})

void test('unsafe IPv6 endpoints', async t => {
  for (const [ip, reason] of unsafeIpv6) {
    const harness = createSyncedState()
    harness.state.setService(service({ clusterIPs: ['fd00::a'], clusterIP: 'fd00::a' }))
    harness.state.setEndpointSlice(
      endpointSlice({ addressType: 'IPv6', endpoints: [endpoint({ addresses: [ip] })] }),
    )
    t.strictSame(eligible(harness), [], ip)
    t.strictSame(harness.log.take(), [
      `warn Service default/web: endpoint [${ip}]:8080 is ${reason}: not dialed`,
    ])
  }
})

void test('loopback endpoints where they are allowed', async t => {
  const harness = createSyncedState({ allowLoopbackEndpoints: true })
  harness.state.setService(service())
  harness.state.setEndpointSlice(sliceWith('127.1.0.9'))
  t.strictSame(eligible(harness), [`${good}:8080`, '127.1.0.9:8080'])
  harness.state.setEndpointSlice(sliceWith('169.254.169.254'))
  t.strictSame(eligible(harness), [`${good}:8080`], 'link-local ones stay refused')
})

void test('many refused endpoints are one line, and new ones among them another', async t => {
  const harness = createSyncedState()
  const at = (ips: readonly string[]) =>
    endpointSlice({ endpoints: ips.map(ip => endpoint({ addresses: [ip] })) })
  harness.state.setService(service())
  harness.state.setEndpointSlice(at(['127.0.0.1', '127.0.0.2', '127.0.0.3', '127.0.0.4', '127.0.0.5']))
  harness.sync()
  t.match(harness.log.take(), [/127\.0\.0\.1.*127\.0\.0\.2.*127\.0\.0\.3.*; and 2 more$/])
  harness.state.setEndpointSlice(at(['127.0.0.1', '127.0.0.2', '127.0.0.9']))
  harness.sync()
  t.strictSame(harness.log.take(), [
    'warn Service default/web: endpoint 127.0.0.9:8080 is a loopback address: not dialed',
  ])
})
