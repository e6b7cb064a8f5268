// The resources that the embedded API server serves. Routing, discovery, the store and manifests all read this
// table, so that a resource added here exists everywhere. A ResourceType is compared by identity.

import type { KubeObject } from '../../model/objects.ts'
import { coreEvent, newEvent } from './event-conversion.ts'

export interface ResourceType {
  /** "" for the core group. */
  readonly group: string
  readonly version: string
  readonly plural: string
  readonly singular: string
  readonly kind: string
  readonly namespaced: boolean
  readonly shortNames: readonly string[]
  /** Whether `/status` is a resource of its own, which writes status and nothing else. */
  readonly statusSubresource: boolean
  /** Field selectors of this resource beside metadata.name and metadata.namespace. */
  readonly selectableFields: readonly string[]
  /** "all": what `kubectl get all` shows. */
  readonly categories?: readonly string[]
  /** True for what the control plane derives from other objects: clients read it only. */
  readonly readOnly?: boolean
  /** Of a resource that is another one's objects in a second form. */
  readonly conversion?: Conversion
}

/** How a resource without objects of its own is read from, and written to, the resource that has them. */
export interface Conversion {
  readonly stored: ResourceType
  toStored(object: KubeObject): KubeObject
  fromStored(object: KubeObject): KubeObject
}

export const services: ResourceType = {
  group: '',
  version: 'v1',
  plural: 'services',
  singular: 'service',
  kind: 'Service',
  namespaced: true,
  shortNames: ['svc'],
  statusSubresource: true,
  selectableFields: ['spec.clusterIP', 'spec.type'],
  categories: ['all'],
}

/** Derived from the EndpointSlices, for clients that read nothing newer. */
export const endpoints: ResourceType = {
  group: '',
  version: 'v1',
  plural: 'endpoints',
  singular: 'endpoints',
  kind: 'Endpoints',
  namespaced: true,
  shortNames: ['ep'],
  statusSubresource: false,
  selectableFields: [],
  readOnly: true,
}

export const endpointSlices: ResourceType = {
  group: 'discovery.k8s.io',
  version: 'v1',
  plural: 'endpointslices',
  singular: 'endpointslice',
  kind: 'EndpointSlice',
  namespaced: true,
  shortNames: [],
  statusSubresource: false,
  selectableFields: [],
}

export const pods: ResourceType = {
  group: '',
  version: 'v1',
  plural: 'pods',
  singular: 'pod',
  kind: 'Pod',
  namespaced: true,
  shortNames: ['po'],
  statusSubresource: true,
  selectableFields: [
    'spec.nodeName',
    'spec.restartPolicy',
    'spec.schedulerName',
    'spec.serviceAccountName',
    'spec.hostNetwork',
    'status.phase',
    'status.podIP',
    'status.nominatedNodeName',
  ],
  categories: ['all'],
}

export const nodes: ResourceType = {
  group: '',
  version: 'v1',
  plural: 'nodes',
  singular: 'node',
  kind: 'Node',
  namespaced: false,
  shortNames: ['no'],
  statusSubresource: true,
  selectableFields: ['spec.unschedulable'],
}

export const namespaces: ResourceType = {
  group: '',
  version: 'v1',
  plural: 'namespaces',
  singular: 'namespace',
  kind: 'Namespace',
  namespaced: false,
  shortNames: ['ns'],
  statusSubresource: true,
  selectableFields: ['status.phase'],
}

export const events: ResourceType = {
  group: '',
  version: 'v1',
  plural: 'events',
  singular: 'event',
  kind: 'Event',
  namespaced: true,
  shortNames: ['ev'],
  statusSubresource: false,
  selectableFields: [
    ...['kind', 'namespace', 'name', 'uid', 'apiVersion', 'resourceVersion', 'fieldPath'].map(
      field => `involvedObject.${field}`,
    ),
    'reason',
    'reportingComponent',
    'source',
    'type',
  ],
}

/** The events once more, in the form that recorders write today. */
export const eventsV1: ResourceType = {
  ...events,
  group: 'events.k8s.io',
  selectableFields: [
    ...['kind', 'namespace', 'name', 'uid', 'apiVersion', 'resourceVersion', 'fieldPath'].map(
      field => `regarding.${field}`,
    ),
    'reason',
    'reportingController',
    'type',
  ],
  conversion: { stored: events, toStored: coreEvent, fromStored: newEvent },
}

export const resourceTypes: readonly ResourceType[] = [
  namespaces,
  nodes,
  pods,
  services,
  endpoints,
  endpointSlices,
  events,
  eventsV1,
]

/** "v1" or "discovery.k8s.io/v1": the apiVersion of a resource's objects. */
export function apiVersionOf(type: ResourceType): string {
  return type.group === '' ? type.version : `${type.group}/${type.version}`
}

/** "endpointslices.discovery.k8s.io": how the API server's messages name a resource. */
export function qualifiedName(type: ResourceType): string {
  return type.group === '' ? type.plural : `${type.plural}.${type.group}`
}

/** The resource of an object, by its apiVersion and kind. */
export function resourceOfKind(apiVersion: string, kind: string): ResourceType | undefined {
  return resourceTypes.find(type => type.kind === kind && apiVersionOf(type) === apiVersion)
}
