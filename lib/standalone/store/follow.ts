// What keeps an index over a resource: its present objects first, each as if it had just come, and then every change.

import type { ResourceType } from '../kinds/resources.ts'
import type { Store, StoreEvent } from './store.ts'

/** Returns what ends it. */
export function follow(store: Store, type: ResourceType, onEvent: (event: StoreEvent) => void): () => void {
  const { resourceVersion, items } = store.list(type)
  for (const object of items) onEvent({ type: 'ADDED', object, previous: undefined, resourceVersion })
  return store.watch(type, resourceVersion, onEvent)
}
