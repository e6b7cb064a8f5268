// The cost of a change follows the size of the change. Counted, not timed: a Service that is built asks for the
// addresses of its nodePort, and nothing else does.

import { test } from 'tap'
import { NodePortAddresses } from '../../lib/control/node-port-addresses.ts'
import { endpoint, endpointSlice, service } from '../model/objects.ts'
import { createState, type Harness } from './desired-state-harness.ts'

class CountingAddresses extends NodePortAddresses {
  calls = 0

  override select(...args: Parameters<NodePortAddresses['select']>): readonly string[] {
    this.calls++
    return super.select(...args)
  }
}

const count = 10_000
const ipOf = (prefix: string, index: number): string => `${prefix}.${index >> 8}.${index & 255}`

function nodePortService(index: number, fields: Readonly<Record<string, unknown>> = {}) {
  const clusterIP = ipOf('10.96', index)
  return service(
    {
      type: 'NodePort',
      clusterIP,
      clusterIPs: [clusterIP],
      ports: [{ port: 80, nodePort: 20_000 + index }],
      ...fields,
    },
    { name: `web-${index}` },
  )
}

function sliceOf(index: number, ...ips: readonly string[]) {
  return endpointSlice(
    { endpoints: ips.map(ip => endpoint({ addresses: [ip] })) },
    { name: `web-${index}-1`, labels: { 'kubernetes.io/service-name': `web-${index}` } },
  )
}

function bigState(): Harness & { readonly calls: (action: () => void) => number } {
  const nodePortAddresses = new CountingAddresses([])
  const harness = createState({ nodePortAddresses })
  for (let index = 0; index < count; index++) {
    harness.state.setService(nodePortService(index))
    harness.state.setEndpointSlice(sliceOf(index, ipOf('10.1', index)))
  }
  harness.state.markListed('services')
  harness.state.markListed('endpointSlices')
  harness.sync()
  const calls = (action: () => void): number => {
    nodePortAddresses.calls = 0
    action()
    return nodePortAddresses.calls
  }
  return { ...harness, calls }
}

void test(`among ${count} Services, only what is changed is built`, async t => {
  const { state, sync, replica, calls } = bigState()
  t.equal(replica.size, count)
  const one = calls(() => {
    state.setEndpointSlice(sliceOf(17, '10.9.0.1'))
    t.match(sync(), { type: 'delta', changed: [{ name: 'web-17' }], removed: [] })
  })
  t.ok(one > 0 && one <= 4, `an endpoint: ${one}`)
  const few = calls(() => {
    for (const index of [1, 2, 3]) state.setEndpointSlice(sliceOf(index))
    sync()
  })
  t.ok(few <= 3 * one, `three endpoints: ${few}`)
  const nothing = calls(() => t.equal(sync(), null))
  t.equal(nothing, 0, 'a sync without changes')
  const removed = calls(() => {
    state.deleteService({ namespace: 'default', name: 'web-17' })
    t.match(sync(), { type: 'delta', changed: [], removed: ['default/web-17:/TCP/IPv4'] })
  })
  t.equal(removed, 0, 'a Service that goes')
  const added = calls(() => {
    state.setService(nodePortService(17))
    sync()
  })
  t.ok(added <= one, `a Service that comes: ${added}`)
  const conflict = calls(() => {
    state.setService(nodePortService(20, { externalIPs: [ipOf('10.96', 21)] }))
    t.match(sync(), { changed: [{ name: 'web-20' }] })
  })
  t.ok(conflict <= 2 * one, `a frontend that two Services claim: ${conflict}`)
})
