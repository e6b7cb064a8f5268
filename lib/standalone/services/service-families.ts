// Which IP families a Service gets: what it asks for, by ipFamilies, ipFamilyPolicy or the addresses themselves, as
// far as the cluster has them; and when an update may give up its second one. After the real server's initIPFamilyFields
// (pkg/registry/core/service/storage/alloc.go).

import { isDeepStrictEqual } from 'node:util'
import { familyOf, type IpFamily } from '../../model/address.ts'
import type { ServiceSpec } from '../kinds/api-types.ts'
import type { FieldErrors } from '../kinds/field-errors.ts'
import { checkClusterIps } from './service-cluster-ips.ts'
import { hasClusterIps } from './service-defaults.ts'

/** The cluster's families, the default one first. */
export type ClusterFamilies = readonly [IpFamily, ...IpFamily[]]

/** The spec with ipFamilies and ipFamilyPolicy set. If something can't be had, it is in `errors`. */
export function chooseFamilies(
  asked: ServiceSpec,
  stored: ServiceSpec | undefined,
  clusterFamilies: ClusterFamilies,
  errors: FieldErrors,
): ServiceSpec {
  if (!hasClusterIps(asked) || keepsPreferredStack(asked, stored)) return asked
  const spec = withPolicy(asked, stored)
  checkClusterIps(spec, errors)
  if (errors.causes.length > 0) return spec

  const reduced = stored ? withoutReleasedSecond(spec, stored, errors) : spec
  checkSingleStack(reduced, errors)
  const families = [...(reduced.ipFamilies ?? []), ...inferredFamilies(reduced, clusterFamilies, errors)]
  if (errors.causes.length > 0) return reduced

  // Whoever makes the endpoints of a headless Service without a selector may make them of any family.
  const anyFamily = reduced.clusterIP === 'None' && !reduced.selector
  if (!anyFamily) checkAvailable(reduced, families, clusterFamilies, errors)
  if (errors.causes.length > 0) return reduced

  const chosen = families.length > 0 ? families : [clusterFamilies[0]]
  const second: IpFamily = chosen[0] === 'IPv4' ? 'IPv6' : 'IPv4'
  const wantsSecond = reduced.ipFamilyPolicy !== 'SingleStack' && chosen.length === 1
  const getsSecond = wantsSecond && (anyFamily || clusterFamilies.length === 2)
  return { ...reduced, ipFamilies: getsSecond ? [...chosen, second] : chosen }
}

/** A Service with PreferDualStack keeps what it has, even if the cluster has become dual-stack or is so no more. */
export function keepsPreferredStack(spec: ServiceSpec, stored: ServiceSpec | undefined): boolean {
  return (
    stored !== undefined &&
    spec.type === stored.type &&
    spec.ipFamilyPolicy === 'PreferDualStack' &&
    stored.ipFamilyPolicy === 'PreferDualStack' &&
    isDeepStrictEqual(spec.clusterIPs, stored.clusterIPs) &&
    isDeepStrictEqual(spec.ipFamilies, stored.ipFamilies)
  )
}

function withPolicy(spec: ServiceSpec, stored: ServiceSpec | undefined): ServiceSpec {
  if (spec.ipFamilyPolicy !== undefined) return spec
  const isAnyFamily = spec.clusterIP === 'None' && !spec.selector
  const byDefault = isAnyFamily ? 'RequireDualStack' : 'SingleStack'
  return { ...spec, ipFamilyPolicy: stored?.ipFamilyPolicy ?? byDefault }
}

/** Changing the policy to SingleStack gives up the second family; nothing else does. */
function withoutReleasedSecond(spec: ServiceSpec, stored: ServiceSpec, errors: FieldErrors): ServiceSpec {
  const { clusterIPs, ipFamilies, ipFamilyPolicy } = spec
  if (ipFamilyPolicy === 'SingleStack') {
    const sameIps = isDeepStrictEqual(clusterIPs, stored.clusterIPs)
    const sameFamilies = isDeepStrictEqual(ipFamilies, stored.ipFamilies)
    return {
      ...spec,
      ...(sameIps && clusterIPs ? { clusterIPs: clusterIPs.slice(0, 1) } : {}),
      ...(sameFamilies && ipFamilies ? { ipFamilies: ipFamilies.slice(0, 1) } : {}),
    }
  }
  const isReduced = (now: readonly string[] = [], before: readonly string[] = []): boolean =>
    now.length > 0 && now.length < before.length
  const refuse = (what: string): void =>
    errors.invalid(
      'spec.ipFamilyPolicy',
      ipFamilyPolicy,
      `must be 'SingleStack' to release the secondary ${what}`,
    )
  if (isReduced(clusterIPs, stored.clusterIPs)) refuse('cluster IP')
  if (isReduced(ipFamilies, stored.ipFamilies)) refuse('IP family')
  return spec
}

function checkSingleStack(
  { clusterIPs, ipFamilies, ipFamilyPolicy }: ServiceSpec,
  errors: FieldErrors,
): void {
  if (ipFamilyPolicy !== 'SingleStack') return
  const refuse = (what: string): void =>
    errors.invalid(
      'spec.ipFamilyPolicy',
      ipFamilyPolicy,
      `must be 'RequireDualStack' or 'PreferDualStack' when multiple ${what} are specified`,
    )
  if (clusterIPs?.length === 2) refuse('cluster IPs')
  if (ipFamilies?.length === 2) refuse('IP families')
}

/** The families of the addresses for which no family is given. */
function inferredFamilies(
  { clusterIPs = [], ipFamilies = [] }: ServiceSpec,
  clusterFamilies: readonly IpFamily[],
  errors: FieldErrors,
): readonly IpFamily[] {
  if (clusterIPs[0] === 'None') return []
  return clusterIPs.slice(ipFamilies.length).flatMap((ip, i) => {
    const family = familyOf(ip)
    if (clusterFamilies.includes(family)) return [family]
    const field = `spec.clusterIPs[${ipFamilies.length + i}]`
    errors.invalid(field, clusterIPs, `${family} is not configured on this cluster`)
    return []
  })
}

function checkAvailable(
  { ipFamilyPolicy }: ServiceSpec,
  families: readonly string[],
  clusterFamilies: readonly string[],
  errors: FieldErrors,
): void {
  if (ipFamilyPolicy === 'RequireDualStack' && clusterFamilies.length < 2) {
    const why = 'this cluster is not configured for dual-stack services'
    errors.invalid('spec.ipFamilyPolicy', ipFamilyPolicy, why)
  }
  families.forEach((family, i) => {
    if (!clusterFamilies.includes(family)) {
      errors.invalid(`spec.ipFamilies[${i}]`, family, 'not configured on this cluster')
    }
  })
}
