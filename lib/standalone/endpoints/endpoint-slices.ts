// Which EndpointSlices a Service should have, given its Pods and the slices there are: pure, and it changes only what
// must change, because every changed slice is an event for every agent. After the real controller
// (staging/src/k8s.io/endpointslice/reconciler.go).

import { isDeepStrictEqual } from 'node:util'
import type { Endpoint, EndpointPort, EndpointSlice, Pod, Service } from '../kinds/api-types.ts'
import type { WrittenMeta } from '../kinds/metadata-validation.ts'
import { hasClusterIps } from '../services/service-defaults.ts'
import { podEndpoint, type ZoneOf } from './pod-endpoints.ts'
import { endpointPortsOf } from './pod-ports.ts'
import { triggerTimeAnnotation } from './trigger-times.ts'

export const managedByLabel = 'endpointslice.kubernetes.io/managed-by'
export const serviceNameLabel = 'kubernetes.io/service-name'
export const headlessLabel = 'service.kubernetes.io/headless'
export const controllerName = 'endpointslice-controller.k8s.io'
export const maxEndpointsPerSlice = 100

export interface SliceChanges {
  /** Without names: the registry makes one from generateName. */
  readonly create: readonly EndpointSlice[]
  readonly update: readonly EndpointSlice[]
  readonly delete: readonly EndpointSlice[]
}

/** What all slices of one Service have in common. */
interface SliceContext {
  readonly service: Service
  readonly labels: Readonly<Record<string, string>>
  readonly triggerTime: string | undefined
}

/** Endpoints of one family that have the same ports, and so can share a slice. */
interface Group {
  readonly addressType: string
  readonly ports: readonly EndpointPort[]
  readonly endpoints: Map<string, Endpoint>
}

/** What is to become of a slice: these endpoints. */
interface Kept {
  readonly slice: EndpointSlice
  readonly endpoints: Endpoint[]
  readonly changed: boolean
}

/**
 * The changes that bring a Service's slices in line with its Pods. `pods` are those that its selector matches,
 * `existing` the slices that this controller manages for it. `triggerTime` is what caused the change, for the slices
 * that are written; undefined where that isn't known.
 */
export function reconcileSlices(
  service: Service,
  pods: readonly Pod[],
  existing: readonly EndpointSlice[],
  zoneOf: ZoneOf,
  triggerTime?: string,
): SliceChanges {
  const context: SliceContext = { service, labels: sliceLabelsOf(service), triggerTime }
  // One that is being deleted, and held by a finalizer, is nobody's any more.
  const slices = existing.filter(({ metadata }) => metadata.deletionTimestamp === undefined)
  const families = hasClusterIps(service.spec) ? (service.spec.ipFamilies ?? []) : []
  const changes = families.map(family => {
    const ofFamily = slices.filter(({ addressType }) => addressType === family)
    return reconcileFamily(context, groupEndpoints(service, pods, family, zoneOf), ofFamily, family)
  })
  return {
    // A Service that is being deleted takes its slices with it.
    create: service.metadata.deletionTimestamp === undefined ? changes.flatMap(({ create }) => create) : [],
    update: changes.flatMap(({ update }) => update),
    delete: [
      ...slices.filter(({ addressType }) => !families.includes(addressType ?? '')),
      ...changes.flatMap(change => change.delete),
    ],
  }
}

/** Whether a slice was made for this very Service, and not for an earlier one of the same name. */
export function isOwnedBy(slice: EndpointSlice, service: Service): boolean {
  const { ownerReferences = [] } = slice.metadata as WrittenMeta
  const { uid = '' } = service.metadata
  return ownerReferences.some(
    owner => owner.uid === uid && owner.kind === 'Service' && owner.apiVersion === 'v1',
  )
}

function reconcileFamily(
  context: SliceContext,
  groups: ReadonlyMap<string, Group>,
  existing: readonly EndpointSlice[],
  family: string,
): SliceChanges {
  const { true: own = [], false: foreign = [] } = Object.groupBy(existing, slice =>
    isOwnedBy(slice, context.service) ? 'true' : 'false',
  )
  const slicesOf = Map.groupBy(own, ({ ports }) => portsKey(ports ?? []))
  const create: EndpointSlice[] = []
  const kept: Kept[] = []
  const unused: EndpointSlice[] = []
  for (const [key, group] of groups) {
    const packed = pack(context, group, slicesOf.get(key) ?? [])
    slicesOf.delete(key)
    create.push(...packed.create)
    kept.push(...packed.kept)
    unused.push(...packed.unused)
  }
  for (const slices of slicesOf.values()) unused.push(...slices)
  // A Service without Pods has one empty slice of each family.
  if (kept.length === 0 && create.length === 0) {
    create.push(newSlice(context, { addressType: family, ports: [], endpoints: new Map() }, []))
  }
  const update = kept
    .filter(({ changed }) => changed)
    .map(({ slice, endpoints }) => withContents(context, slice, slice.ports ?? [], endpoints))
  // A slice that is no longer needed becomes one that is: one event instead of two.
  while (create.length > 0 && unused.length > 0) {
    const [slice, wanted] = [unused.shift(), create.pop()]
    if (!slice || !wanted) break
    if (!isRight(context, slice, wanted.ports ?? [], wanted.endpoints ?? [])) {
      update.push(withContents(context, slice, wanted.ports ?? [], wanted.endpoints ?? []))
    }
  }
  return { create, update, delete: [...foreign, ...unused] }
}

/**
 * Where a group's endpoints go: those that have a place keep it; new ones fill up slices that change anyway, the
 * fullest first; if the rest fits into one other slice, it goes there; else into new slices.
 */
function pack(
  context: SliceContext,
  group: Group,
  slices: readonly EndpointSlice[],
): { readonly create: EndpointSlice[]; readonly kept: Kept[]; readonly unused: EndpointSlice[] } {
  const missing = new Map(group.endpoints)
  const all = slices.map((slice): Kept => {
    const endpoints = keepIn(slice, missing)
    return { slice, endpoints, changed: !isRight(context, slice, slice.ports ?? [], endpoints) }
  })
  const kept = all.filter(({ endpoints }) => endpoints.length > 0)
  const unused = all.filter(({ endpoints }) => endpoints.length === 0).map(({ slice }) => slice)
  const fresh = [...missing.values()]
  const room = ({ endpoints }: Kept): number => maxEndpointsPerSlice - endpoints.length
  const changing = kept.filter(({ changed }) => changed).sort((a, b) => room(a) - room(b))
  for (const entry of changing) entry.endpoints.push(...fresh.splice(0, Math.max(0, room(entry))))

  if (fresh.length > 0) {
    const fitting = kept.filter(entry => !entry.changed && room(entry) >= fresh.length)
    const fullest = fitting.reduce<Kept | undefined>(
      (best, entry) => (best === undefined || room(entry) < room(best) ? entry : best),
      undefined,
    )
    if (fullest) {
      const endpoints = [...fullest.endpoints, ...fresh.splice(0)]
      kept[kept.indexOf(fullest)] = { ...fullest, endpoints, changed: true }
    }
  }
  const create: EndpointSlice[] = []
  while (fresh.length > 0) create.push(newSlice(context, group, fresh.splice(0, maxEndpointsPerSlice)))
  return { create, kept, unused }
}

/** What of a slice's endpoints is still wanted, as it is wanted now; takes these out of `missing`. */
function keepIn(slice: EndpointSlice, missing: Map<string, Endpoint>): Endpoint[] {
  const kept: Endpoint[] = []
  for (const endpoint of slice.endpoints ?? []) {
    const key = endpointKey(endpoint)
    const wanted = missing.get(key)
    // One that somebody overfilled is cut to size.
    if (!wanted || kept.length >= maxEndpointsPerSlice) continue
    missing.delete(key)
    kept.push(wanted)
  }
  return kept
}

/** Whether a slice says all this already. */
function isRight(
  { labels }: SliceContext,
  slice: EndpointSlice,
  ports: readonly EndpointPort[],
  endpoints: readonly Endpoint[],
): boolean {
  return (
    portsKey(slice.ports ?? []) === portsKey(ports) &&
    isDeepStrictEqual(slice.endpoints ?? [], endpoints) &&
    isDeepStrictEqual(slice.metadata.labels, labels)
  )
}

function newSlice(context: SliceContext, group: Group, endpoints: readonly Endpoint[]): EndpointSlice {
  const { name = '', namespace = '', uid = '' } = context.service.metadata
  const owner = { apiVersion: 'v1', kind: 'Service', name, uid, controller: true, blockOwnerDeletion: true }
  const metadata: WrittenMeta = { generateName: `${name}-`, namespace, ownerReferences: [owner] }
  const { addressType, ports } = group
  const empty = { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata, addressType }
  return withContents(context, empty, ports, endpoints)
}

function withContents(
  { labels, triggerTime }: SliceContext,
  slice: EndpointSlice,
  ports: readonly EndpointPort[],
  endpoints: readonly Endpoint[],
): EndpointSlice {
  const { annotations: before, ...metadata } = slice.metadata
  const { [triggerTimeAnnotation]: _, ...others } = before ?? {}
  const annotations = triggerTime === undefined ? others : { ...others, [triggerTimeAnnotation]: triggerTime }
  const annotated = Object.keys(annotations).length > 0 ? { annotations } : {}
  return { ...slice, metadata: { ...metadata, labels, ...annotated }, ports, endpoints }
}

function groupEndpoints(
  service: Service,
  pods: readonly Pod[],
  family: string,
  zoneOf: ZoneOf,
): ReadonlyMap<string, Group> {
  const groups = new Map<string, Group>()
  for (const pod of pods) {
    const endpoint = podEndpoint(service, pod, family, zoneOf)
    if (!endpoint) continue
    const ports = endpointPortsOf(service, pod)
    const key = portsKey(ports)
    const group = groups.get(key) ?? { addressType: family, ports, endpoints: new Map<string, Endpoint>() }
    group.endpoints.set(endpointKey(endpoint), endpoint)
    groups.set(key, group)
  }
  return groups
}

/** The Service's own labels, and those by which the slices are found, which nobody else may set. */
function sliceLabelsOf({ metadata, spec }: Service): Readonly<Record<string, string>> {
  const { [headlessLabel]: _, ...labels } = metadata.labels ?? {}
  return {
    ...labels,
    ...(hasClusterIp(spec) ? {} : { [headlessLabel]: '' }),
    [serviceNameLabel]: metadata.name ?? '',
    [managedByLabel]: controllerName,
  }
}

/** Whether there is an address that stands for all endpoints. */
export function hasClusterIp({ clusterIP }: Service['spec']): boolean {
  return clusterIP !== undefined && clusterIP !== '' && clusterIP !== 'None'
}

function endpointKey(endpoint: Endpoint): string {
  return `${endpoint.addresses?.[0] ?? ''} ${endpoint.targetRef?.['uid'] ?? ''}`
}

function portsKey(ports: readonly EndpointPort[]): string {
  const parts = ports.map(
    port => `${port.name ?? ''}/${port.protocol}/${port.port}/${port.appProtocol ?? ''}`,
  )
  return parts.sort().join(' ')
}
