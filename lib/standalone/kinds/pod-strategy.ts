// How Pods are written: completed, checked, and settled once they exist but for what a Pod may change while it runs.

import { asFields, asList, asString } from '../../model/fields.ts'
import type { KubeObject } from '../../model/objects.ts'
import { FieldErrors } from './field-errors.ts'
import { withPodDefaults } from './pod-defaults.ts'
import { qosClassOf } from './pod-qos.ts'
import type { PodSpec } from './pod-spec.ts'
import { checkNewPod, checkPodIps, checkPodSpec, checkPodUpdate } from './pod-validation.ts'
import { pods } from './resources.ts'
import { invalid } from './status.ts'
import type { Strategy } from './strategy.ts'

/** The Pods, by uid, that something here runs: only their deletion waits for somebody to finish it. */
export type RunningPods = ReadonlySet<string>

const finalPhases = ['Succeeded', 'Failed']

export function podStrategy(running: RunningPods): Strategy {
  return {
    prepare(object, stored) {
      if (!stored) return prepareNew(object)
      return prepareUpdate(object, stored, running.has(stored.metadata.uid ?? ''))
    },
    prepareStatus,
    gracePeriodSeconds(object) {
      const { nodeName, terminationGracePeriodSeconds: seconds = 30 } = specOf(object)
      const final = finalPhases.includes(asString(asFields(object['status'])['phase']))
      if (!nodeName || final || !running.has(object.metadata.uid ?? '')) return 0
      // Kubernetes takes a negative period for the shortest one.
      return seconds < 0 ? 1 : seconds
    },
  }
}

function prepareNew(object: KubeObject): KubeObject {
  const spec = withPodDefaults(specOf(object))
  const errors = new FieldErrors()
  checkPodSpec(spec, errors)
  checkNewPod(spec, errors)
  throwIfAny(object, errors)
  return {
    ...object,
    spec,
    status: { phase: 'Pending', qosClass: qosClassOf(spec) },
  }
}

/** Only who runs a Pod here may give it a node: there is no scheduler who would bind it. */
function prepareUpdate(object: KubeObject, stored: KubeObject, mayBind: boolean): KubeObject {
  const before = specOf(stored)
  const given = withPodDefaults(specOf(object))
  // A Pod stays on its node also when its author, who never knew it, writes it again.
  const nodeName = given.nodeName ?? before.nodeName
  const spec = { ...given, ...(nodeName === undefined ? {} : { nodeName }) }
  const errors = new FieldErrors()
  checkPodSpec(spec, errors)
  const bound = mayBind && !before.nodeName && nodeName !== undefined
  checkPodUpdate(spec, bound ? { ...before, nodeName } : before, errors)
  throwIfAny(object, errors)
  return { ...object, spec }
}

/** podIP is the first of podIPs, and the quality of service is not for a kubelet to change. */
function prepareStatus(object: KubeObject, stored: KubeObject): KubeObject {
  const { podIP, podIPs, conditions, ...rest } = asFields(object['status'])
  const single = asString(podIP)
  const list = asList(podIPs)
  const first = asString(asFields(list[0])['ip'])
  const ips = single !== '' && single !== first ? [{ ip: single }] : list
  const { qosClass = qosClassOf(specOf(stored)) } = asFields(stored['status'])
  const status = {
    ...rest,
    ...(conditions === undefined ? {} : { conditions: asList(conditions).map(withTimes) }),
    ...(ips.length === 0 ? {} : { podIP: asString(asFields(ips[0])['ip']), podIPs: ips }),
    qosClass,
  }
  const errors = new FieldErrors()
  checkPodIps(status, errors)
  throwIfAny(object, errors)
  return { ...object, status }
}

/** Times that aren't set are shown, as null. */
function withTimes(condition: unknown): object {
  return { lastProbeTime: null, lastTransitionTime: null, ...asFields(condition) }
}

function specOf(object: KubeObject): PodSpec {
  return asFields(object['spec'])
}

function throwIfAny(object: KubeObject, errors: FieldErrors): void {
  if (errors.causes.length > 0) throw invalid(pods, object.metadata.name ?? '', errors.causes)
}
