// Which Services are refused, and why: every rule of the real API server (pkg/apis/core/validation, ValidateService and
// ValidateServiceUpdate) in its order, with its reasons and field paths. Runs on an object that the schema has checked,
// the defaults have filled and that has its addresses and ports; whether they were free is the allocators' matter.

import { isPort } from '../../model/address.ts'
import type { Service, ServicePort, ServiceSpec } from '../kinds/api-types.ts'
import { FieldErrors } from '../kinds/field-errors.ts'
import { checkCidr, checkLabelMap, checkPublicIp } from '../kinds/metadata-validation.ts'
import { dnsLabel, dnsSubdomain, portName, qualifiedName } from '../kinds/name-formats.ts'
import type { StatusCause } from '../kinds/status.ts'
import { checkClusterIps, checkClusterIpsChange } from './service-cluster-ips.ts'
import { isExternallyAccessible, needsHealthCheckNodePort } from './service-defaults.ts'

const portText = 'must be between 1 and 65535, inclusive'
const balancerOnly = "may only be used when `type` is 'LoadBalancer'"
const longestAffinitySeconds = 86_400
const topologyMode = 'service.kubernetes.io/topology-mode'
const topologyHints = 'service.kubernetes.io/topology-aware-hints'
const sourceRanges = 'service.beta.kubernetes.io/load-balancer-source-ranges'

/** All that is wrong with a Service, or with putting it in `stored`'s place; empty if nothing is. */
export function validateService(service: Service, stored?: Service): readonly StatusCause[] {
  const errors = new FieldErrors()
  if (stored) checkChange(service.spec, stored.spec, errors)
  checkService(service, errors)
  return errors.causes
}

function checkChange(spec: ServiceSpec, old: ServiceSpec, errors: FieldErrors): void {
  checkClusterIpsChange(spec, old, errors)
  const { loadBalancerClass } = spec
  if (old.type === 'LoadBalancer' && spec.type === 'LoadBalancer') {
    if (loadBalancerClass !== old.loadBalancerClass) {
      errors.invalid('spec.loadBalancerClass', loadBalancerClass, 'may not change once set')
    }
  }
  checkLoadBalancerClass(spec, errors)
  if (needsHealthCheckNodePort(old) && needsHealthCheckNodePort(spec)) {
    if (spec.healthCheckNodePort !== old.healthCheckNodePort) {
      errors.forbidden('spec.healthCheckNodePort', 'field is immutable')
    }
  }
}

function checkService(service: Service, errors: FieldErrors): void {
  const { spec } = service
  checkTopologyAnnotations(service, errors)
  checkTypeAndClusterIps(spec, errors)
  const names = new Set<string>()
  const ports = spec.ports ?? []
  ports.forEach((port, i) => checkPort(port, `spec.ports[${i}]`, ports.length > 1, names, errors))
  checkLabelMap(spec.selector ?? {}, 'spec.selector', errors)
  checkAffinity(spec, errors)
  checkClusterIps(spec, errors)
  spec.externalIPs?.forEach((ip, i) => checkPublicIp(ip, `spec.externalIPs[${i}]`, errors))
  checkChoice(spec, 'type', ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'], errors)
  checkNodePorts(spec, errors)
  checkSourceRanges(service, errors)
  if (spec.allocateLoadBalancerNodePorts !== undefined && spec.type !== 'LoadBalancer') {
    errors.forbidden('spec.allocateLoadBalancerNodePorts', balancerOnly)
  }
  checkLoadBalancerClass(spec, errors)
  checkExternalTraffic(spec, errors)
  checkChoice(spec, 'internalTrafficPolicy', ['Cluster', 'Local'], errors)
  checkChoice(spec, 'trafficDistribution', ['PreferClose', 'PreferSameZone', 'PreferSameNode'], errors)
}

function checkTopologyAnnotations({ metadata }: Service, errors: FieldErrors): void {
  const { [topologyMode]: mode, [topologyHints]: hints } = metadata.annotations ?? {}
  if (mode !== undefined && hints !== undefined && mode !== hints) {
    const why = `must match annotations[${topologyHints}] when both are specified`
    errors.invalid(`metadata.annotations[${topologyMode}]`, mode, why)
  }
}

function checkTypeAndClusterIps(spec: ServiceSpec, errors: FieldErrors): void {
  const headless = spec.clusterIPs?.length === 1 && spec.clusterIPs[0] === 'None'
  if (!spec.ports && !headless && spec.type !== 'ExternalName') errors.required('spec.ports')
  if (headless && (spec.type === 'LoadBalancer' || spec.type === 'NodePort')) {
    errors.invalid('spec.clusterIPs[0]', 'None', `may not be set to 'None' for ${spec.type} services`)
  }
  if (spec.type !== 'ExternalName') return
  for (const field of ['clusterIPs', 'ipFamilies', 'ipFamilyPolicy'] as const) {
    if (spec[field] !== undefined)
      errors.forbidden(`spec.${field}`, 'may not be set for ExternalName services')
  }
  // A dot at the end says that the name is complete.
  const name = spec.externalName?.replace(/\.$/, '') ?? ''
  if (name === '') errors.required('spec.externalName')
  else errors.invalidBy(dnsSubdomain(name), 'spec.externalName', name)
}

function checkPort(
  { name, port, protocol, targetPort, appProtocol }: ServicePort,
  field: string,
  nameNeeded: boolean,
  names: Set<string>,
  errors: FieldErrors,
): void {
  if (name !== undefined) {
    errors.invalidBy(dnsLabel(name), `${field}.name`, name)
    if (names.has(name)) errors.duplicate(`${field}.name`, name)
    names.add(name)
  } else if (nameNeeded) {
    errors.required(`${field}.name`)
  }
  if (!isPort(port)) errors.invalid(`${field}.port`, port, portText)
  const protocols = ['SCTP', 'TCP', 'UDP']
  if (!protocols.includes(protocol ?? '')) errors.unsupported(`${field}.protocol`, protocol, protocols)
  if (typeof targetPort === 'string')
    errors.invalidBy(portName(targetPort), `${field}.targetPort`, targetPort)
  else if (!isPort(targetPort)) errors.invalid(`${field}.targetPort`, targetPort, portText)
  if (appProtocol !== undefined)
    errors.invalidBy(qualifiedName(appProtocol), `${field}.appProtocol`, appProtocol)
}

function checkAffinity(spec: ServiceSpec, errors: FieldErrors): void {
  checkChoice(spec, 'sessionAffinity', ['ClientIP', 'None'], errors)
  const seconds = spec.sessionAffinityConfig?.clientIP?.timeoutSeconds
  if (spec.sessionAffinity !== 'ClientIP' || seconds === undefined) return
  if (seconds <= 0 || seconds > longestAffinitySeconds) {
    const field = 'spec.sessionAffinityConfig.clientIP.timeoutSeconds'
    errors.invalid(field, seconds, `must be greater than 0 and less than ${longestAffinitySeconds}`)
  }
}

/** Ports may share a number, or a nodePort, only with different protocols. */
function checkNodePorts({ type, ports = [] }: ServiceSpec, errors: FieldErrors): void {
  if (type === 'ClusterIP') {
    ports.forEach(({ nodePort }, i) => {
      if (nodePort === undefined) return
      errors.forbidden(`spec.ports[${i}].nodePort`, "may not be used when `type` is 'ClusterIP'")
    })
  }
  const nodePorts = new Set<string>()
  ports.forEach(({ protocol, nodePort }, i) => {
    if (nodePort === undefined) return
    const key = `${protocol}:${nodePort}`
    if (nodePorts.has(key)) errors.duplicate(`spec.ports[${i}].nodePort`, nodePort)
    nodePorts.add(key)
  })
  const numbers = new Set<string>()
  ports.forEach(({ protocol, port }, i) => {
    const key = `${protocol}:${port}`
    if (numbers.has(key)) errors.duplicate(`spec.ports[${i}]`, { protocol, port })
    numbers.add(key)
  })
}

/** The field or, where it isn't set, the annotation from before it. The capital letter is the real server's. */
function checkSourceRanges({ metadata, spec }: Service, errors: FieldErrors): void {
  const field = 'spec.LoadBalancerSourceRanges'
  const annotation = metadata.annotations?.[sourceRanges]
  if (spec.loadBalancerSourceRanges) {
    if (spec.type !== 'LoadBalancer') errors.forbidden(field, balancerOnly)
    spec.loadBalancerSourceRanges.forEach((range, i) => checkCidr(range.trim(), `${field}[${i}]`, errors))
  } else if (annotation !== undefined) {
    const annotationField = `metadata.annotations[${sourceRanges}]`
    if (spec.type !== 'LoadBalancer') errors.forbidden(annotationField, balancerOnly)
    if (annotation.trim() === '') return
    for (const range of annotation.split(',')) checkCidr(range.trim(), annotationField, errors)
  }
}

function checkLoadBalancerClass({ type, loadBalancerClass }: ServiceSpec, errors: FieldErrors): void {
  if (loadBalancerClass === undefined) return
  const field = 'spec.loadBalancerClass'
  if (type !== 'LoadBalancer') errors.forbidden(field, balancerOnly)
  else errors.invalidBy(qualifiedName(loadBalancerClass), field, loadBalancerClass)
}

function checkExternalTraffic(spec: ServiceSpec, errors: FieldErrors): void {
  const { externalTrafficPolicy: policy, healthCheckNodePort: port } = spec
  if (isExternallyAccessible(spec)) checkChoice(spec, 'externalTrafficPolicy', ['Cluster', 'Local'], errors)
  else if (policy !== undefined) {
    errors.invalid('spec.externalTrafficPolicy', policy, 'may only be set for externally-accessible services')
  }
  if (port === undefined) return
  if (!needsHealthCheckNodePort(spec)) {
    const why = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
    errors.invalid('spec.healthCheckNodePort', port, why)
  } else if (!isPort(port)) {
    errors.invalid('spec.healthCheckNodePort', port, portText)
  }
}

type ChoiceField =
  'type' | 'sessionAffinity' | 'internalTrafficPolicy' | 'externalTrafficPolicy' | 'trafficDistribution'

function checkChoice(
  spec: ServiceSpec,
  field: ChoiceField,
  supported: readonly string[],
  errors: FieldErrors,
): void {
  const value = spec[field]
  if (value !== undefined && !supported.includes(value)) errors.unsupported(`spec.${field}`, value, supported)
}
