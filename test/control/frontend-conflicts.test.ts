// Two Services that claim one address.

import { test } from 'tap'
import { service } from '../model/objects.ts'
import { createSyncedState, type Harness } from './desired-state-harness.ts'

const shared = '198.51.100.7'

function claim(state: Harness['state'], name: string, clusterIp: string, createdAt: unknown): void {
  state.setService(
    service(
      { clusterIP: clusterIp, clusterIPs: [clusterIp], externalIPs: [shared] },
      { name, creationTimestamp: createdAt },
    ),
  )
}

/** Who the shared address is said to belong to, by Service. */
function holders({ sync, replica }: Harness): Readonly<Record<string, string>> {
  sync()
  return Object.fromEntries(
    [...replica.values()].map(port => [
      port.name,
      port.frontends.find(({ ip }) => ip === shared)?.conflict ?? 'own',
    ]),
  )
}

void test('the older has it, whichever came first; the younger gets it when the older goes', async t => {
  const harness = createSyncedState()
  const { state, log } = harness
  claim(state, 'young', '10.96.0.1', '2026-02-01T00:00:00Z')
  t.strictSame(holders(harness), { young: 'own' })
  claim(state, 'old', '10.96.0.2', '2026-01-01T00:00:00Z')
  t.strictSame(holders(harness), { young: 'held by default/old', old: 'own' })
  t.strictSame(log.take(), [
    'warn Service default/young: ExternalIP 198.51.100.7:80 (TCP) is held by default/old: not served',
  ])
  claim(state, 'middle', '10.96.0.3', '2026-01-15T00:00:00Z')
  t.strictSame(holders(harness), { young: 'held by default/old', middle: 'held by default/old', old: 'own' })
  state.deleteService({ namespace: 'default', name: 'old' })
  t.strictSame(holders(harness), { young: 'held by default/middle', middle: 'own' })
  state.setService(
    service(
      { clusterIP: '10.96.0.3', clusterIPs: [] },
      { name: 'middle', creationTimestamp: '2026-01-15T00:00:00Z' },
    ),
  )
  t.strictSame(holders(harness), { young: 'own', middle: 'own' }, 'the claim alone was given up')
})

void test('a Service made again is as young as its new object, in one sync or two', async t => {
  const harness = createSyncedState()
  const { state } = harness
  claim(state, 'a', '10.96.0.1', '2026-01-01T00:00:00Z')
  claim(state, 'b', '10.96.0.2', '2026-02-01T00:00:00Z')
  t.strictSame(holders(harness), { a: 'own', b: 'held by default/a' })
  state.deleteService({ namespace: 'default', name: 'a' })
  claim(state, 'a', '10.96.0.1', '2026-03-01T00:00:00Z')
  t.strictSame(holders(harness), { a: 'held by default/b', b: 'own' })
})

void test('the same age: by name; no age: the youngest', async t => {
  const harness = createSyncedState()
  const { state } = harness
  claim(state, 'b', '10.96.0.2', '2026-01-01T00:00:00Z')
  claim(state, 'a', '10.96.0.1', '2026-01-01T00:00:00Z')
  claim(state, 'c', '10.96.0.3', null)
  t.strictSame(holders(harness), { a: 'own', b: 'held by default/a', c: 'held by default/a' })
})

void test('a hand-over within one sync says nothing of a conflict', async t => {
  const harness = createSyncedState()
  const { state, log } = harness
  claim(state, 'a', '10.96.0.1', '2026-01-01T00:00:00Z')
  holders(harness)
  claim(state, 'b', '10.96.0.2', '2026-02-01T00:00:00Z')
  state.deleteService({ namespace: 'default', name: 'a' })
  t.strictSame(holders(harness), { b: 'own' })
  t.strictSame(log.take(), [])
})

void test('TCP and UDP of one address are two frontends', async t => {
  const harness = createSyncedState()
  claim(harness.state, 'tcp', '10.96.0.1', '2026-01-01T00:00:00Z')
  harness.state.setService(
    service(
      {
        clusterIP: '10.96.0.2',
        clusterIPs: [],
        externalIPs: [shared],
        ports: [{ port: 80, protocol: 'UDP' }],
      },
      { name: 'udp' },
    ),
  )
  t.strictSame(holders(harness), { tcp: 'own', udp: 'own' })
})

void test('two ports of one Service with one address: the first has it', async t => {
  const { state, sync, port, log } = createSyncedState()
  const ports = [
    { name: 'a', port: 80 },
    { name: 'b', port: 80 },
  ]
  state.setService(service({ ports }))
  sync()
  t.strictSame(port('default/web:a').frontends, [
    { kind: 'ClusterIP', ip: '10.96.0.10', port: 80, list: 'cluster' },
  ])
  t.strictSame(port('default/web:b').frontends, [
    { kind: 'ClusterIP', ip: '10.96.0.10', port: 80, list: 'cluster', conflict: 'held by default/web:a' },
  ])
  t.equal(log.take().length, 1)
})
