// Which objects a data file keeps. Events are gone after an hour anyway, and their number has no bound that a file
// should follow; Endpoints are derived from what is kept. eventsV1 has no objects of its own.

import { endpoints, events, eventsV1, type ResourceType } from '../kinds/resources.ts'

const transient: ReadonlySet<ResourceType> = new Set([events, eventsV1, endpoints])

export function isPersisted(type: ResourceType): boolean {
  return !transient.has(type)
}
