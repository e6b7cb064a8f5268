// Puts the status document together: what should be (the table) and what is (the data plane). The two IP
// families of a service port, which are separate below, are one entry here.

import { formatAddress } from './model/address.ts'
import type { ServicePort } from './model/proxy-table.ts'
import type { DataPlaneStatus, ServicePortStatus } from './dataplane/data-plane.ts'
import {
  addCounts,
  type ConnectionCounts,
  type FrontendStatus,
  type ServiceStatus,
  type StatusDocument,
} from './ops/status.ts'

export interface StatusInput extends Pick<
  StatusDocument,
  'node' | 'generation' | 'source' | 'synced' | 'watches'
> {
  /** While a snapshot is served, whatever `source` says: how old it is, in milliseconds since 1970. Else null. */
  readonly asOf: number | null
  readonly servicePorts: Iterable<ServicePort>
  readonly dataPlane: DataPlaneStatus
}

export function buildStatus({ servicePorts, dataPlane, asOf, ...head }: StatusInput): StatusDocument {
  const services = serviceStatuses(servicePorts, dataPlane.servicePorts)
  const { workers, workerRestarts, dialTimes, accessLog } = dataPlane
  const from = asOf === null ? {} : { source: 'snapshot' as const, asOf: new Date(asOf).toISOString() }
  return { ...head, ...from, services, workers, workerRestarts, dialTimes, ...(accessLog && { accessLog }) }
}

/** What the whole status says of each port of these Services; `running`: what the data plane has, of more perhaps. */
export function serviceStatuses(
  servicePorts: Iterable<ServicePort>,
  running: readonly ServicePortStatus[],
): readonly ServiceStatus[] {
  const byKey = new Map(running.map(port => [port.key, port]))
  const merged = new Map<string, ServiceStatus>()
  for (const port of [...servicePorts].sort(byName)) {
    const name = `${port.namespace}/${port.name}:${port.portName}/${port.protocol}`
    const status = serviceStatus(port, byKey.get(port.key))
    const other = merged.get(name)
    merged.set(name, other === undefined ? status : mergeFamilies(other, status))
  }
  return [...merged.values()]
}

function serviceStatus(port: ServicePort, running: ServicePortStatus | undefined): ServiceStatus {
  const states = new Map(running?.frontends.map(frontend => [frontend.address, frontend]))
  const { namespace, name, portName, protocol, type, cluster, local } = port
  return {
    namespace,
    name,
    portName,
    protocol,
    type,
    sessionAffinity: port.affinityTimeoutSeconds === null ? 'None' : 'ClientIP',
    endpoints: { cluster, local },
    setAside: running?.setAside ?? [],
    frontends: port.frontends.map(({ kind, ip, port: number, conflict }): FrontendStatus => {
      const address = formatAddress(ip, number)
      if (conflict !== undefined) return { kind, address, state: 'conflict', reason: conflict }
      const { state, reason } = states.get(address) ?? { state: 'binding' as const }
      return reason === undefined ? { kind, address, state } : { kind, address, state, reason }
    }),
    connections: running?.connections ?? noConnections,
  }
}

const noConnections: ConnectionCounts = {
  active: 0,
  total: 0,
  bytesIn: 0,
  bytesOut: 0,
  dialRetries: 0,
  dialFailures: 0,
  failures: {},
}

function mergeFamilies(a: ServiceStatus, b: ServiceStatus): ServiceStatus {
  return {
    ...a,
    endpoints: {
      cluster: mergeLists(a.endpoints.cluster, b.endpoints.cluster),
      local: mergeLists(a.endpoints.local, b.endpoints.local),
    },
    setAside: [...a.setAside, ...b.setAside],
    frontends: [...a.frontends, ...b.frontends],
    connections: addCounts(a.connections, b.connections),
  }
}

function mergeLists(a: readonly string[] | null, b: readonly string[] | null): readonly string[] | null {
  return a === null || b === null ? (a ?? b) : [...a, ...b]
}

/** By namespace, name, port name, protocol; IPv4 before IPv6. */
function byName(a: ServicePort, b: ServicePort): number {
  return a.key < b.key ? -1 : 1
}
