// What becomes of a sample pod when the control plane that ran it is gone: its process has ended with it, so whatever its
// status says of that isn't true any more.

import { asFields } from '../../model/fields.ts'
import type { Pod } from '../kinds/api-types.ts'
import { hasSampleImage } from './sample-pods.ts'

/**
 * The Pod as it is to come back from a data file: one that was run here is pending again, and null stands for one whose
 * end its process was all there was to wait for. Any other Pod, one that is over or has its address from its author too,
 * stays as it is.
 */
export function restoredPod(pod: Pod): Pod | null {
  if (!wasRunHere(pod)) return pod
  if (pod.metadata.deletionTimestamp !== undefined) return null
  const qosClass = asFields(pod.status)['qosClass']
  return { ...pod, status: { phase: 'Pending', ...(qosClass === undefined ? {} : { qosClass }) } }
}

/** Only what runs a container writes containerStatuses; authors of Pods give addresses and conditions. */
function wasRunHere(pod: Pod): boolean {
  const { containerStatuses, phase } = asFields(pod.status)
  const isOver = phase === 'Succeeded' || phase === 'Failed'
  return containerStatuses !== undefined && !isOver && hasSampleImage(pod)
}
