// What happened when, for the annotation by which agents measure how long a change takes to reach them: the Pod's or
// Service's own change that a write of slices goes back to. After the real controllers' TriggerTimeTracker
// (staging/src/k8s.io/endpointslice/util/trigger_time_tracker.go), whose limits this has too.

import type { Pod, Service } from '../kinds/api-types.ts'
import { readyCondition } from './pod-endpoints.ts'

export const triggerTimeAnnotation = 'endpoints.kubernetes.io/last-change-trigger-time'

interface Known {
  readonly serviceMs: number
  /** By name. */
  readonly podsMs: ReadonlyMap<string, number>
}

export class TriggerTimes {
  readonly #known = new Map<string, Known>()

  /**
   * The earliest of the changes since the last time that this Service was asked about, as RFC 3339: a Pod became
   * ready or unready, or the Service was created. Undefined when it is none of these. To be asked in every pass,
   * also in one that writes nothing.
   */
  since(serviceKey: string, service: Service, pods: readonly Pod[]): string | undefined {
    const before = this.#known.get(serviceKey)
    const serviceMs = timeOf(service.metadata.creationTimestamp)
    const podsMs = new Map<string, number>()
    let earliest = serviceMs > (before?.serviceMs ?? 0) ? serviceMs : Infinity
    for (const pod of pods) {
      const { name = '' } = pod.metadata
      const changedMs = timeOf(readyCondition(pod)?.lastTransitionTime)
      if (changedMs === 0) continue
      podsMs.set(name, changedMs)
      if (changedMs > (before?.podsMs.get(name) ?? 0)) earliest = Math.min(earliest, changedMs)
    }
    this.#known.set(serviceKey, { serviceMs, podsMs })
    // A Service seen for the first time is itself the change, however old its Pods are.
    if (!before) return textOf(serviceMs)
    return textOf(earliest)
  }

  forget(serviceKey: string): void {
    this.#known.delete(serviceKey)
  }
}

/** 0 for no time. */
function timeOf(text: string | undefined): number {
  const timeMs = text === undefined ? NaN : Date.parse(text)
  return Number.isNaN(timeMs) ? 0 : timeMs
}

function textOf(timeMs: number): string | undefined {
  if (timeMs === 0 || timeMs === Infinity) return undefined
  // As Go writes it: no more digits than there are.
  return new Date(timeMs).toISOString().replace(/\.?0*Z$/, 'Z')
}
