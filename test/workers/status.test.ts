// What several workers report, as one status.

import { test } from 'tap'
import type { DataPlaneStatus, ServicePortStatus } from '../../lib/dataplane/data-plane.ts'
import { failureReasons, type FailureReason } from '../../lib/dataplane/service-state.ts'
import type { ServicePortKey } from '../../lib/model/proxy-table.ts'
import type { EndpointTraffic, ServicePortInspection } from '../../lib/ops/endpoint-detail.ts'
import { noDialTimes } from '../../lib/ops/dial-times.ts'
import { noRestarts } from '../../lib/ops/status.ts'
import { mergeInspections, mergeServicePorts, retiredCounts } from '../../lib/workers/merge-status.ts'
import { ReportedStatus, StatusReporter } from '../../lib/workers/status-report.ts'

const webKey = 'default/web:/TCP/IPv4' as ServicePortKey
const noFailures = Object.fromEntries(failureReasons.map(reason => [reason, 0])) as Record<
  FailureReason,
  number
>

function port(
  fields: Partial<ServicePortStatus> = {},
  counts: Partial<ServicePortStatus['connections']> = {},
): ServicePortStatus {
  return {
    key: webKey,
    frontends: [{ address: '10.96.0.1:80', state: 'listening' }],
    setAside: [],
    connections: {
      active: 1,
      total: 10,
      bytesIn: 100,
      bytesOut: 200,
      dialRetries: 1,
      dialFailures: 2,
      failures: { ...noFailures, timeout: 2 },
      ...counts,
    },
    ...fields,
  }
}

void test('counts are added up, those of workers that are gone included', async t => {
  const gone = new Map([[webKey, retiredCounts(port().connections)]])
  const [merged] = mergeServicePorts([[port()], [port()]], gone)
  t.strictSame(merged?.connections, {
    active: 2,
    total: 30,
    bytesIn: 300,
    bytesOut: 600,
    dialRetries: 3,
    dialFailures: 6,
    failures: { ...noFailures, timeout: 6 },
  })
})

void test('of one that only one worker has used, or none, no sum is made', async t => {
  const unused = port({}, { active: 0, total: 0, dialFailures: 0, failures: noFailures })
  const used = port()
  t.equal(mergeServicePorts([[used], [unused]], new Map())[0], used)
  t.strictSame(mergeServicePorts([[unused], [used]], new Map())[0]?.connections, used.connections)
  t.equal(mergeServicePorts([[unused], [unused]], new Map())[0], unused)
  const refused = port({}, { ...unused.connections, failures: { ...noFailures, 'source-range': 1 } })
  t.equal(mergeServicePorts([[used], [refused]], new Map())[0]?.connections.failures['source-range'], 1)
})

void test('an address is as well off as with the worker that has it best', async t => {
  const at = (state: ServicePortStatus['frontends'][number]['state'], reason?: string) =>
    port({ frontends: [{ address: '10.96.0.1:80', state, ...(reason === undefined ? {} : { reason }) }] })
  for (const [a, b, best] of [
    [at('refusing'), at('listening'), 'listening'],
    [at('listening'), at('bind-failed', 'EADDRINUSE'), 'listening'],
    [at('binding'), at('bind-failed', 'EADDRINUSE'), 'bind-failed'],
    [at('refusing'), at('binding'), 'binding'],
  ] as const) {
    for (const order of [
      [a, b],
      [b, a],
    ]) {
      const [merged] = mergeServicePorts(
        order.map(each => [each]),
        new Map(),
      )
      t.equal(merged?.frontends[0]?.state, best)
      t.equal(merged?.frontends[0]?.reason, best === 'bind-failed' ? 'EADDRINUSE' : undefined)
    }
  }
  const [merged] = mergeServicePorts(
    [[port({ setAside: ['a', 'b'] })], [port({ setAside: ['b', 'c'] })]],
    new Map(),
  )
  t.strictSame(merged?.setAside, ['a', 'b', 'c'])
})

function status(...servicePorts: readonly ServicePortStatus[]): DataPlaneStatus {
  const own = {
    pid: 1,
    engine: 'net',
    generation: 1,
    activeConnections: 0,
    udpFlows: 0,
    descriptors: { used: 0, limit: 10, accepting: true },
    dialTimes: noDialTimes,
  }
  return { ...own, servicePorts, workers: [], workerRestarts: noRestarts }
}

void test('reports have only what has changed, and come to the whole', async t => {
  const reporter = new StatusReporter()
  const reported = new ReportedStatus()
  const quiet = port({ key: 'default/quiet:/TCP/IPv4' as ServicePortKey })
  const changes: readonly ServicePortStatus[] = [
    port(),
    port({}, { total: 11 }),
    port({}, { total: 11, failures: { ...noFailures, timeout: 2, 'source-range': 1 } }),
    port({ setAside: ['10.0.0.1:80'] }),
    port({ frontends: [{ address: '10.96.0.1:80', state: 'bind-failed', reason: 'EACCES' }] }),
    port({ frontends: [{ address: '10.96.0.1:80', state: 'bind-failed', reason: 'EADDRINUSE' }] }),
    port({ frontends: [] }),
  ]
  for (const [index, change] of changes.entries()) {
    const report = reporter.report(status(quiet, change), { index: 3, draining: false })
    t.strictSame(report.changed, index === 0 ? [quiet, change] : [change])
    reported.add(report)
    t.strictSame([...reported.servicePorts], [quiet, change])
  }
  const idle = reporter.report(status(quiet, port({ frontends: [] })), { index: 3, draining: true })
  t.strictSame([idle.changed, idle.removed], [[], []])
  reported.add(idle)
  t.match(reported.worker, { index: 3, draining: true, responding: true })
  const removed = reporter.report(status(quiet), { index: 3, draining: false })
  t.strictSame([removed.changed, removed.removed], [[], [webKey]])
  reported.add(removed)
  t.strictSame([...reported.servicePorts], [quiet])
})

function traffic(address: string, fields: Partial<EndpointTraffic> = {}): EndpointTraffic {
  return {
    address,
    active: 1,
    total: 2,
    bytesIn: 3,
    bytesOut: 4,
    failures: { refused: 5, timeout: 6 },
    setAsideForMs: null,
    gone: false,
    ...fields,
  }
}

void test('closer looks of several workers are added up, endpoint by endpoint', async t => {
  const [merged] = mergeInspections([
    [{ key: webKey, endpoints: [traffic('a'), traffic('b', { setAsideForMs: 100 })], affinity: null }],
    [],
    [
      {
        key: webKey,
        endpoints: [traffic('b', { setAsideForMs: 300, gone: true }), traffic('c', { gone: true })],
        affinity: null,
      },
    ],
  ])
  t.strictSame(merged?.endpoints, [
    traffic('a'),
    traffic('b', {
      active: 2,
      total: 4,
      bytesIn: 6,
      bytesOut: 8,
      failures: { refused: 10, timeout: 12 },
      setAsideForMs: 300,
    }),
    traffic('c', { gone: true }),
  ])
})

void test('of what affinity does, a worker that remembers knows best', async t => {
  const told = (endpoint: string, remembered: boolean): ServicePortInspection => ({
    key: webKey,
    endpoints: [],
    affinity: { cluster: { endpoint, remembered }, local: null },
  })
  const none = { key: webKey, endpoints: [], affinity: null }
  for (const [first, second, expected] of [
    [told('a', false), told('b', true), 'b'],
    [told('a', true), told('b', false), 'a'],
    [told('a', true), told('b', true), 'a'],
    [told('a', false), none, 'a'],
    [none, told('b', false), 'b'],
  ] as const) {
    const [merged] = mergeInspections([[first], [second]])
    t.equal(merged?.affinity?.cluster?.endpoint, expected)
  }
  t.equal(mergeInspections([[none], [none]])[0]?.affinity, null)
})
