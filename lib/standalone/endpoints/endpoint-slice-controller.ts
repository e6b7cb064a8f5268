// Keeps the EndpointSlices of every Service with a selector in line with the Pods that it selects, and the derived
// Endpoints of every Service in line with its slices. Slices that somebody else made are only read. A Service whose
// selector is taken away keeps its slices, as on a real cluster; one that becomes an ExternalName loses them.

import { isDeepStrictEqual } from 'node:util'
import { reasonOf } from '../../model/error.ts'
import { nameKey, objectKey, objectName, type KubeObject } from '../../model/objects.ts'
import { systemClock, type Clock } from '../../ops/clock.ts'
import type { Log } from '../../ops/log.ts'
import type { Endpoints, EndpointSlice, Service } from '../kinds/api-types.ts'
import type { WrittenMeta } from '../kinds/metadata-validation.ts'
import { endpoints, endpointSlices, nodes, pods, services } from '../kinds/resources.ts'
import { StatusError } from '../kinds/status.ts'
import { hasClusterIps } from '../services/service-defaults.ts'
import { follow } from '../store/follow.ts'
import type { Registry } from '../store/registry.ts'
import { endpointsOf, overCapacityAnnotation } from './derived-endpoints.ts'
import { controllerName, managedByLabel, reconcileSlices, serviceNameLabel } from './endpoint-slices.ts'
import { EndpointsIndex, servicesOf } from './endpoints-index.ts'
import { ServiceQueue } from './service-queue.ts'
import { triggerTimeAnnotation, TriggerTimes } from './trigger-times.ts'

const zoneLabel = 'topology.kubernetes.io/zone'

export interface EndpointSliceController {
  /** Resolves once everything that changed before now is reflected in the slices and Endpoints. */
  settled(): Promise<void>
  close(): void
}

interface Pass {
  readonly registry: Registry
  readonly index: EndpointsIndex
  readonly triggerTimes: TriggerTimes
}

/** Starts the controller; it works until closed. */
export function startEndpointSliceController(options: {
  readonly registry: Registry
  readonly log: Log
  readonly clock?: Clock
}): EndpointSliceController {
  const { registry, log, clock = systemClock } = options
  const { store } = registry
  const pass: Pass = { registry, index: new EndpointsIndex(), triggerTimes: new TriggerTimes() }
  const { index } = pass
  const queue = new ServiceQueue({
    clock,
    work: key => reconcile(pass, key),
    failed: (service, error) =>
      log.error(
        { err: error, service },
        `endpoints can't be written, will be tried again: ${reasonOf(error)}`,
      ),
  })
  const stops = [
    follow(store, services, event => {
      index.service(event)
      queue.add(objectKey(event.object))
    }),
    follow(store, pods, event => {
      index.pod(event)
      for (const key of index.servicesSelecting(event.object, event.previous)) queue.add(key)
    }),
    follow(store, endpointSlices, event => {
      index.slice(event)
      for (const slice of [event.previous, event.object]) {
        for (const key of slice ? servicesOf(slice) : []) queue.add(key)
      }
    }),
    follow(store, endpoints, event => queue.add(objectKey(event.object))),
    follow(store, nodes, ({ type, object, previous }) => {
      const zone = type === 'DELETED' ? undefined : zoneOf(object)
      if (zone === zoneOf(previous)) return
      const onNode = index.podsOnNode(objectKey(object))
      for (const key of index.servicesSelecting(...onNode)) queue.add(key)
    }),
  ]
  return {
    settled: () => queue.settled(),
    close() {
      for (const stop of stops) stop()
      queue.close()
    },
  }
}

/** One Service's slices and Endpoints. In a Namespace that ends there is nothing left to write. */
function reconcile(pass: Pass, key: string): void {
  try {
    reconcileService(pass, key)
  } catch (error) {
    const { causes = [] } = error instanceof StatusError ? (error.status.details ?? {}) : {}
    if (!causes.some(({ reason }) => reason === 'NamespaceTerminating')) throw error
  }
}

/** Its slices, then its Endpoints. */
function reconcileService(pass: Pass, key: string): void {
  const { index, triggerTimes } = pass
  const service = index.getService(key)
  collectGarbage(pass, key)
  if (!service) {
    triggerTimes.forget(key)
    deleteEndpoints(pass, key)
    return
  }
  const triggerTime = writeSlices(pass, key, service)
  if (hasClusterIps(service.spec)) writeEndpoints(pass, key, service, triggerTime)
  else deleteEndpoints(pass, key)
}

/** Deletes the slices whose Services are all gone, as the garbage collector of a real cluster does. */
function collectGarbage({ registry, index }: Pass, key: string): void {
  for (const slice of index.slicesOf(key)) {
    const { namespace = '', ownerReferences = [] } = slice.metadata as WrittenMeta
    const isGarbage =
      ownerReferences.length > 0 &&
      ownerReferences.every(({ apiVersion, kind, name = '', uid }) => {
        if (apiVersion !== 'v1' || kind !== 'Service') return false
        return index.getService(nameKey({ namespace, name }))?.metadata.uid !== uid
      })
    if (isGarbage) registry.delete(endpointSlices, objectName(slice))
  }
}

/** Returns what caused the change, if that is known. */
function writeSlices(
  { registry, index, triggerTimes }: Pass,
  key: string,
  service: Service,
): string | undefined {
  const { selector } = service.spec
  if (hasClusterIps(service.spec) && Object.keys(selector ?? {}).length === 0) return undefined
  const selected = index.podsOf(service)
  const triggerTime = triggerTimes.since(key, service, selected)
  const own = index.slicesOf(key).filter(slice => isManaged(slice, service))
  const changes = reconcileSlices(
    service,
    selected,
    own,
    nodeName => zoneOf(registry.store.get(nodes, nodeName)),
    triggerTime,
  )
  for (const slice of changes.update) registry.update(endpointSlices, slice)
  for (const slice of changes.create) registry.create(endpointSlices, slice)
  // Last, so that an endpoint which moves from one slice to another is never missing.
  for (const slice of changes.delete) registry.delete(endpointSlices, objectName(slice))
  return triggerTime
}

function writeEndpoints(
  { registry, index }: Pass,
  key: string,
  service: Service,
  triggerTime: string | undefined,
): void {
  const { name } = service.metadata
  const named = index.slicesOf(key).filter(slice => slice.metadata.labels?.[serviceNameLabel] === name)
  // Without a selector there are Endpoints only once somebody has written what they are derived from.
  if (named.length === 0 && Object.keys(service.spec.selector ?? {}).length === 0) {
    deleteEndpoints({ registry }, key)
    return
  }
  const wanted = endpointsOf(service, named)
  const stored = registry.store.get(endpoints, key)
  if (!stored) {
    registry.create(endpoints, withTriggerTime(wanted, triggerTime))
  } else if (!saysTheSame(stored, wanted)) {
    registry.update(endpoints, withTriggerTime(wanted, triggerTime))
  }
}

function deleteEndpoints({ registry }: Pick<Pass, 'registry'>, key: string): void {
  const stored = registry.store.get(endpoints, key)
  if (stored) registry.delete(endpoints, objectName(stored))
}

function saysTheSame(a: Endpoints, b: Endpoints): boolean {
  const overCapacity = ({ metadata }: Endpoints): unknown => metadata.annotations?.[overCapacityAnnotation]
  return (
    isDeepStrictEqual(a.subsets ?? [], b.subsets ?? []) &&
    isDeepStrictEqual(a.metadata.labels, b.metadata.labels) &&
    overCapacity(a) === overCapacity(b)
  )
}

function withTriggerTime(object: Endpoints, triggerTime: string | undefined): Endpoints {
  if (triggerTime === undefined) return object
  const annotations = { ...object.metadata.annotations, [triggerTimeAnnotation]: triggerTime }
  return { ...object, metadata: { ...object.metadata, annotations } }
}

/** Whether this controller looks after a slice: by the labels, which a client may change. */
function isManaged({ metadata }: EndpointSlice, service: Service): boolean {
  const { labels } = metadata
  return labels?.[managedByLabel] === controllerName && labels[serviceNameLabel] === service.metadata.name
}

function zoneOf(node: KubeObject | undefined): string | undefined {
  return node?.metadata.labels?.[zoneLabel]
}
