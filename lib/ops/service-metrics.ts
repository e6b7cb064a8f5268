// The metrics of what clients did with Services, as sums by protocol. Those by service port are in service-series.ts.

import type { Registry } from 'prom-client'
import { columns, failures, protocols, type ServiceCounters } from './service-counters.ts'
import { snapshotMetric, type Sample } from './snapshot-metric.ts'
import type { StatusDocument } from './status.ts'

/** Registers them. The counters must have been updated before a page is made. */
export function registerServiceMetrics(
  registry: Registry,
  counters: ServiceCounters,
  current: () => StatusDocument | null,
): void {
  const register = (
    type: 'counter' | 'gauge',
    { name, help }: { readonly name: string; readonly help: string },
    samples: () => readonly Sample[],
  ): void => snapshotMetric({ registry, type, name: `kube_relay_${name}`, help, samples })

  for (const [index, column] of columns.entries()) {
    register('counter', column, () =>
      protocols.map(protocol => ({ labels: { protocol }, value: counters.totalsOf(protocol)[index] ?? 0 })),
    )
  }
  register('counter', failures, () =>
    protocols.flatMap(protocol =>
      counters
        .failuresIn(counters.totalsOf(protocol))
        .map(([reason, value]) => ({ labels: { protocol, reason }, value })),
    ),
  )
  const active = { name: 'connections_active', help: 'Connections (TCP) and flows (UDP) that are open' }
  register('gauge', active, () => {
    const services = current()?.services ?? []
    return protocols.map(protocol => ({
      labels: { protocol },
      value: services.reduce(
        (sum, port) => sum + (port.protocol === protocol ? port.connections.active : 0),
        0,
      ),
    }))
  })
}
