// A write of a Service as its author means it. What was allocated and isn't mentioned stays, as long as the new type
// still has it, so that one manifest can be written twice; what was merely left in from an old type goes. After the real
// server's patchAllocatedValues, normalizeClusterIPs (registry/core/service/storage) and dropTypeDependentFields
// (registry/core/service/strategy.go). Pure.

import { isDeepStrictEqual } from 'node:util'
import type { Service, ServicePort, ServiceSpec } from '../kinds/api-types.ts'
import {
  hasClusterIps,
  isExternallyAccessible,
  mayHaveNodePorts,
  needsHealthCheckNodePort,
  needsNodePorts,
} from './service-defaults.ts'

/** A new Service of an author who knows clusterIP only. */
export function withClusterIpList(service: Service): Service {
  const { clusterIP, clusterIPs } = service.spec
  if (clusterIP === undefined || clusterIPs !== undefined) return service
  return { ...service, spec: { ...service.spec, clusterIPs: [clusterIP] } }
}

/** The update with the addresses and ports of `stored` that it doesn't mention: before anything new is allocated. */
export function withStoredAllocations(updated: Service, stored: Service): Service {
  const { spec } = updated
  const old = stored.spec
  const keepsHealthPort = needsHealthCheckNodePort(old) && needsHealthCheckNodePort(spec)
  const healthCheckNodePort =
    spec.healthCheckNodePort ?? (keepsHealthPort ? old.healthCheckNodePort : undefined)
  return {
    ...updated,
    spec: {
      ...spec,
      ...withStoredClusterIps(spec, old),
      ...(spec.ports && needsNodePorts(old) && needsNodePorts(spec)
        ? { ports: withStoredNodePorts(spec.ports, old.ports ?? []) }
        : {}),
      ...(healthCheckNodePort === undefined ? {} : { healthCheckNodePort }),
    },
  }
}

/** clusterIP and clusterIPs, made to agree where only one of them was changed. */
function withStoredClusterIps(spec: ServiceSpec, old: ServiceSpec): ServiceSpec {
  const keeps = hasClusterIps(old) && hasClusterIps(spec)
  const clusterIP = spec.clusterIP ?? (keeps ? old.clusterIP : undefined)
  let clusterIPs = spec.clusterIPs ?? (keeps ? old.clusterIPs : undefined)
  if (old.clusterIPs && !clusterIPs && old.clusterIP === clusterIP) clusterIPs = old.clusterIPs
  if (clusterIP !== old.clusterIP && isDeepStrictEqual(clusterIPs, old.clusterIPs)) {
    clusterIPs = clusterIP === undefined ? undefined : [clusterIP]
  }
  return {
    ...(clusterIP === undefined ? {} : { clusterIP }),
    ...(clusterIPs === undefined ? {} : { clusterIPs }),
  }
}

type Ports = NonNullable<ServiceSpec['ports']>

/** By the ports' names; a nodePort that the update gives to another port is not given twice. */
function withStoredNodePorts(ports: Ports, old: Ports): Ports {
  const asked = new Set(ports.map(port => port.nodePort))
  const byName = new Map(old.map(port => [port.name ?? '', port.nodePort]))
  return ports.map(port => {
    const kept = byName.get(port.name ?? '')
    return port.nodePort || !kept || asked.has(kept) ? port : { ...port, nodePort: kept }
  })
}

/**
 * The update without what its new type can't have and its author merely left as it was. What the author changed stays,
 * and is refused by validation.
 */
export function withoutTypeDependentFields(updated: Service, stored: Service): Service {
  const old = stored.spec
  const next: { -readonly [K in keyof ServiceSpec]: ServiceSpec[K] } = { ...updated.spec }
  const same = (...fields: readonly (keyof ServiceSpec)[]): boolean =>
    fields.every(field => isDeepStrictEqual(next[field], old[field]))

  if (hasClusterIps(old) && !hasClusterIps(next)) {
    if (same('clusterIP', 'clusterIPs')) {
      delete next.clusterIP
      delete next.clusterIPs
    }
    if (same('ipFamilies')) delete next.ipFamilies
    if (same('ipFamilyPolicy')) delete next.ipFamilyPolicy
  }
  if (next.ports && mayHaveNodePorts(old) && !mayHaveNodePorts(next)) {
    const had = new Set(old.ports?.map(port => port.nodePort))
    if (next.ports.every(port => port.nodePort === undefined || had.has(port.nodePort))) {
      next.ports = next.ports.map(withoutNodePort)
    }
  }
  if (needsHealthCheckNodePort(old) && !needsHealthCheckNodePort(next) && same('healthCheckNodePort')) {
    delete next.healthCheckNodePort
  }
  if (old.type === 'LoadBalancer' && next.type !== 'LoadBalancer') {
    if (same('allocateLoadBalancerNodePorts')) delete next.allocateLoadBalancerNodePorts
    if (same('loadBalancerClass')) delete next.loadBalancerClass
  }
  if (isExternallyAccessible(old) && !isExternallyAccessible(next) && same('externalTrafficPolicy')) {
    delete next.externalTrafficPolicy
  }
  const service = { ...updated, spec: next }
  return next.type === 'LoadBalancer'
    ? service
    : { ...service, status: { ...updated.status, loadBalancer: {} } }
}

function withoutNodePort(port: ServicePort): ServicePort {
  const { nodePort: _, ...rest } = port
  return rest
}
