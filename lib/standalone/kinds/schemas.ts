// The fields of each kind: every one that the real v1 API has for Services and EndpointSlices, so that any real
// manifest passes and any misspelt field is found; for Pods, Nodes and Namespaces the fields that we read, with the
// rest let through. Enumerated values are left to validation, which answers them as the real server does.

import { endpointSlices, namespaces, nodes, pods, services, type ResourceType } from './resources.ts'
import type { Schema } from '../../model/schema.ts'

const string: Schema = { type: 'string' }
const integer: Schema = { type: 'integer' }
const boolean: Schema = { type: 'boolean' }
const intOrString: Schema = { type: 'intOrString' }
const any: Schema = { type: 'any' }
const strings: Schema = { type: 'list', items: string }
const stringMap: Schema = { type: 'map', values: string }
const list = (items: Schema): Schema => ({ type: 'list', items })
const object = (fields: Readonly<Record<string, Schema>>): Schema => ({ type: 'object', fields })
const open = (fields: Readonly<Record<string, Schema>>): Schema => ({ type: 'object', fields, open: true })

export const metadataSchema: Schema = object({
  name: string,
  generateName: string,
  namespace: string,
  selfLink: string,
  uid: string,
  resourceVersion: string,
  generation: integer,
  creationTimestamp: string,
  deletionTimestamp: string,
  deletionGracePeriodSeconds: integer,
  labels: stringMap,
  annotations: stringMap,
  ownerReferences: list(
    object({
      apiVersion: string,
      kind: string,
      name: string,
      uid: string,
      controller: boolean,
      blockOwnerDeletion: boolean,
    }),
  ),
  finalizers: strings,
  managedFields: list(any),
})

const kind = (fields: Readonly<Record<string, Schema>>): Schema =>
  object({ apiVersion: string, kind: string, metadata: metadataSchema, ...fields })

const condition = object({
  type: string,
  status: string,
  observedGeneration: integer,
  lastTransitionTime: string,
  reason: string,
  message: string,
})

const service = kind({
  spec: object({
    ports: list(
      object({
        name: string,
        protocol: string,
        appProtocol: string,
        port: integer,
        targetPort: intOrString,
        nodePort: integer,
      }),
    ),
    selector: stringMap,
    clusterIP: string,
    clusterIPs: strings,
    type: string,
    externalIPs: strings,
    sessionAffinity: string,
    loadBalancerIP: string,
    loadBalancerSourceRanges: strings,
    externalName: string,
    externalTrafficPolicy: string,
    healthCheckNodePort: integer,
    publishNotReadyAddresses: boolean,
    sessionAffinityConfig: object({ clientIP: object({ timeoutSeconds: integer }) }),
    ipFamilies: strings,
    ipFamilyPolicy: string,
    allocateLoadBalancerNodePorts: boolean,
    loadBalancerClass: string,
    internalTrafficPolicy: string,
    trafficDistribution: string,
  }),
  status: object({
    loadBalancer: object({
      ingress: list(
        object({
          ip: string,
          ipMode: string,
          hostname: string,
          ports: list(object({ port: integer, protocol: string, error: string })),
        }),
      ),
    }),
    conditions: list(condition),
  }),
})

const objectReference = object({
  kind: string,
  namespace: string,
  name: string,
  uid: string,
  apiVersion: string,
  resourceVersion: string,
  fieldPath: string,
})

const endpointPort = object({ name: string, protocol: string, port: integer, appProtocol: string })

const endpointSlice = kind({
  addressType: string,
  endpoints: list(
    object({
      addresses: strings,
      conditions: object({ ready: boolean, serving: boolean, terminating: boolean }),
      hostname: string,
      targetRef: objectReference,
      deprecatedTopology: stringMap,
      nodeName: string,
      zone: string,
      hints: object({ forZones: list(object({ name: string })), forNodes: list(object({ name: string })) }),
    }),
  ),
  ports: list(endpointPort),
})

const endpointAddress = object({ ip: string, hostname: string, nodeName: string, targetRef: objectReference })

/** Endpoints, the API before EndpointSlices: only in manifests, where it is turned into slices. */
export const endpointsSchema: Schema = kind({
  subsets: list(
    object({
      addresses: list(endpointAddress),
      notReadyAddresses: list(endpointAddress),
      ports: list(endpointPort),
    }),
  ),
})

const container = open({
  name: string,
  image: string,
  restartPolicy: string,
  ports: list(
    object({ name: string, containerPort: integer, protocol: string, hostPort: integer, hostIP: string }),
  ),
})

const pod = kind({
  spec: open({
    nodeName: string,
    hostname: string,
    subdomain: string,
    containers: list(container),
    initContainers: list(container),
  }),
  status: open({
    phase: string,
    podIP: string,
    podIPs: list(object({ ip: string })),
    conditions: list(open({ type: string, status: string })),
    listening: list(object({ protocol: string, containerPort: integer, port: integer })),
  }),
})

const node = kind({
  spec: open({
    podCIDR: string,
    podCIDRs: strings,
    unschedulable: boolean,
    taints: list(open({ key: string, value: string, effect: string })),
  }),
  status: open({ addresses: list(object({ type: string, address: string })) }),
})

const namespace = kind({ spec: open({}), status: open({ phase: string }) })

const schemas: ReadonlyMap<ResourceType, Schema> = new Map([
  [services, service],
  [endpointSlices, endpointSlice],
  [pods, pod],
  [nodes, node],
  [namespaces, namespace],
])

/** The schema of a resource's objects. */
export function schemaOf(type: ResourceType): Schema {
  return schemas.get(type) ?? any
}
