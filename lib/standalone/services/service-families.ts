// Which IP families a Service gets: what it asks for, by ipFamilies, ipFamilyPolicy or the addresses themselves, as
// far as the cluster has them. After the real server's pkg/registry/core/service/storage/alloc.go.

import { canonicalIp, familyOf, type IpFamily } from '../../model/address.ts'
import type { ServiceSpec } from '../kinds/api-types.ts'
import type { FieldErrors } from '../kinds/field-errors.ts'
import { hasClusterIps, isHeadless } from './service-defaults.ts'

/** The spec with ipFamilies and ipFamilyPolicy set. What can't be had is added to `errors`. */
export function chooseFamilies(
  spec: ServiceSpec,
  clusterFamilies: readonly IpFamily[],
  errors: FieldErrors,
): ServiceSpec {
  if (!hasClusterIps(spec)) return spec
  const policy = spec.ipFamilyPolicy ?? (isDualAsked(spec) ? 'RequireDualStack' : 'SingleStack')
  const asked = askedFamilies(spec)
  asked.forEach((family, i) => {
    if (!clusterFamilies.includes(family)) {
      errors.invalid(`spec.ipFamilies[${i}]`, family, 'not configured on this cluster')
    }
  })
  if (policy === 'RequireDualStack' && clusterFamilies.length < 2) {
    errors.invalid('spec.ipFamilyPolicy', policy, 'this cluster is not configured for dual-stack services')
  }
  if (policy === 'SingleStack' && asked.length > 1) {
    errors.invalid('spec.ipFamilyPolicy', policy, "may be 'SingleStack' only with one IP family")
  }
  const preferred = asked.length > 0 ? asked : clusterFamilies.slice(0, 1)
  const others = clusterFamilies.filter(family => !preferred.includes(family))
  return {
    ...spec,
    ipFamilyPolicy: policy,
    ipFamilies: policy === 'SingleStack' ? preferred.slice(0, 1) : [...preferred, ...others],
  }
}

function isDualAsked(spec: ServiceSpec): boolean {
  return (spec.ipFamilies?.length ?? 0) > 1 || (spec.clusterIPs?.length ?? 0) > 1
}

/** The families that the spec names, or that its addresses are of. */
function askedFamilies(spec: ServiceSpec): readonly IpFamily[] {
  const named = (spec.ipFamilies ?? []).filter(family => family === 'IPv4' || family === 'IPv6')
  if (named.length > 0 || isHeadless(spec)) return named
  const ips = spec.clusterIPs?.length ? spec.clusterIPs : spec.clusterIP ? [spec.clusterIP] : []
  return [...new Set(ips.flatMap(ip => (canonicalIp(ip) === null ? [] : [familyOf(ip)])))]
}
