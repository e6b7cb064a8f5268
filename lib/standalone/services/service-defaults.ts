// What a Service gets when its author left it out, as the real API server fills it in (pkg/apis/core/v1/defaults.go)
// before validation; and what an update keeps from the stored object when the new one doesn't say. Pure.

import type { Service, ServicePort, ServiceSpec } from '../kinds/api-types.ts'

const defaultAffinityTimeoutSeconds = 10_800

/** Whether a type has cluster IPs (or "None") at all. */
export function hasClusterIps(spec: ServiceSpec): boolean {
  return spec.type !== 'ExternalName'
}

export function isHeadless(spec: ServiceSpec): boolean {
  return spec.clusterIP === 'None' || spec.clusterIPs?.[0] === 'None'
}

/** Whether each port of this Service gets a nodePort. */
export function needsNodePorts(spec: ServiceSpec): boolean {
  if (spec.type === 'NodePort') return true
  return spec.type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts !== false
}

/** Whether this Service gets a healthCheckNodePort. */
export function needsHealthCheckNodePort(spec: ServiceSpec): boolean {
  return spec.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local'
}

export function withServiceDefaults(service: Service): Service {
  const spec = service.spec
  const type = spec.type ?? 'ClusterIP'
  const sessionAffinity = spec.sessionAffinity ?? 'None'
  const external =
    type === 'NodePort' ||
    type === 'LoadBalancer' ||
    (type === 'ClusterIP' && (spec.externalIPs ?? []).length > 0)
  return {
    ...service,
    spec: {
      ...spec,
      type,
      sessionAffinity,
      ...(spec.ports ? { ports: spec.ports.map(withPortDefaults) } : {}),
      ...(sessionAffinity === 'ClientIP'
        ? {
            sessionAffinityConfig: {
              clientIP: {
                timeoutSeconds:
                  spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? defaultAffinityTimeoutSeconds,
              },
            },
          }
        : {}),
      ...(external ? { externalTrafficPolicy: spec.externalTrafficPolicy ?? 'Cluster' } : {}),
      ...(type === 'ExternalName' ? {} : { internalTrafficPolicy: spec.internalTrafficPolicy ?? 'Cluster' }),
      ...(type === 'LoadBalancer'
        ? { allocateLoadBalancerNodePorts: spec.allocateLoadBalancerNodePorts ?? true }
        : {}),
    },
  }
}

function withPortDefaults(port: ServicePort): ServicePort {
  const { targetPort } = port
  const unset = targetPort === undefined || targetPort === 0 || targetPort === ''
  return {
    ...port,
    protocol: port.protocol ?? 'TCP',
    ...(unset && port.port !== undefined ? { targetPort: port.port } : {}),
  }
}

/**
 * An update as its author means it: allocated addresses and ports that the new object leaves out stay, as long as
 * its type still has them (the real server's patchAllocatedValues), and those that a new type can't have go, if the
 * author merely left them in (dropTypeDependentFields).
 */
export function withStoredAllocations(updated: Service, stored: Service): Service {
  const spec: ServiceSpec = updated.spec
  const old = stored.spec
  const type = spec.type ?? 'ClusterIP'
  const typed: ServiceSpec = { ...spec, type }
  const next: { -readonly [K in keyof ServiceSpec]: ServiceSpec[K] } = { ...typed }

  if (hasClusterIps(typed) && hasClusterIps(old)) {
    if (!spec.clusterIP && !spec.clusterIPs?.length) {
      if (old.clusterIP !== undefined) next.clusterIP = old.clusterIP
      if (old.clusterIPs !== undefined) next.clusterIPs = old.clusterIPs
    }
    if (!spec.ipFamilies?.length && old.ipFamilies) next.ipFamilies = old.ipFamilies
    if (spec.ipFamilyPolicy === undefined && old.ipFamilyPolicy !== undefined)
      next.ipFamilyPolicy = old.ipFamilyPolicy
  } else if (!hasClusterIps(typed) && hasClusterIps(old) && spec.clusterIP === old.clusterIP) {
    delete next.clusterIP
    delete next.clusterIPs
    delete next.ipFamilies
    delete next.ipFamilyPolicy
  }

  const oldNodePorts = new Map(old.ports?.map(port => [portKey(port), port.nodePort]))
  if (spec.ports && needsNodePorts(typed) && needsNodePorts(old)) {
    const asked = new Set(spec.ports.map(port => port.nodePort))
    next.ports = spec.ports.map(port => {
      const kept = oldNodePorts.get(portKey(port))
      return port.nodePort || !kept || asked.has(kept) ? port : { ...port, nodePort: kept }
    })
  } else if (spec.ports && !needsNodePorts(typed) && needsNodePorts(old)) {
    next.ports = spec.ports.map(port => {
      const { nodePort, ...rest } = port
      return nodePort !== undefined && nodePort === oldNodePorts.get(portKey(port)) ? rest : port
    })
  }

  if (needsHealthCheckNodePort(typed) && needsHealthCheckNodePort(old)) {
    if (!spec.healthCheckNodePort && old.healthCheckNodePort)
      next.healthCheckNodePort = old.healthCheckNodePort
  } else if (!needsHealthCheckNodePort(typed) && spec.healthCheckNodePort === old.healthCheckNodePort) {
    delete next.healthCheckNodePort
  }
  if (type === 'ClusterIP' && old.type !== 'ClusterIP' && !spec.externalIPs?.length)
    delete next.externalTrafficPolicy
  if (type !== 'LoadBalancer' && old.type === 'LoadBalancer') delete next.allocateLoadBalancerNodePorts
  return { ...updated, spec: next }
}

function portKey(port: ServicePort): string {
  return `${port.protocol ?? 'TCP'}:${port.port}`
}
