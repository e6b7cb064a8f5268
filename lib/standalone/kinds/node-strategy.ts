// How Nodes are written (kubernetes pkg/apis/core/validation ValidateNode). Whoever creates a Node gives its status as
// well, as a kubelet does when it registers.

import { isDeepStrictEqual } from 'node:util'
import { asFields, asList, asString } from '../../model/fields.ts'
import type { KubeObject } from '../../model/objects.ts'
import { FieldErrors } from './field-errors.ts'
import { checkCidr } from './metadata-validation.ts'
import { labelValue, qualifiedName } from './name-formats.ts'
import { nodes } from './resources.ts'
import { invalid } from './status.ts'
import type { Strategy } from './strategy.ts'

const noTimes = { lastHeartbeatTime: null, lastTransitionTime: null }
const noNodeInfo = {
  machineID: '',
  systemUUID: '',
  bootID: '',
  kernelVersion: '',
  osImage: '',
  containerRuntimeVersion: '',
  kubeletVersion: '',
  kubeProxyVersion: '',
  operatingSystem: '',
  architecture: '',
}
const taintEffects = ['NoSchedule', 'PreferNoSchedule', 'NoExecute']

export const nodeStrategy: Strategy = { prepare, prepareStatus: object => withStatus(object) }

function prepare(object: KubeObject, stored?: KubeObject): KubeObject {
  const spec = withPodCidrs(asFields(object['spec']))
  const errors = new FieldErrors()
  checkTaints(asList(spec['taints']), errors)
  const cidrs = asList(spec['podCIDRs']).map(cidr => asString(cidr))
  cidrs.forEach((cidr, i) => checkCidr(cidr, `spec.podCIDRs[${i}]`, errors))
  if (cidrs.length > 1 && new Set(cidrs.map(cidr => cidr.includes(':'))).size < cidrs.length) {
    errors.invalid('spec.podCIDRs', cidrs, 'may specify no more than one CIDR for each IP family')
  }
  if (stored) checkSettled(spec, asFields(stored['spec']), errors)
  if (errors.causes.length > 0) throw invalid(nodes, object.metadata.name ?? '', errors.causes)
  return withStatus({ ...object, spec })
}

/** podCIDR is the first of podCIDRs; who gives one gets both. */
function withPodCidrs(spec: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { podCIDR, podCIDRs, ...rest } = spec
  const single = asString(podCIDR)
  const list = asList(podCIDRs).map(cidr => asString(cidr))
  const cidrs = single !== '' && single !== list[0] ? [single] : list
  return cidrs.length === 0 ? rest : { podCIDR: cidrs[0], podCIDRs: cidrs, ...rest }
}

/** What a node can give away is all it has, unless it says otherwise; what it doesn't say of itself is shown empty. */
function withStatus(object: KubeObject): KubeObject {
  const status = asFields(object['status'])
  const { capacity, allocatable = capacity, conditions } = status
  return {
    ...object,
    status: {
      ...status,
      ...(allocatable === undefined ? {} : { allocatable }),
      ...(conditions === undefined
        ? {}
        : { conditions: asList(conditions).map(condition => ({ ...noTimes, ...asFields(condition) })) }),
      daemonEndpoints: { kubeletEndpoint: { Port: 0 }, ...asFields(status['daemonEndpoints']) },
      nodeInfo: { ...noNodeInfo, ...asFields(status['nodeInfo']) },
    },
  }
}

function checkTaints(taints: readonly unknown[], errors: FieldErrors): void {
  const seen = new Set<string>()
  taints.forEach((taint, i) => {
    // So the real server calls it, as if taints were still annotations.
    const at = `metadata.taints[${i}]`
    const { key, value, effect } = asFields(taint)
    errors.invalidBy(qualifiedName(asString(key)), `${at}.key`, key ?? '')
    errors.invalidBy(labelValue(asString(value)), `${at}.value`, value)
    if (asString(effect) === '') errors.required(`${at}.effect`)
    else if (!taintEffects.includes(asString(effect)))
      errors.unsupported(`${at}.effect`, effect, taintEffects)
    const pair = `${asString(effect)} ${asString(key)}`
    if (seen.has(pair)) errors.duplicate(at, taint)
    seen.add(pair)
  })
}

/** A node's addresses for pods and its provider are given once, and the rest of its spec is not for changing. */
function checkSettled(
  spec: Readonly<Record<string, unknown>>,
  before: Readonly<Record<string, unknown>>,
  errors: FieldErrors,
): void {
  const [cidrs, cidrsBefore] = [spec, before].map(fields => asList(fields['podCIDRs']))
  if (cidrsBefore?.length && String(cidrs) !== String(cidrsBefore)) {
    errors.forbidden('spec.podCIDRs', 'node updates may not change podCIDR except from "" to valid')
  }
  const provider = asString(before['providerID'])
  if (provider !== '' && provider !== asString(spec['providerID'])) {
    errors.forbidden('spec.providerID', 'node updates may not change providerID except from "" to valid')
  }
  const open = ['taints', 'unschedulable', 'configSource']
  if (!cidrsBefore?.length) open.push('podCIDR', 'podCIDRs')
  if (provider === '') open.push('providerID')
  const [settled, settledBefore] = [spec, before].map(fields =>
    Object.fromEntries(Object.entries(fields).filter(([field]) => !open.includes(field))),
  )
  if (!isDeepStrictEqual(settled, settledBefore)) {
    // Its path is an empty one, which the real server writes like this.
    errors.forbidden('[]', 'node updates may only change labels, taints, or capacity')
  }
}
