// Which EndpointSlices a Service should have, given its Pods and the slices there are: pure, and it changes only what
// must change, because every changed slice is an event for every agent. After the real controller
// (staging/src/k8s.io/endpointslice/reconciler.go).

import { isDeepStrictEqual } from 'node:util'
import { canonicalIp, familyOf } from '../../model/address.ts'
import type { Endpoint, EndpointPort, EndpointSlice, Pod, Service } from '../kinds/api-types.ts'
import { endpointPortsOf } from './pod-ports.ts'
import { hasClusterIps, isHeadless } from '../services/service-defaults.ts'

export const managedByLabel = 'endpointslice.kubernetes.io/managed-by'
export const serviceNameLabel = 'kubernetes.io/service-name'
export const controllerName = 'endpointslice-controller.k8s.io'
export const maxEndpointsPerSlice = 100

const headlessLabel = 'service.kubernetes.io/headless'

export interface SliceChanges {
  /** Without names: the registry makes one from generateName. */
  readonly create: readonly EndpointSlice[]
  readonly update: readonly EndpointSlice[]
  readonly delete: readonly EndpointSlice[]
}

/** Endpoints that have the same ports, and so can share a slice. */
interface Group {
  readonly addressType: string
  readonly ports: readonly EndpointPort[]
  readonly endpoints: Map<string, Endpoint>
}

/**
 * The changes that bring a Service's slices in line with its Pods. `pods` are those that its selector matches,
 * `existing` the slices that this controller manages for it, `zoneOf` a node's zone.
 */
export function reconcileSlices(
  service: Service,
  pods: readonly Pod[],
  existing: readonly EndpointSlice[],
  zoneOf: (nodeName: string) => string | undefined,
): SliceChanges {
  const labels = labelsOf(service)
  const groups = groupEndpoints(service, pods, zoneOf)
  const create: EndpointSlice[] = []
  const update: EndpointSlice[] = []
  const toDelete: EndpointSlice[] = []
  const slicesOf = Map.groupBy(existing, slice => groupKey(slice.addressType ?? '', slice.ports ?? []))

  for (const [key, group] of groups) {
    const missing = new Map(group.endpoints)
    // First what stays where it is, without endpoints that went, then the new ones into the free places.
    const kept = (slicesOf.get(key) ?? []).map(slice => ({ slice, endpoints: keepIn(slice, missing) }))
    slicesOf.delete(key)
    const fresh = [...missing.values()]
    for (const entry of kept)
      entry.endpoints.push(...fresh.splice(0, maxEndpointsPerSlice - entry.endpoints.length))
    const isNeeded = (entry: { readonly endpoints: readonly Endpoint[] }, i: number): boolean =>
      entry.endpoints.length > 0 || (group.endpoints.size === 0 && i === 0)
    kept.forEach((entry, i) => {
      if (!isNeeded(entry, i)) toDelete.push(entry.slice)
      else if (isChanged(entry.slice, entry.endpoints, labels)) {
        const metadata = { ...entry.slice.metadata, labels }
        update.push({ ...entry.slice, metadata, endpoints: entry.endpoints })
      }
    })
    const needsPlaceholder = kept.length === 0 && group.endpoints.size === 0
    while (fresh.length > 0)
      create.push(newSlice(service, labels, group, fresh.splice(0, maxEndpointsPerSlice)))
    if (needsPlaceholder) create.push(newSlice(service, labels, group, []))
  }
  for (const slices of slicesOf.values()) toDelete.push(...slices)
  return { create, update, delete: toDelete }
}

/** What of a slice's endpoints is still wanted, as it is wanted now; takes these out of `missing`. */
function keepIn(slice: EndpointSlice, missing: Map<string, Endpoint>): Endpoint[] {
  const kept: Endpoint[] = []
  for (const endpoint of slice.endpoints ?? []) {
    const key = endpointKey(endpoint)
    const wanted = missing.get(key)
    if (!wanted) continue
    missing.delete(key)
    kept.push(wanted)
  }
  return kept
}

function isChanged(
  slice: EndpointSlice,
  endpoints: readonly Endpoint[],
  labels: Readonly<Record<string, string>>,
): boolean {
  return (
    !isDeepStrictEqual(slice.endpoints ?? [], endpoints) || !isDeepStrictEqual(slice.metadata.labels, labels)
  )
}

function newSlice(
  service: Service,
  labels: Readonly<Record<string, string>>,
  group: Group,
  endpoints: readonly Endpoint[],
): EndpointSlice {
  const { name = '', namespace = '', uid = '' } = service.metadata
  const owner = { apiVersion: 'v1', kind: 'Service', name, uid, controller: true, blockOwnerDeletion: true }
  const metadata = { generateName: `${name}-`, namespace, labels, ownerReferences: [owner] }
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata,
    addressType: group.addressType,
    endpoints,
    ports: group.ports,
  }
}

function groupEndpoints(
  service: Service,
  pods: readonly Pod[],
  zoneOf: (nodeName: string) => string | undefined,
): ReadonlyMap<string, Group> {
  const groups = new Map<string, Group>()
  const group = (addressType: string, ports: readonly EndpointPort[]): Group => {
    const key = groupKey(addressType, ports)
    const found = groups.get(key) ?? { addressType, ports, endpoints: new Map<string, Endpoint>() }
    groups.set(key, found)
    return found
  }
  for (const family of hasClusterIps(service.spec) ? (service.spec.ipFamilies ?? []) : []) {
    let any = false
    for (const pod of pods) {
      const ip = podIpOf(pod, family)
      if (ip === undefined || isFinished(pod)) continue
      any = true
      const endpoint = endpointOf(service, pod, ip, zoneOf)
      group(family, endpointPortsOf(service, pod)).endpoints.set(endpointKey(endpoint), endpoint)
    }
    // A Service without Pods has one empty slice, as on a real cluster.
    if (!any) group(family, [])
  }
  return groups
}

function endpointOf(
  service: Service,
  pod: Pod,
  ip: string,
  zoneOf: (nodeName: string) => string | undefined,
): Endpoint {
  const terminating = pod.metadata.deletionTimestamp !== undefined
  const serving = (pod.status?.conditions ?? []).some(
    ({ type, status }) => type === 'Ready' && status === 'True',
  )
  const ready = service.spec.publishNotReadyAddresses === true || (serving && !terminating)
  const { nodeName, hostname, subdomain } = pod.spec ?? {}
  const zone = nodeName === undefined ? undefined : zoneOf(nodeName)
  const { name = '', namespace = '', uid = '' } = pod.metadata
  return {
    addresses: [ip],
    conditions: { ready, serving, terminating },
    ...(hostname !== undefined && subdomain === service.metadata.name ? { hostname } : {}),
    targetRef: { kind: 'Pod', namespace, name, uid },
    ...(nodeName === undefined ? {} : { nodeName }),
    ...(zone === undefined ? {} : { zone }),
  }
}

function podIpOf(pod: Pod, family: string): string | undefined {
  const { podIP, podIPs } = pod.status ?? {}
  for (const text of [...(podIPs ?? []).map(entry => entry.ip), podIP]) {
    const ip = canonicalIp(text)
    if (ip !== null && familyOf(ip) === family) return ip
  }
  return undefined
}

function isFinished(pod: Pod): boolean {
  return pod.status?.phase === 'Failed' || pod.status?.phase === 'Succeeded'
}

/** The Service's own labels, and those by which the slices are found. */
function labelsOf(service: Service): Readonly<Record<string, string>> {
  return {
    ...service.metadata.labels,
    ...(isHeadless(service.spec) ? { [headlessLabel]: '' } : {}),
    [serviceNameLabel]: service.metadata.name ?? '',
    [managedByLabel]: controllerName,
  }
}

function endpointKey(endpoint: Endpoint): string {
  return `${endpoint.addresses?.[0] ?? ''} ${endpoint.targetRef?.['uid'] ?? ''}`
}

function groupKey(addressType: string, ports: readonly EndpointPort[]): string {
  const parts = ports.map(
    port => `${port.name ?? ''}/${port.protocol}/${port.port}/${port.appProtocol ?? ''}`,
  )
  return [addressType, ...parts.sort()].join(' ')
}
