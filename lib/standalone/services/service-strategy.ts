// How Services are written: defaults, validation, what may not change, and then their addresses and ports.

import { canonicalIp } from '../../model/address.ts'
import type { Service } from '../kinds/api-types.ts'
import { FieldErrors } from '../kinds/field-errors.ts'
import { services } from '../kinds/resources.ts'
import { invalid } from '../kinds/status.ts'
import type { Strategy } from '../kinds/strategy.ts'
import type { ServiceAllocation } from './service-allocation.ts'
import { withServiceDefaults, withStoredAllocations } from './service-defaults.ts'
import { validateService } from './service-validation.ts'

export function serviceStrategy(allocation: ServiceAllocation): Strategy {
  return {
    initialStatus: { loadBalancer: {} },
    prepare(object, stored) {
      const given: Service = { ...object, spec: (object['spec'] as Service['spec'] | undefined) ?? {} }
      const before = stored as Service | undefined
      const completed = withServiceDefaults(before ? withStoredAllocations(given, before) : given)
      const causes = validateService(completed)
      if (causes.length > 0) throw invalid(services, completed.metadata.name ?? '', causes)
      if (before) checkImmutable(completed, before)
      return allocation.allocate(completed, before)
    },
    released: object => allocation.release(object as Service),
  }
}

/** A Service keeps its first cluster IP for as long as its type has one. */
function checkImmutable(service: Service, stored: Service): void {
  const was = stored.spec.clusterIP
  const is = service.spec.clusterIPs?.[0] ?? service.spec.clusterIP
  if (service.spec.type === 'ExternalName' || stored.spec.type === 'ExternalName' || !was || is === was)
    return
  if (is !== undefined && canonicalIp(is) === was) return
  const errors = new FieldErrors()
  errors.invalid('spec.clusterIPs[0]', service.spec.clusterIPs ?? [is], 'may not change once set')
  throw invalid(services, service.metadata.name ?? '', errors.causes)
}
