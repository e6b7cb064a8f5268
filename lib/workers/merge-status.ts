// What all workers say of themselves, as one data plane's status: counts are added up, counts of workers that are gone
// included, and an address is as well off as it is with the worker that has it best.

import type { ConnectionStatus, FrontendStatus, ServicePortStatus } from '../dataplane/data-plane.ts'
import type { ServicePortKey } from '../model/proxy-table.ts'
import { addCounts } from '../ops/status.ts'

/** Merges what each worker has, in the order of the first; `retired` are counts of workers that are gone. */
export function mergeServicePorts(
  workers: Iterable<Iterable<ServicePortStatus>>,
  retired: ReadonlyMap<ServicePortKey, ConnectionStatus>,
): readonly ServicePortStatus[] {
  const merged = new Map<ServicePortKey, ServicePortStatus>()
  for (const ports of workers) {
    for (const port of ports) {
      const other = merged.get(port.key)
      merged.set(port.key, other === undefined ? withRetired(port, retired) : mergePort(other, port))
    }
  }
  return [...merged.values()]
}

/** What is left of a worker's counts when it is gone: its connections are closed. */
export function retiredCounts(counts: ConnectionStatus): ConnectionStatus {
  return { ...counts, active: 0 }
}

function withRetired(
  port: ServicePortStatus,
  retired: ReadonlyMap<ServicePortKey, ConnectionStatus>,
): ServicePortStatus {
  const counts = retired.get(port.key)
  return counts === undefined ? port : { ...port, connections: addCounts(port.connections, counts) }
}

function mergePort(a: ServicePortStatus, b: ServicePortStatus): ServicePortStatus {
  return {
    key: a.key,
    frontends: mergeFrontends(a.frontends, b.frontends),
    setAside: b.setAside.length === 0 ? a.setAside : [...new Set([...a.setAside, ...b.setAside])],
    connections: addCounts(a.connections, b.connections),
  }
}

/** Best first. */
const states: readonly FrontendStatus['state'][] = ['listening', 'bind-failed', 'binding', 'refusing']

function mergeFrontends(
  a: readonly FrontendStatus[],
  b: readonly FrontendStatus[],
): readonly FrontendStatus[] {
  const merged = new Map(a.map(frontend => [frontend.address, frontend]))
  for (const frontend of b) {
    const other = merged.get(frontend.address)
    if (other === undefined || states.indexOf(frontend.state) < states.indexOf(other.state)) {
      merged.set(frontend.address, frontend)
    }
  }
  return [...merged.values()]
}
