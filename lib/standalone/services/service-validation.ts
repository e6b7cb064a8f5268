// Which Services are refused, and why, in the real API server's words (pkg/apis/core/validation). Runs on an object
// that the schema has checked and the defaults have filled; whether an address or port is free is the allocators'
// matter.

import { canonicalIp, isPort } from '../../model/address.ts'
import type { Service, ServicePort, ServiceSpec } from '../kinds/api-types.ts'
import { FieldErrors } from '../kinds/field-errors.ts'
import {
  checkCidr,
  checkDnsLabel,
  checkDnsSubdomain,
  checkLabelMap,
  checkPublicIp,
} from '../kinds/metadata-validation.ts'
import { isHeadless } from './service-defaults.ts'
import type { StatusCause } from '../kinds/status.ts'

const portRangeText = 'must be between 1 and 65535, inclusive'
const portName = /^(?!.*--)[a-z0-9]([-a-z0-9]*[a-z0-9])?$/
const longestAffinitySeconds = 86_400

/** All that is wrong with a Service's spec; empty if nothing is. */
export function validateService(service: Service): readonly StatusCause[] {
  const errors = new FieldErrors()
  const { spec } = service
  checkChoices(spec, errors)
  checkPorts(spec, errors)
  checkAddresses(spec, errors)
  checkLabelMap(spec.selector ?? {}, 'spec.selector', errors)
  const timeout = spec.sessionAffinityConfig?.clientIP?.timeoutSeconds
  if (spec.sessionAffinity === 'ClientIP' && timeout !== undefined) {
    if (timeout <= 0 || timeout > longestAffinitySeconds) {
      errors.invalid(
        'spec.sessionAffinityConfig.clientIP.timeoutSeconds',
        timeout,
        `must be greater than 0 and less than ${longestAffinitySeconds}`,
      )
    }
  } else if (spec.sessionAffinityConfig !== undefined && spec.sessionAffinity === 'None') {
    errors.forbidden('spec.sessionAffinityConfig', 'must not be set when session affinity is None')
  }
  return errors.causes
}

function checkChoices(spec: ServiceSpec, errors: FieldErrors): void {
  const check = (field: keyof ServiceSpec, supported: readonly string[]): void => {
    const value = spec[field]
    if (value !== undefined && !supported.includes(value as string))
      errors.unsupported(`spec.${field}`, value, supported)
  }
  check('type', ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'])
  check('sessionAffinity', ['ClientIP', 'None'])
  check('internalTrafficPolicy', ['Cluster', 'Local'])
  check('externalTrafficPolicy', ['Cluster', 'Local'])
  check('ipFamilyPolicy', ['SingleStack', 'PreferDualStack', 'RequireDualStack'])
  spec.ipFamilies?.forEach((family, i) => {
    if (family !== 'IPv4' && family !== 'IPv6')
      errors.unsupported(`spec.ipFamilies[${i}]`, family, ['IPv4', 'IPv6'])
  })
}

function checkPorts(spec: ServiceSpec, errors: FieldErrors): void {
  const ports = spec.ports ?? []
  if (ports.length === 0 && spec.type !== 'ExternalName' && !isHeadless(spec)) errors.required('spec.ports')
  const names = new Set<string>()
  const numbers = new Set<string>()
  const nodePorts = new Set<string>()
  ports.forEach((port, i) => {
    const field = `spec.ports[${i}]`
    checkPort(port, field, ports.length > 1, errors)
    if (port.name) {
      if (names.has(port.name)) errors.duplicate(`${field}.name`, port.name)
      names.add(port.name)
    }
    const number = `${port.protocol}:${port.port}`
    if (port.port !== undefined && numbers.has(number)) {
      errors.duplicate(field, { protocol: port.protocol, port: port.port })
    }
    numbers.add(number)
    if (!port.nodePort) return
    if (spec.type === 'ClusterIP' || spec.type === 'ExternalName') {
      errors.forbidden(`${field}.nodePort`, `may not be used when \`type\` is '${spec.type}'`)
    }
    const nodePort = `${port.protocol}:${port.nodePort}`
    if (nodePorts.has(nodePort)) errors.duplicate(`${field}.nodePort`, port.nodePort)
    nodePorts.add(nodePort)
  })
}

function checkPort(port: ServicePort, field: string, nameNeeded: boolean, errors: FieldErrors): void {
  if (nameNeeded && !port.name) errors.required(`${field}.name`)
  else if (port.name) checkDnsLabel(port.name, `${field}.name`, errors)
  if (port.port === undefined) errors.required(`${field}.port`)
  else if (!isPort(port.port)) errors.invalid(`${field}.port`, port.port, portRangeText)
  if (!['TCP', 'UDP', 'SCTP'].includes(port.protocol ?? '')) {
    errors.unsupported(`${field}.protocol`, port.protocol, ['SCTP', 'TCP', 'UDP'])
  }
  const { targetPort } = port
  if (typeof targetPort === 'number' && !isPort(targetPort)) {
    errors.invalid(`${field}.targetPort`, targetPort, portRangeText)
  } else if (typeof targetPort === 'string' && !isPortName(targetPort)) {
    errors.invalid(
      `${field}.targetPort`,
      targetPort,
      'must be a port name of at most 15 characters, lower-case alphanumerics or "-", with at least one letter',
    )
  }
}

/** IANA_SVC_NAME (RFC 6335, 5.1). */
function isPortName(text: string): boolean {
  return text.length <= 15 && portName.test(text) && /[a-z]/.test(text)
}

function checkAddresses(spec: ServiceSpec, errors: FieldErrors): void {
  if (spec.type === 'ExternalName') {
    if (!spec.externalName) errors.required('spec.externalName')
    else checkDnsSubdomain(spec.externalName.replace(/\.$/, ''), 'spec.externalName', errors)
    if (spec.clusterIP) errors.forbidden('spec.clusterIPs', 'may not be set when `type` is ExternalName')
  }
  const clusterIps = spec.clusterIPs?.length ? spec.clusterIPs : spec.clusterIP ? [spec.clusterIP] : []
  if (spec.clusterIP && spec.clusterIPs?.length && spec.clusterIPs[0] !== spec.clusterIP) {
    errors.invalid('spec.clusterIPs', spec.clusterIPs, 'first value must match `clusterIP`')
  }
  clusterIps.forEach((ip, i) => {
    if (ip === 'None') {
      if (i > 0) errors.invalid(`spec.clusterIPs[${i}]`, ip, "'None' must be the first and only value")
      else if (spec.type === 'NodePort' || spec.type === 'LoadBalancer') {
        errors.invalid('spec.clusterIPs[0]', ip, `may not be set to 'None' for ${spec.type} services`)
      }
    } else if (canonicalIp(ip) === null) {
      const field = spec.clusterIPs?.length ? `spec.clusterIPs[${i}]` : 'spec.clusterIP'
      errors.invalid(field, ip, 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)')
    }
  })
  spec.externalIPs?.forEach((ip, i) => checkPublicIp(ip, `spec.externalIPs[${i}]`, errors))
  spec.loadBalancerSourceRanges?.forEach((range, i) =>
    checkCidr(range.trim(), `spec.loadBalancerSourceRanges[${i}]`, errors),
  )
}
