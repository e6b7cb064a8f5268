// What all workers say of themselves, as one data plane's status: counts are added up, counts of workers that are gone
// included, and an address is as well off as it is with the worker that has it best.

import type { ConnectionStatus, FrontendStatus, ServicePortStatus } from '../dataplane/data-plane.ts'
import { failureReasons } from '../dataplane/service-state.ts'
import type { ServicePortKey } from '../model/proxy-table.ts'
import type { AffineEndpoint, EndpointTraffic, ServicePortInspection } from '../ops/endpoint-detail.ts'
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
  const frontends = isSameList(a.frontends, b.frontends)
    ? a.frontends
    : mergeFrontends(a.frontends, b.frontends)
  const setAside = b.setAside.length === 0 ? a.setAside : [...new Set([...a.setAside, ...b.setAside])]
  const connections = isUnused(b.connections)
    ? a.connections
    : isUnused(a.connections)
      ? b.connections
      : addCounts(a.connections, b.connections)
  // Most of thousands of service ports are idle: of these, no new one is made.
  const isFirst = frontends === a.frontends && setAside === a.setAside && connections === a.connections
  return isFirst ? a : { key: a.key, frontends, setAside, connections }
}

/** It has counted nothing since its start. */
function isUnused({ total, dialFailures, failures }: ConnectionStatus): boolean {
  if (total > 0 || dialFailures > 0) return false
  for (const reason of failureReasons) if (failures[reason] > 0) return false
  return true
}

function isSameList(a: readonly FrontendStatus[], b: readonly FrontendStatus[]): boolean {
  return (
    a.length === b.length &&
    a.every(({ address, state, reason }, index) => {
      const other = b[index]
      return address === other?.address && state === other.state && reason === other.reason
    })
  )
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

/** Merges what each worker has of a few service ports, in the order of the first. */
export function mergeInspections(
  workers: Iterable<readonly ServicePortInspection[]>,
): readonly ServicePortInspection[] {
  const merged = new Map<ServicePortKey, ServicePortInspection>()
  for (const ports of workers) {
    for (const port of ports) {
      const other = merged.get(port.key)
      merged.set(port.key, other === undefined ? port : mergeInspection(other, port))
    }
  }
  return [...merged.values()]
}

function mergeInspection(a: ServicePortInspection, b: ServicePortInspection): ServicePortInspection {
  const endpoints = new Map(a.endpoints.map(endpoint => [endpoint.address, endpoint]))
  for (const endpoint of b.endpoints) {
    const other = endpoints.get(endpoint.address)
    endpoints.set(endpoint.address, other === undefined ? endpoint : mergeTraffic(other, endpoint))
  }
  const affinity =
    a.affinity === null || b.affinity === null
      ? (a.affinity ?? b.affinity)
      : {
          cluster: surer(a.affinity.cluster, b.affinity.cluster),
          local: surer(a.affinity.local, b.affinity.local),
        }
  return { key: a.key, endpoints: [...endpoints.values()], affinity }
}

/** Set aside for as long as one worker keeps to it; gone where it is so for all. */
function mergeTraffic(a: EndpointTraffic, b: EndpointTraffic): EndpointTraffic {
  return {
    address: a.address,
    active: a.active + b.active,
    total: a.total + b.total,
    bytesIn: a.bytesIn + b.bytesIn,
    bytesOut: a.bytesOut + b.bytesOut,
    failures: {
      refused: a.failures.refused + b.failures.refused,
      timeout: a.failures.timeout + b.failures.timeout,
    },
    setAsideForMs:
      a.setAsideForMs === null || b.setAsideForMs === null
        ? (a.setAsideForMs ?? b.setAsideForMs)
        : Math.max(a.setAsideForMs, b.setAsideForMs),
    gone: a.gone && b.gone,
  }
}

/** What a worker remembers goes before what another one computes. */
function surer(a: AffineEndpoint | null, b: AffineEndpoint | null): AffineEndpoint | null {
  return a === null || (!a.remembered && b?.remembered === true) ? b : a
}
