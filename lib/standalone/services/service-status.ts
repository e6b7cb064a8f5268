// A Service's status as the real API server takes it from whoever runs its load balancer
// (pkg/apis/core/validation, ValidateLoadBalancerStatus).

import { canonicalIp } from '../../model/address.ts'
import type { LoadBalancerIngress, Service } from '../kinds/api-types.ts'
import { FieldErrors } from '../kinds/field-errors.ts'
import { dnsSubdomain } from '../kinds/name-formats.ts'
import type { StatusCause } from '../kinds/status.ts'

const ipText = 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'

/** The status with the default of ipMode. */
export function withStatusDefaults(service: Service): Service {
  const { ingress, ...others } = service.status?.loadBalancer ?? {}
  if (service.spec.type !== 'LoadBalancer' || !ingress) return service
  const completed = ingress.map(entry => (entry.ip && !entry.ipMode ? { ...entry, ipMode: 'VIP' } : entry))
  return { ...service, status: { ...service.status, loadBalancer: { ...others, ingress: completed } } }
}

/** All that is wrong with the status; empty if nothing is. */
export function validateServiceStatus({ spec, status }: Service): readonly StatusCause[] {
  const errors = new FieldErrors()
  const ingress = status?.loadBalancer?.ingress ?? []
  const field = 'status.loadBalancer.ingress'
  if (spec.type !== 'LoadBalancer' && ingress.length > 0) {
    errors.forbidden(field, 'may only be used when `spec.type` is LoadBalancer')
  } else {
    ingress.forEach((entry, i) => checkIngress(entry, `${field}[${i}]`, errors))
  }
  return errors.causes
}

function checkIngress(
  { ip, ipMode, hostname }: LoadBalancerIngress,
  field: string,
  errors: FieldErrors,
): void {
  if (ip && canonicalIp(ip) === null) errors.invalid(`${field}.ip`, ip, ipText)
  const modes = ['Proxy', 'VIP']
  if (ipMode !== undefined) {
    if (!ip) errors.forbidden(`${field}.ipMode`, 'may not be specified when `ip` is not set')
    else if (!modes.includes(ipMode)) errors.unsupported(`${field}.ipMode`, ipMode, modes)
  }
  if (!hostname) return
  errors.invalidBy(dnsSubdomain(hostname), `${field}.hostname`, hostname)
  if (canonicalIp(hostname) !== null) {
    errors.invalid(`${field}.hostname`, hostname, 'must be a DNS name, not an IP address')
  }
}
