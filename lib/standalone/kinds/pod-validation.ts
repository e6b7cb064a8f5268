// What a Pod's spec must be, and what of it may change, with the paths, reasons and order of the real server
// (kubernetes pkg/apis/core/validation ValidatePodSpec and ValidatePodUpdate). Of the many volume types and scheduling
// rules only what can break a reader is checked: nothing here mounts or schedules.

import { isDeepStrictEqual } from 'node:util'
import { canonicalIp } from '../../model/address.ts'
import { asFields, asList, asString } from '../../model/fields.ts'
import { checkContainers, checkImages, checkInitContainers, checkOneOf } from './container-validation.ts'
import type { FieldErrors } from './field-errors.ts'
import { checkDnsLabel, checkDnsSubdomain, checkIp, checkLabelMap } from './metadata-validation.ts'
import { labelValue, qualifiedName } from './name-formats.ts'
import type { ContainerSpec, DnsConfig, PodSpec, Toleration, Volume } from './pod-spec.ts'

const maxInt32 = 2 ** 31 - 1
const restartPolicies = ['Always', 'OnFailure', 'Never']
const dnsPolicies = ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None']
const taintEffects = ['NoSchedule', 'PreferNoSchedule', 'NoExecute']
/** The one field without which a volume of a type is none. */
const volumeKeys: Readonly<Record<string, readonly string[]>> = {
  hostPath: ['path'],
  secret: ['secretName'],
  configMap: ['name'],
  persistentVolumeClaim: ['claimName'],
  nfs: ['server', 'path'],
}

/** The updatable fields, in the words of the real server's error. */
const updatableText =
  '`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)'

export function checkPodSpec(spec: PodSpec, errors: FieldErrors): void {
  const { containers = [], initContainers = [] } = spec
  const volumes = checkVolumes(spec.volumes ?? [], errors)
  checkContainers(containers, volumes, errors)
  checkInitContainers(initContainers, containers, volumes, errors)
  if (spec.hostNetwork === true) checkHostNetworkPorts(containers, errors)
  checkOneOf(spec.restartPolicy, restartPolicies, 'spec.restartPolicy', errors)
  checkOneOf(spec.dnsPolicy, dnsPolicies, 'spec.dnsPolicy', errors)
  checkLabelMap(spec.nodeSelector ?? {}, 'spec.nodeSelector', errors)
  checkDnsConfig(spec, errors)
  checkGates(spec, errors)
  if (spec.serviceAccountName) checkDnsSubdomain(spec.serviceAccountName, 'spec.serviceAccountName', errors)
  if (spec.nodeName) checkDnsSubdomain(spec.nodeName, 'spec.nodeName', errors)
  checkDeadline(spec.activeDeadlineSeconds, 1, errors)
  if (spec.hostname) checkDnsLabel(spec.hostname, 'spec.hostname', errors)
  if (spec.subdomain) checkDnsLabel(spec.subdomain, 'spec.subdomain', errors)
  checkTolerations(spec.tolerations ?? [], errors)
  spec.hostAliases?.forEach(({ ip = '', hostnames = [] }, i) => {
    checkIp(ip, `spec.hostAliases[${i}].ip`, errors)
    hostnames.forEach((name, j) => checkDnsSubdomain(name, `spec.hostAliases[${i}].hostnames[${j}]`, errors))
  })
  if (spec.priorityClassName) checkDnsSubdomain(spec.priorityClassName, 'spec.priorityClassName', errors)
  if (spec.runtimeClassName) checkDnsSubdomain(spec.runtimeClassName, 'spec.runtimeClassName', errors)
  checkImages(containers, 'spec.containers', errors)
  checkImages(initContainers, 'spec.initContainers', errors)
}

/** What only a new Pod is asked. */
export function checkNewPod(spec: PodSpec, errors: FieldErrors): void {
  if (spec.ephemeralContainers?.length)
    errors.forbidden('spec.ephemeralContainers', 'cannot be set on create')
  if (spec.nodeName && spec.schedulingGates?.length) {
    errors.forbidden('spec.nodeName', 'cannot be set until all schedulingGates have been cleared')
  }
}

/** Whether `spec` may take the place of `before`. Both have their defaults. */
export function checkPodUpdate(spec: PodSpec, before: PodSpec, errors: FieldErrors): void {
  for (const field of ['containers', 'initContainers'] as const) {
    if ((spec[field] ?? []).length === (before[field] ?? []).length) continue
    errors.forbidden(`spec.${field}`, 'pod updates may not add or remove containers')
    return
  }
  if (!checkNewDeadline(spec.activeDeadlineSeconds, before.activeDeadlineSeconds, errors)) return
  checkAddedTolerations(spec.tolerations ?? [], before.tolerations ?? [], errors)
  const gates = new Set(before.schedulingGates?.map(gate => gate.name))
  spec.schedulingGates?.forEach(({ name }, i) => {
    if (gates.has(name)) return
    const why = `only deletion is allowed, but found new scheduling gate '${name}'`
    errors.forbidden(`spec.schedulingGates[${i}].name`, why)
  })
  if (isDeepStrictEqual(settledPart(spec, before), settledPart(before, before))) return
  errors.forbidden('spec', `pod updates may not change fields other than ${updatableText}`)
}

/** What of a spec can't change: all but what may, which is taken from `before`. */
function settledPart(spec: PodSpec, before: PodSpec): unknown {
  const imagesOf = (containers: readonly ContainerSpec[] = []) =>
    containers.map(container => ({ ...container, image: '' }))
  const { terminationGracePeriodSeconds: grace } = spec
  const wasNegative = (before.terminationGracePeriodSeconds ?? 0) < 0 && grace === 1
  return withoutEmptyLists({
    ...spec,
    containers: imagesOf(spec.containers),
    initContainers: imagesOf(spec.initContainers),
    activeDeadlineSeconds: before.activeDeadlineSeconds,
    tolerations: before.tolerations,
    schedulingGates: before.schedulingGates,
    terminationGracePeriodSeconds: wasNegative ? before.terminationGracePeriodSeconds : grace,
  })
}

/** An empty list or map and none are the same to the API; the schema has bounded how deep this goes. */
function withoutEmptyLists(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(item => withoutEmptyLists(item))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .map(([key, inner]) => [key, withoutEmptyLists(inner)] as const)
      .filter(([, inner]) => inner !== undefined && !(Array.isArray(inner) && inner.length === 0)),
  )
}

function checkVolumes(volumes: readonly Volume[], errors: FieldErrors): ReadonlySet<string> {
  const names = new Set<string>()
  volumes.forEach((volume, i) => {
    const { name = '', ...sources } = volume
    const at = `spec.volumes[${i}]`
    if (name === '') errors.required(`${at}.name`)
    else checkDnsLabel(name, `${at}.name`, errors)
    if (names.has(name)) errors.duplicate(`${at}.name`, name)
    names.add(name)
    const [source, ...extras] = Object.keys(sources)
    for (const extra of extras) errors.forbidden(`${at}.${extra}`, 'may not specify more than 1 volume type')
    for (const key of volumeKeys[source ?? ''] ?? []) {
      if (asString(asFields(sources[source ?? ''])[key]) === '') errors.required(`${at}.${source}.${key}`)
    }
  })
  return names
}

function checkHostNetworkPorts(containers: readonly ContainerSpec[], errors: FieldErrors): void {
  containers.forEach(({ ports = [] }, i) => {
    ports.forEach(({ hostPort = 0, containerPort = 0 }, j) => {
      if (hostPort === containerPort) return
      const field = `spec.containers[${i}].ports[${j}].hostPort`
      errors.invalid(field, hostPort, 'must match `containerPort` when `hostNetwork` is true')
    })
  })
}

function checkDnsConfig({ dnsConfig, dnsPolicy }: PodSpec, errors: FieldErrors): void {
  const at = 'spec.dnsConfig'
  if (dnsPolicy === 'None' && dnsConfig === undefined) {
    errors.required(at, 'must provide `dnsConfig` when `dnsPolicy` is None')
    return
  }
  const { nameservers = [], searches = [], options = [] }: DnsConfig = dnsConfig ?? {}
  if (dnsPolicy === 'None' && nameservers.length === 0) {
    errors.required(`${at}.nameservers`, 'must provide at least one DNS nameserver when `dnsPolicy` is None')
    return
  }
  if (nameservers.length > 3) {
    errors.invalid(`${at}.nameservers`, nameservers, 'must not have more than 3 nameservers')
  }
  nameservers.forEach((address, i) => checkIp(address, `${at}.nameservers[${i}]`, errors))
  if (searches.length > 32) {
    errors.invalid(`${at}.searches`, searches, 'must not have more than 32 search paths')
  }
  if (searches.join(' ').length > 2048) {
    const why = 'must not have more than 2048 characters (including spaces) in the search list'
    errors.invalid(`${at}.searches`, searches, why)
  }
  options.forEach(({ name = '' }, i) => {
    if (name === '') errors.required(`${at}.options[${i}]`, 'must not be empty')
  })
}

function checkGates({ readinessGates = [], schedulingGates = [] }: PodSpec, errors: FieldErrors): void {
  readinessGates.forEach(({ conditionType = '' }, i) => {
    const field = `spec.readinessGates[${i}].conditionType`
    errors.invalidBy(qualifiedName(conditionType), field, conditionType)
  })
  const seen = new Set<string>()
  schedulingGates.forEach(({ name = '' }, i) => {
    errors.invalidBy(qualifiedName(name), `spec.schedulingGates[${i}]`, name)
    if (seen.has(name)) errors.duplicate(`spec.schedulingGates[${i}]`, name)
    seen.add(name)
  })
}

function checkDeadline(seconds: number | undefined, least: number, errors: FieldErrors): boolean {
  if (seconds === undefined || (seconds >= least && seconds <= maxInt32)) return true
  const range = `must be between ${least} and ${maxInt32}, inclusive`
  errors.invalid('spec.activeDeadlineSeconds', seconds, range)
  return false
}

/** A deadline may be set, and then only come nearer. False: the rest isn't looked at, as on the real server. */
function checkNewDeadline(
  after: number | undefined,
  before: number | undefined,
  errors: FieldErrors,
): boolean {
  const field = 'spec.activeDeadlineSeconds'
  if (after === undefined) {
    if (before !== undefined) {
      errors.invalid(field, undefined, 'must not update from a positive integer to nil value')
    }
    return true
  }
  // Out of range has been said by checkPodSpec.
  if (after < 0 || after > maxInt32) return false
  if (before === undefined || after <= before) return true
  errors.invalid(field, after, 'must be less than or equal to previous value')
  return false
}

function checkAddedTolerations(
  after: readonly Toleration[],
  before: readonly Toleration[],
  errors: FieldErrors,
): void {
  const timeless = (toleration: Toleration): Toleration => ({ ...toleration, tolerationSeconds: 0 })
  const lost = before.some(old => {
    return !after.some(toleration => isDeepStrictEqual(timeless(toleration), timeless(old)))
  })
  if (!lost) return
  const why = 'existing toleration can not be modified except its tolerationSeconds'
  errors.forbidden('spec.tolerations', why)
}

function checkTolerations(tolerations: readonly Toleration[], errors: FieldErrors): void {
  tolerations.forEach((toleration, i) => {
    const at = `spec.tolerations[${i}]`
    const { key = '', operator = '', value = '', effect = '', tolerationSeconds } = toleration
    if (key !== '') errors.invalidBy(qualifiedName(key), `${at}.key`, key)
    else if (operator !== 'Exists') {
      const why = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
      errors.invalid(`${at}.operator`, operator, why)
    }
    if (tolerationSeconds !== undefined && effect !== 'NoExecute') {
      errors.invalid(`${at}.effect`, effect, "effect must be 'NoExecute' when `tolerationSeconds` is set")
    }
    if (operator === '' || operator === 'Equal') errors.invalidBy(labelValue(value), `${at}.operator`, value)
    else if (operator !== 'Exists') errors.unsupported(`${at}.operator`, operator, ['Equal', 'Exists'])
    else if (value !== '') {
      errors.invalid(`${at}.operator`, toleration, "value must be empty when `operator` is 'Exists'")
    }
    if (effect !== '' && !taintEffects.includes(effect)) {
      errors.unsupported(`${at}.effect`, effect, taintEffects)
    }
  })
}

/** The addresses in a status: valid ones, at most one of each family. */
export function checkPodIps(status: unknown, errors: FieldErrors): void {
  const ips = asList(asFields(status)['podIPs']).map(entry => asString(asFields(entry)['ip']))
  ips.forEach((ip, i) => checkIp(ip, `status.podIPs[${i}]`, errors))
  if (new Set(ips.map(ip => canonicalIp(ip)?.includes(':'))).size < ips.length) {
    errors.invalid('status.podIPs', ips, 'may specify no more than one IP for each IP family')
  }
  ips.forEach((ip, i) => {
    if (ips.indexOf(ip) < i) errors.duplicate(`status.podIPs[${i}]`, { ip })
  })
}
