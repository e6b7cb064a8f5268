// What a Service gets when its author left it out, as the real API server fills it in (pkg/apis/core/v1/defaults.go)
// before anything else looks at it, and which fields go with which type. Pure.

import type { Service, ServicePort, ServiceSpec } from '../kinds/api-types.ts'

const defaultAffinityTimeoutSeconds = 10_800

/** Whether a type has cluster IPs (or "None") at all. */
export function hasClusterIps(spec: ServiceSpec): boolean {
  return spec.type !== 'ExternalName'
}

export function isHeadless(spec: ServiceSpec): boolean {
  return spec.clusterIP === 'None' || spec.clusterIPs?.[0] === 'None'
}

/** Whether the ports of this Service may have a nodePort. */
export function mayHaveNodePorts(spec: ServiceSpec): boolean {
  return spec.type === 'NodePort' || spec.type === 'LoadBalancer'
}

/** Whether each port of this Service gets a nodePort, asked or not. */
export function needsNodePorts(spec: ServiceSpec): boolean {
  if (spec.type === 'NodePort') return true
  return spec.type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts !== false
}

/** Whether this Service gets a healthCheckNodePort. */
export function needsHealthCheckNodePort(spec: ServiceSpec): boolean {
  return spec.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local'
}

/** Whether an externalTrafficPolicy means anything to this Service. */
export function isExternallyAccessible(spec: ServiceSpec): boolean {
  return mayHaveNodePorts(spec) || (spec.type === 'ClusterIP' && (spec.externalIPs ?? []).length > 0)
}

/** A Service as its author means it: without fields that say nothing, and with the defaults of those left out. */
export function withServiceDefaults(service: Service): Service {
  const spec = withoutEmptyFields(service.spec)
  const { sessionAffinity = 'None', sessionAffinityConfig, ...rest } = spec
  const type = spec.type ?? 'ClusterIP'
  return {
    ...service,
    spec: {
      ...rest,
      type,
      sessionAffinity,
      ...(spec.ports ? { ports: spec.ports.map(withPortDefaults) } : {}),
      ...affinityConfig(sessionAffinity, sessionAffinityConfig),
      ...(isExternallyAccessible({ ...spec, type })
        ? { externalTrafficPolicy: spec.externalTrafficPolicy ?? 'Cluster' }
        : {}),
      ...(['ClusterIP', 'NodePort', 'LoadBalancer'].includes(type)
        ? { internalTrafficPolicy: spec.internalTrafficPolicy ?? 'Cluster' }
        : {}),
      ...(type === 'LoadBalancer'
        ? { allocateLoadBalancerNodePorts: spec.allocateLoadBalancerNodePorts ?? true }
        : {}),
    },
  }
}

type AffinityConfig = ServiceSpec['sessionAffinityConfig']

function affinityConfig(
  affinity: string,
  config: AffinityConfig,
): Pick<ServiceSpec, 'sessionAffinityConfig'> {
  if (affinity === 'None') return {}
  if (affinity !== 'ClientIP') return config === undefined ? {} : { sessionAffinityConfig: config }
  const timeoutSeconds = config?.clientIP?.timeoutSeconds ?? defaultAffinityTimeoutSeconds
  return { sessionAffinityConfig: { clientIP: { timeoutSeconds } } }
}

function withPortDefaults(port: ServicePort): ServicePort {
  const { name, nodePort, targetPort, ...rest } = port
  return {
    ...rest,
    ...(name ? { name } : {}),
    ...(nodePort ? { nodePort } : {}),
    // A port that is missing is 0 to the real server, and refused as such.
    port: port.port ?? 0,
    protocol: port.protocol || 'TCP',
    targetPort: targetPort || (port.port ?? 0),
  }
}

/** Fields whose empty value ("", 0, false, [] or {}) the API doesn't tell from their absence. */
const emptyMeansAbsent: readonly (keyof ServiceSpec)[] = [
  'type',
  'ports',
  'selector',
  'clusterIP',
  'clusterIPs',
  'ipFamilies',
  'externalIPs',
  'externalName',
  'sessionAffinity',
  'loadBalancerIP',
  'loadBalancerSourceRanges',
  'externalTrafficPolicy',
  'healthCheckNodePort',
  'publishNotReadyAddresses',
]

function withoutEmptyFields(spec: ServiceSpec): ServiceSpec {
  const kept = Object.entries(spec).filter(
    ([field, value]) => !isEmpty(value) || !emptyMeansAbsent.includes(field as keyof ServiceSpec),
  )
  return Object.fromEntries(kept)
}

function isEmpty(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return !value
  return Object.keys(value).length === 0
}
