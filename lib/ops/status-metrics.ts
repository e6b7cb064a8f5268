// The node's own metrics out of the status document: the table, the frontends, the workers and their descriptors.
// Cardinality doesn't grow with the number of Services here.

import type { Registry } from 'prom-client'
import { residentMemoryOf } from './resident-memory.ts'
import { snapshotMetric, type Sample } from './snapshot-metric.ts'
import type { FrontendStatus, StatusDocument, WorkerStatus } from './status.ts'

const sources: readonly StatusDocument['source'][] = ['apiserver', 'snapshot', 'manifests']
const frontendStates: readonly FrontendStatus['state'][] = [
  'listening',
  'refusing',
  'binding',
  'bind-failed',
  'conflict',
]

/** Registers them; without a status they have no samples. `wallClock` is in milliseconds since 1970. */
export function registerStatusMetrics(
  registry: Registry,
  current: () => StatusDocument | null,
  wallClock: () => number,
): void {
  const gauge = (name: string, help: string, samples: (status: StatusDocument) => readonly Sample[]): void =>
    snapshotMetric({
      registry,
      type: 'gauge',
      name: `kube_relay_${name}`,
      help,
      samples: () => {
        const status = current()
        return status === null ? [] : samples(status)
      },
    })
  const perWorker = (name: string, help: string, value: (worker: WorkerStatus) => number): void =>
    gauge(`worker_${name}`, help, ({ workers }) =>
      // By index: a process id would make new series at every restart. Those that drain have given theirs away.
      workers
        .filter(({ draining }) => !draining)
        .map(worker => ({ labels: { worker: String(worker.index) }, value: value(worker) })),
    )

  gauge('table_generation', 'The generation of the proxy table; grows by one with each update', status => [
    { labels: {}, value: status.generation },
  ])
  gauge('synced', '1 once the whole table is served, 0 before', status => [
    { labels: {}, value: Number(status.synced) },
  ])
  gauge('table_source', '1 for where the table comes from, 0 for the others', status =>
    sources.map(source => ({ labels: { source }, value: Number(source === status.source) })),
  )
  gauge(
    'serving_snapshot',
    '1 while the table of before the start is served, as the API server has not listed everything yet',
    ({ source }) => [{ labels: {}, value: Number(source === 'snapshot') }],
  )
  gauge('snapshot_age_seconds', 'While it is: how long ago that table was kept', ({ asOf }) =>
    asOf === undefined ? [] : [{ labels: {}, value: Math.max(0, (wallClock() - Date.parse(asOf)) / 1000) }],
  )
  gauge('services', 'Services that are served', ({ services }) => [
    { labels: {}, value: new Set(services.map(({ namespace, name }) => `${namespace}/${name}`)).size },
  ])
  gauge('service_ports', 'Ports of Services that are served', ({ services }) =>
    (['TCP', 'UDP'] as const).map(protocol => ({
      labels: { protocol },
      value: services.filter(service => service.protocol === protocol).length,
    })),
  )
  gauge('frontends', 'Addresses that clients connect to, by state', ({ services }) => {
    const counts = new Map(frontendStates.map(state => [state, 0]))
    for (const { frontends } of services) {
      for (const { state } of frontends) counts.set(state, (counts.get(state) ?? 0) + 1)
    }
    return [...counts].map(([state, value]) => ({ labels: { state }, value }))
  })
  gauge(
    'vips',
    'Addresses that are made local to this node, and those that should be and are not',
    ({ vips }) =>
      vips === undefined || vips.mode === 'none'
        ? []
        : [
            { labels: { state: 'local' }, value: vips.local },
            { labels: { state: 'failed' }, value: vips.failed.length },
          ],
  )
  gauge(
    'endpoints_set_aside',
    'Endpoints that get no new connections for a while because dialing them failed',
    ({ services }) => [{ labels: {}, value: services.reduce((sum, port) => sum + port.setAside.length, 0) }],
  )
  gauge('udp_flows', 'UDP clients whose conversation is remembered', ({ workers }) => [
    { labels: {}, value: workers.reduce((sum, { udpFlows }) => sum + udpFlows, 0) },
  ])
  gauge(
    'workers',
    'Workers that take new connections, and workers that only have what is left',
    ({ workers }) =>
      [false, true].map(draining => ({
        labels: { state: draining ? 'draining' : 'serving' },
        value: workers.filter(worker => worker.draining === draining).length,
      })),
  )
  gauge(
    'draining_connections_active',
    'TCP connections that workers have open which are draining',
    status => [{ labels: {}, value: sum(status.workers.filter(({ draining }) => draining)) }],
  )
  snapshotMetric({
    registry,
    type: 'counter',
    name: 'kube_relay_worker_restarts_total',
    help: 'Workers that were replaced, by what had become of them',
    samples: () => {
      const { crashed = 0, hung = 0, stopped = 0 } = current()?.workerRestarts ?? {}
      const counts = { crashed, hung, stopped }
      return Object.entries(counts).map(([reason, value]) => ({ labels: { reason }, value }))
    },
  })
  snapshotMetric({
    registry,
    type: 'counter',
    name: 'kube_relay_access_log_lines_total',
    help: 'Lines of the access log, by what became of them',
    samples: () => {
      const { accessLog } = current() ?? {}
      if (accessLog === undefined) return []
      const { written, dropped } = accessLog
      return Object.entries({ written, dropped }).map(([result, value]) => ({ labels: { result }, value }))
    },
  })
  perWorker(
    'responding',
    '0 while the worker does not answer; its other series are as last known then',
    worker => Number(worker.responding),
  )
  perWorker('generation', 'The generation that the worker has applied', ({ generation }) => generation)
  perWorker(
    'connections_active',
    'TCP connections that the worker has open',
    ({ activeConnections }) => activeConnections,
  )
  perWorker(
    'descriptors_used',
    'File descriptors that connections and flows hold or are promised',
    ({ descriptors }) => descriptors.used,
  )
  perWorker(
    'descriptors_limit',
    'File descriptors that connections and flows may hold',
    ({ descriptors }) => descriptors.limit,
  )
  perWorker('accepting', '1 while the worker accepts, 0 while it lacks descriptors', ({ descriptors }) =>
    Number(descriptors.accepting),
  )
  gauge('worker_resident_memory_bytes', 'Memory of the worker as the kernel counts it', ({ workers }) =>
    workers.flatMap(({ draining, index, pid }) => {
      const value = draining ? null : residentMemoryOf(pid)
      return value === null ? [] : [{ labels: { worker: String(index) }, value }]
    }),
  )
}

function sum(workers: readonly WorkerStatus[]): number {
  return workers.reduce((total, { activeConnections }) => total + activeConnections, 0)
}
