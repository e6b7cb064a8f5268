// A desired state that begins with a table: what is served goes on until everything has been listed, and then differs
// by what has changed meanwhile, and by nothing else.

import { test } from 'tap'
import type { DesiredStateOptions } from '../../lib/control/desired-state.ts'
import type { TableSnapshot } from '../../lib/model/proxy-table.ts'
import { endpoint, endpointSlice, service } from '../model/objects.ts'
import { createState, createSyncedState, type Harness } from './desired-state-harness.ts'

const web = 'default/web:/TCP/IPv4'

function servedEarlier(options: Partial<DesiredStateOptions> = {}): TableSnapshot {
  const { state, sync } = createSyncedState({ wallClock: () => 5000, ...options })
  state.setService(service())
  state.setService(
    service(
      {
        type: 'LoadBalancer',
        externalTrafficPolicy: 'Local',
        healthCheckNodePort: 32_000,
        clusterIP: '10.96.0.20',
        clusterIPs: [],
      },
      { name: 'lb' },
    ),
  )
  state.setEndpointSlice(endpointSlice())
  sync()
  return structuredClone(state.snapshot())
}

function list({ state }: Harness, ...names: readonly string[]): void {
  for (const name of names) state.setService(name === 'web' ? service() : service({}, { name }))
  state.setEndpointSlice(endpointSlice())
  state.markListed('services')
  state.markListed('endpointSlices')
}

void test('until everything is listed the seed is what there is, with its age', async t => {
  const seed = servedEarlier()
  const { state, sync } = createState({ seed })
  t.equal(state.synced, false)
  t.equal(state.generation, 2)
  t.equal(state.asOf, 5000)
  t.strictSame(state.snapshot(), seed)
  t.match(state.healthChecked(), [{ name: 'lb', port: 32_000, localEndpoints: 0 }])
  state.setService(service())
  state.markListed('services')
  t.equal(sync(), null)
  t.strictSame(state.snapshot(), seed, 'one list of two changes nothing')
})

void test('what is listed then goes out as a delta with the next generation', async t => {
  const harness = createState({ seed: servedEarlier(), wallClock: () => 9000 })
  const { state } = harness
  list(harness, 'web')
  t.match(state.sync(), { type: 'delta', generation: 3, changed: [], removed: ['default/lb:/TCP/IPv4'] })
  t.strictSame(state.healthChecked(), [], 'a Service that is gone')
  t.equal(state.asOf, null)
  t.equal(state.snapshot().asOf, 9000)
  state.setEndpointSlice(endpointSlice({ endpoints: [] }))
  t.match(state.sync(), { type: 'delta', generation: 4, changed: [{ key: web, cluster: [] }] })
})

void test('the first update comes even if nothing has changed: the table counts as listed with it', async t => {
  const { state, sync } = createSyncedState()
  state.setService(service())
  state.setEndpointSlice(endpointSlice())
  sync()
  const harness = createState({ seed: structuredClone(state.snapshot()) })
  list(harness, 'web')
  t.match(harness.state.sync(), { type: 'delta', generation: 3, changed: [], removed: [] })
  t.equal(harness.state.sync(), null)
})

void test('everything gone meanwhile', async t => {
  const { state } = createState({ seed: servedEarlier() })
  state.markListed('services')
  state.markListed('endpointSlices')
  const update = state.sync()
  t.match(update, { type: 'delta', changed: [] })
  t.equal(update?.type === 'delta' && update.removed.length, 2)
  t.strictSame([...state.servicePorts], [])
})

void test("endpoints of a run that was allowed more aren't served by one that isn't", async t => {
  const { state, sync } = createSyncedState({ allowLoopbackEndpoints: true })
  state.setService(service())
  const endpoints = [endpoint({ addresses: ['127.0.0.5'] }), endpoint()]
  state.setEndpointSlice(endpointSlice({ endpoints }))
  sync()
  const seed = state.snapshot()
  t.match(seed.servicePorts, [{ cluster: ['10.1.0.1:8080', '127.0.0.5:8080'] }])
  t.match(
    createState({ seed, allowLoopbackEndpoints: true }).state.snapshot().servicePorts,
    seed.servicePorts,
  )
  t.match(createState({ seed }).state.snapshot().servicePorts, [
    { cluster: ['10.1.0.1:8080'], serving: ['10.1.0.1:8080'] },
  ])
})

void test('a table that is handed on without ever having been listed keeps its age', async t => {
  const first = createState({ seed: servedEarlier(), wallClock: () => 8000 })
  const second = createState({ seed: first.state.snapshot(), wallClock: () => 9000 })
  t.equal(second.state.asOf, 5000)
})
