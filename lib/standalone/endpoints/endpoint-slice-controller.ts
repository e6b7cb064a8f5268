// Keeps the EndpointSlices of every Service with a selector in line with the Pods that it selects. Changes are
// collected and worked off together, on the next turn of the event loop, so that a burst costs one pass per Service.
// Slices that somebody else made, for Services without a selector, are not touched.

import type { KubeObject } from '../../model/objects.ts'
import { reasonOf } from '../../model/error.ts'
import type { Log } from '../../ops/log.ts'
import type { EndpointSlice, Pod, Service } from '../kinds/api-types.ts'
import { controllerName, managedByLabel, reconcileSlices, serviceNameLabel } from './endpoint-slices.ts'
import type { Registry } from '../store/registry.ts'
import { endpointSlices, nodes, pods, services } from '../kinds/resources.ts'
import { matchesLabels } from '../kinds/selectors.ts'
import type { Store, StoreEvent } from '../store/store.ts'

const zoneLabel = 'topology.kubernetes.io/zone'

export interface EndpointSliceController {
  /** Resolves once everything that changed before now is reflected in the slices. */
  settled(): Promise<void>
  close(): void
}

/** Starts the controller; it works until closed. */
export function startEndpointSliceController(options: {
  readonly registry: Registry
  readonly log: Log
}): EndpointSliceController {
  const { registry, log } = options
  const { store } = registry
  const index = new ControllerIndex()
  const dirty = new Set<string>()
  let scheduled: NodeJS.Immediate | undefined
  let waiting: (() => void)[] = []

  const markDirty = (serviceKey: string): void => {
    dirty.add(serviceKey)
    scheduled ??= setImmediate(() => {
      scheduled = undefined
      workOff()
    })
  }
  const workOff = (): void => {
    for (const key of dirty) {
      dirty.delete(key)
      try {
        reconcile(registry, index, key)
      } catch (error) {
        log.error({ err: error, service: key }, `endpoint slices can't be written: ${reasonOf(error)}`)
      }
    }
    const resolvers = waiting
    waiting = []
    for (const resolve of resolvers) resolve()
  }

  const stops = [
    follow(store, services, event => {
      index.service(event)
      markDirty(keyOf(event.object))
    }),
    follow(store, pods, event => {
      index.pod(event)
      for (const key of index.servicesSelecting(event)) markDirty(key)
    }),
    follow(store, endpointSlices, event => {
      index.slice(event)
      for (const slice of [event.previous, event.object]) {
        const owner = slice && ownerKey(slice)
        if (owner !== undefined) markDirty(owner)
      }
    }),
    follow(store, nodes, event => {
      const zones = [event.previous, event.object].map(node => node?.metadata.labels?.[zoneLabel])
      if (zones[0] !== zones[1]) for (const key of index.services.keys()) markDirty(key)
    }),
  ]
  return {
    settled: () => (scheduled ? new Promise<void>(resolve => waiting.push(resolve)) : Promise.resolve()),
    close() {
      for (const stop of stops) stop()
      if (scheduled) clearImmediate(scheduled)
      scheduled = undefined
      for (const resolve of waiting) resolve()
    },
  }
}

function reconcile(registry: Registry, index: ControllerIndex, key: string): void {
  const service = index.services.get(key)
  const existing = index.slicesOf(key)
  if (!service) {
    for (const slice of existing) registry.delete(endpointSlices, nameOf(slice))
    return
  }
  const { selector } = service.spec
  // Without a selector, slices that we made while there was one stay, as on a real cluster.
  if (!selector || Object.keys(selector).length === 0) return
  const changes = reconcileSlices(service, index.podsMatching(service, selector), existing, nodeName => {
    return registry.store.get(nodes, nodeName)?.metadata.labels?.[zoneLabel]
  })
  for (const slice of changes.update) registry.update(endpointSlices, slice)
  for (const slice of changes.create) registry.create(endpointSlices, slice)
  // Last, so that an endpoint which moves from one slice to another is never missing.
  for (const slice of changes.delete) registry.delete(endpointSlices, nameOf(slice))
}

/** Services, Pods by namespace, and our slices by Service: what a pass needs, without looking through everything. */
class ControllerIndex {
  readonly services = new Map<string, Service>()
  readonly #pods = new Map<string, Map<string, Pod>>()
  readonly #slices = new Map<string, Map<string, EndpointSlice>>()

  service({ type, object }: StoreEvent): void {
    if (type === 'DELETED') this.services.delete(keyOf(object))
    else this.services.set(keyOf(object), object as Service)
  }

  pod({ type, object }: StoreEvent): void {
    put(this.#pods, object.metadata.namespace ?? '', object, type)
  }

  slice({ type, object, previous }: StoreEvent): void {
    const before = previous && ownerKey(previous)
    if (previous && before !== undefined) put(this.#slices, before, previous, 'DELETED')
    const owner = ownerKey(object)
    if (owner !== undefined) put(this.#slices, owner, object, type)
  }

  slicesOf(serviceKey: string): readonly EndpointSlice[] {
    return [...(this.#slices.get(serviceKey)?.values() ?? [])]
  }

  podsMatching(service: Service, selector: Readonly<Record<string, string>>): readonly Pod[] {
    const inNamespace = this.#pods.get(service.metadata.namespace ?? '')?.values() ?? []
    return [...inNamespace].filter(pod => matchesLabels(selector, pod.metadata.labels))
  }

  /** The Services that a Pod's change can matter to: those that select it now, or did before. */
  *servicesSelecting({ object, previous }: StoreEvent): Iterable<string> {
    for (const [key, { metadata, spec }] of this.services) {
      if (metadata.namespace !== object.metadata.namespace) continue
      const { selector } = spec
      if (!selector || Object.keys(selector).length === 0) continue
      if ([object, previous].some(pod => pod && matchesLabels(selector, pod.metadata.labels))) yield key
    }
  }
}

function put<T extends KubeObject>(
  groups: Map<string, Map<string, T>>,
  group: string,
  object: KubeObject,
  type: StoreEvent['type'],
): void {
  const members = groups.get(group) ?? new Map<string, T>()
  if (type === 'DELETED') members.delete(keyOf(object))
  else members.set(keyOf(object), object as T)
  if (members.size > 0) groups.set(group, members)
  else groups.delete(group)
}

/** Follows a resource from its present objects on. */
function follow(
  store: Store,
  type: Parameters<Store['list']>[0],
  onEvent: (event: StoreEvent) => void,
): () => void {
  const { resourceVersion, items } = store.list(type)
  for (const object of items) onEvent({ type: 'ADDED', object, previous: undefined, resourceVersion })
  return store.watch(type, resourceVersion, onEvent)
}

/** The key of the Service whose slice this is, if it is one of ours. */
function ownerKey(slice: KubeObject): string | undefined {
  const { labels, namespace = '' } = slice.metadata
  const service = labels?.[serviceNameLabel]
  return labels?.[managedByLabel] === controllerName && service ? `${namespace}/${service}` : undefined
}

function keyOf({ metadata }: KubeObject): string {
  return `${metadata.namespace ?? ''}/${metadata.name ?? ''}`
}

function nameOf({ metadata }: KubeObject): { readonly namespace: string; readonly name: string } {
  return { namespace: metadata.namespace ?? '', name: metadata.name ?? '' }
}
