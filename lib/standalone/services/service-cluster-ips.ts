// The rules that tie clusterIP, clusterIPs, ipFamilies and ipFamilyPolicy together (pkg/apis/core/validation,
// ValidateServiceClusterIPsRelatedFields), and which of them an update may change. Checked before families are chosen
// and once more when all is allocated.

import { canonicalIp, familyOf } from '../../model/address.ts'
import type { ServiceSpec } from '../kinds/api-types.ts'
import type { FieldErrors } from '../kinds/field-errors.ts'
import { hasClusterIps } from './service-defaults.ts'

const ipText = 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'
const noChange = 'may not change once set'

export function checkClusterIps(spec: ServiceSpec, errors: FieldErrors): void {
  if (!hasClusterIps(spec)) return
  const { clusterIP, clusterIPs = [], ipFamilies = [] } = spec
  if (clusterIP !== undefined) {
    if (clusterIPs.length === 0) errors.required('spec.clusterIPs')
    else if (clusterIPs[0] !== clusterIP)
      errors.invalid('spec.clusterIPs', clusterIPs, 'first value must match `clusterIP`')
  } else if (clusterIPs.length > 0) {
    errors.invalid('spec.clusterIPs', clusterIPs, 'must be empty when `clusterIP` is not specified')
  }
  ipFamilies.forEach((family, i) => {
    const field = `spec.ipFamilies[${i}]`
    if (family !== 'IPv4' && family !== 'IPv6') errors.unsupported(field, family, ['IPv4', 'IPv6'])
    if (ipFamilies.indexOf(family) < i) errors.duplicate(field, family)
  })
  const policies = ['PreferDualStack', 'RequireDualStack', 'SingleStack']
  if (spec.ipFamilyPolicy !== undefined && !policies.includes(spec.ipFamilyPolicy)) {
    errors.unsupported('spec.ipFamilyPolicy', spec.ipFamilyPolicy, policies)
  }
  if (checkAddresses(clusterIPs, errors)) checkFamiliesOf(clusterIPs, ipFamilies, errors)
}

/** Whether all are addresses, or the first and only one is "None". */
function checkAddresses(clusterIPs: readonly string[], errors: FieldErrors): boolean {
  let valid = true
  clusterIPs.forEach((ip, i) => {
    if (i === 0 && ip === 'None') {
      if (clusterIPs.length === 1) return
      errors.invalid('spec.clusterIPs', clusterIPs, "'None' must be the first and only value")
    } else if (canonicalIp(ip) === null) {
      errors.invalid(`spec.clusterIPs[${i}]`, ip, ipText)
    } else {
      return
    }
    valid = false
  })
  if (clusterIPs.length > 2) errors.invalid('spec.clusterIPs', clusterIPs, 'may only hold up to 2 values')
  return valid
}

function checkFamiliesOf(
  clusterIPs: readonly string[],
  ipFamilies: readonly string[],
  errors: FieldErrors,
): void {
  if (clusterIPs[0] === 'None') return
  const families = clusterIPs.map(ip => familyOf(ip))
  if (families.length > 1 && new Set(families).size === 1) {
    errors.invalid('spec.clusterIPs', clusterIPs, 'may specify no more than one IP for each IP family')
  }
  clusterIPs.forEach((ip, i) => {
    const expected = ipFamilies[i]
    if ((expected === 'IPv4' || expected === 'IPv6') && families[i] !== expected) {
      const why = `expected an ${expected} value as indicated by \`ipFamilies[${i}]\``
      errors.invalid(`spec.clusterIPs[${i}]`, ip, why)
    }
  })
}

/** The primary address and family stay for as long as the Service has any; a second one may come and go. */
export function checkClusterIpsChange(spec: ServiceSpec, old: ServiceSpec, errors: FieldErrors): void {
  if (!hasClusterIps(spec) || !hasClusterIps(old)) return
  const isNone = (ips: readonly string[] | undefined): boolean => ips?.length === 1 && ips[0] === 'None'
  const headless = isNone(spec.clusterIPs)
  const wasHeadless = isNone(old.clusterIPs)
  if (!headless || !wasHeadless) {
    checkListChange('spec.clusterIPs', spec.clusterIPs, old.clusterIPs, errors)
    checkReleased('clusterIP', spec.clusterIPs, old.clusterIPs, spec.ipFamilyPolicy, errors)
  }
  if (!headless && !wasHeadless) {
    checkListChange('spec.ipFamilies', spec.ipFamilies, old.ipFamilies, errors)
    checkReleased('ipFamily', spec.ipFamilies, old.ipFamilies, spec.ipFamilyPolicy, errors)
  }
}

type Texts = readonly string[] | undefined

function checkListChange(field: string, now: Texts = [], before: Texts = [], errors: FieldErrors): void {
  if (now.length === before.length) {
    before.forEach((value, i) => {
      // The real server names the first family whichever it was that changed.
      const index = field === 'spec.ipFamilies' ? 0 : i
      if (value !== now[i]) errors.invalid(`${field}[${index}]`, now, noChange)
    })
    return
  }
  if (now.length === 0) {
    const what = field === 'spec.ipFamilies' ? 'ipFamily' : 'clusterIP'
    errors.invalid(`${field}[0]`, now, `primary ${what} can not be unset`)
  } else if (before.length > 0 && now[0] !== before[0]) {
    errors.invalid(`${field}[0]`, now, noChange)
  }
}

function checkReleased(
  what: string,
  now: Texts = [],
  before: Texts = [],
  policy: string | undefined,
  errors: FieldErrors,
): void {
  if (before.length > now.length && now.length === 1 && policy !== 'SingleStack') {
    errors.invalid(
      'spec.ipFamilyPolicy',
      policy,
      `must be set to 'SingleStack' when releasing the secondary ${what}`,
    )
  }
}
