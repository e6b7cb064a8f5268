// Brings the objects of an earlier life back: into the store, and to the strategies, which take again what the objects hold
// (addresses and ports). Nothing else has been written before.

import type { KubeObject } from '../model/objects.ts'
import { pods, resourceOfKind, type ResourceType } from './kinds/resources.ts'
import type { Strategy } from './kinds/strategy.ts'
import { RelayError } from '../model/error.ts'
import { restoredPod } from './samples/restored-pod.ts'
import type { Store } from './store/store.ts'

/** Throws INVALID_CONFIG for an object of a kind that this version doesn't have. */
export function restoreObjects(
  store: Store,
  objects: readonly KubeObject[],
  strategyOf: (type: ResourceType) => Strategy,
): void {
  for (const found of objects) {
    const { apiVersion = '', kind = '' } = found
    const type = resourceOfKind(apiVersion, kind)
    if (!type) {
      throw new RelayError(
        'INVALID_CONFIG',
        `--data-file: it has a ${kind} of ${apiVersion}, which this kube-relay doesn't know: use the version that wrote it`,
      )
    }
    const object = type === pods ? restoredPod(found) : found
    if (object === null) continue
    store.restore(type, object)
    strategyOf(type).adopted?.(object)
  }
}
