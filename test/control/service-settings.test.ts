// A Service's own settings: defaults, annotations over them, and what is said of those that can't be used.

import { test } from 'tap'
import { defaultProxySettings, type ProxySettings } from '../../lib/model/proxy-settings.ts'
import { endpointSlice, service } from '../model/objects.ts'
import { createSyncedState, nodeInfo } from './desired-state-harness.ts'

const defaults: ProxySettings = { ...defaultProxySettings, balance: 'p2c', maxConnections: 100 }

function annotated(annotations: unknown, name = 'web') {
  return service({}, { name, annotations })
}

void test('a Service without annotations has the defaults, each port of it', async t => {
  const { state, sync, replica, log } = createSyncedState({ defaults })
  const ports = [
    { name: 'a', port: 80 },
    { name: 'b', port: 53, protocol: 'UDP' },
  ]
  state.setService(service({ ports, clusterIPs: ['10.96.0.10', 'fd00::a'] }))
  sync()
  t.strictSame(
    [...replica.values()].map(({ settings }) => settings),
    [defaults, defaults, defaults, defaults],
  )
  t.strictSame(log.take(), [])
})

void test('annotations of a Service come before the defaults', async t => {
  const { state, sync, port } = createSyncedState({ defaults })
  state.setService(
    annotated({
      'kube-relay/balance': 'least-connections',
      'kube-relay/proxy-protocol': 'v2',
      'kube-relay/max-connections': '0',
      'kube-relay/drain-timeout': '30s',
      'kube-relay/max-connection-age': '1h30m',
      'kubectl.kubernetes.io/last-applied-configuration': '{}',
    }),
  )
  sync()
  t.strictSame(port('default/web:').settings, {
    balance: 'least-connections',
    proxyProtocol: 'v2',
    maxConnections: null,
    drainTimeoutMs: 30_000,
    maxConnectionAgeMs: 5_400_000,
  })
})

void test('a change of an annotation alone is a delta; of one that is not ours, none', async t => {
  const { state, sync } = createSyncedState({ defaults })
  state.setService(annotated({}))
  sync()
  state.setService(annotated({ 'kube-relay/balance': 'random' }))
  t.match(sync(), { type: 'delta', changed: [{ name: 'web', settings: { balance: 'random' } }], removed: [] })
  state.setService(annotated({ 'kube-relay/balance': 'random', other: 'x' }))
  t.equal(sync(), null)
  state.setService(annotated(null))
  t.match(sync(), { changed: [{ settings: defaults }] }, 'and back to the defaults')
})

void test('one that cannot be used: the default, and said once', async t => {
  const told: string[] = []
  const { state, sync, port, log } = createSyncedState({
    defaults,
    onProblem: ({ namespace, name }, problem) => told.push(`${namespace}/${name}: ${problem}`),
  })
  const bad = annotated({ 'kube-relay/balance': 'fastest', 'kube-relay/drain-timeout': '10s' })
  const sentence =
    'annotation kube-relay/balance: "fastest" is not one of round-robin, random, least-connections, p2c: the default is kept'
  state.setService(bad)
  sync()
  t.match(port('default/web:').settings, { balance: 'p2c', drainTimeoutMs: 10_000 }, 'the others count')
  t.strictSame(log.take(), [`warn Service default/web: ${sentence}`])
  t.strictSame(told.splice(0), [`default/web: ${sentence}`])
  state.setService(bad)
  state.setEndpointSlice(endpointSlice())
  state.setNode(nodeInfo({ zone: 'a' }))
  state.setLocalIps(['192.168.0.9'])
  sync()
  t.strictSame([log.take(), told.splice(0)], [[], []], 'built again, and nothing new to say')
  state.setService(annotated({ 'kube-relay/balance': 'random' }))
  sync()
  t.strictSame([log.take(), told.splice(0)], [[], []], 'mended')
  state.setService(bad)
  sync()
  t.equal(log.take().length, 1, 'broken anew')
  t.strictSame(told, [`default/web: ${sentence}`])
})

void test('many problems are one line in the log, and each is told', async t => {
  const told: string[] = []
  const { state, sync, log } = createSyncedState({ onProblem: (_, problem) => told.push(problem) })
  state.setService(
    annotated({
      'kube-relay/balance': 5,
      'kube-relay/max-connections': 'many',
      'kube-relay/drain-timeout': null,
      'kube-relay/colour': 'red',
      'kube-relay/allow-loopback-endpoints': 'true',
    }),
  )
  sync()
  t.match(log.take(), [/^warn Service default\/web: .*; and 2 more$/])
  t.equal(told.length, 5)
})

void test('what is wrong with a slice is logged and not told of any Service', async t => {
  const told: string[] = []
  const { state, sync, log } = createSyncedState({ onProblem: (_, problem) => told.push(problem) })
  state.setService(service())
  state.setEndpointSlice(endpointSlice({ endpoints: [null] }))
  sync()
  t.equal(log.take().length, 1)
  t.strictSame(told, [])
})

void test('loopback endpoints are never allowed by annotation', async t => {
  const { state, sync, port } = createSyncedState()
  state.setService(annotated({ 'kube-relay/allow-loopback-endpoints': 'true' }))
  state.setEndpointSlice(endpointSlice({ endpoints: [{ addresses: ['127.0.0.1'] }] }))
  sync()
  t.strictSame(port('default/web:').cluster, [])
})
