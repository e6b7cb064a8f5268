// The fields of each kind: every one that the real v1 API has (as of Kubernetes 1.36), so that any real manifest passes
// and any misspelt field is found. The tables are in schemas/. Enumerated values and required fields are left to
// validation, which answers them as the real server does.

import type { Schema } from '../../model/schema.ts'
import {
  endpoints,
  endpointSlices,
  events,
  eventsV1,
  namespaces,
  nodes,
  pods,
  services,
  type ResourceType,
} from './resources.ts'
import { endpointSliceSchema } from './schemas/endpoint-slice.ts'
import { endpointsSchema } from './schemas/endpoints.ts'
import { coreEventSchema, newEventSchema } from './schemas/event.ts'
import { namespaceSchema } from './schemas/namespace.ts'
import { nodeSchema } from './schemas/node.ts'
import { podSchema } from './schemas/pod.ts'
import { serviceSchema } from './schemas/service.ts'

export { endpointsSchema } from './schemas/endpoints.ts'
export { metadataSchema } from './schemas/metadata.ts'

const schemas: ReadonlyMap<ResourceType, Schema> = new Map([
  [endpoints, endpointsSchema],
  [endpointSlices, endpointSliceSchema],
  [events, coreEventSchema],
  [eventsV1, newEventSchema],
  [namespaces, namespaceSchema],
  [nodes, nodeSchema],
  [pods, podSchema],
  [services, serviceSchema],
])

/** The schema of a resource's objects. */
export function schemaOf(type: ResourceType): Schema {
  const schema = schemas.get(type)
  if (!schema) throw new Error(`${type.plural} have no schema: add one to schemas/`)
  return schema
}
