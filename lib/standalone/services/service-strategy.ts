// How Services are written, in the real API server's order: defaults, what the stored object adds, addresses and ports,
// then validation. So what can't be had is refused before what is wrong, and nothing is taken unless both are right.

import type { KubeObject } from '../../model/objects.ts'
import type { Service } from '../kinds/api-types.ts'
import { services } from '../kinds/resources.ts'
import { invalid } from '../kinds/status.ts'
import type { Strategy } from '../kinds/strategy.ts'
import type { ServiceAllocation } from './service-allocation.ts'
import { withServiceDefaults } from './service-defaults.ts'
import { validateServiceStatus, withStatusDefaults } from './service-status.ts'
import { withClusterIpList, withoutTypeDependentFields, withStoredAllocations } from './service-update.ts'
import { validateService } from './service-validation.ts'

export function serviceStrategy(allocation: ServiceAllocation): Strategy {
  return {
    initialStatus: { loadBalancer: {} },
    prepare(object, stored, { dryRun }) {
      const given = withServiceDefaults(asService(object))
      const before = stored && asService(stored)
      const asked = before ? withStoredAllocations(given, before) : withClusterIpList(given)
      const claim = allocation.claim(asked, before)
      const completed = before ? withoutTypeDependentFields(claim.service, before) : claim.service
      const causes = validateService(completed, before)
      if (causes.length > 0 || dryRun) claim.giveBack()
      else claim.keep(completed)
      if (causes.length > 0) throw invalid(services, completed.metadata.name ?? '', causes)
      return withoutUnusedPolicy(completed)
    },
    prepareStatus(object) {
      const service = withStatusDefaults(asService(object))
      const causes = validateServiceStatus(service)
      if (causes.length > 0) throw invalid(services, service.metadata.name ?? '', causes)
      return service
    },
    released: object => allocation.release(asService(object)),
    adopted: object => allocation.adopt(asService(object)),
  }
}

function asService(object: KubeObject): Service {
  return { ...object, spec: (object['spec'] as Service['spec'] | undefined) ?? {} }
}

/** The real server validates an ExternalName's internalTrafficPolicy, and never shows it. */
function withoutUnusedPolicy(service: Service): Service {
  if (service.spec.type !== 'ExternalName') return service
  const { internalTrafficPolicy: _, ...spec } = service.spec
  return { ...service, spec }
}
