// The two forms of an Event: core v1, in which they are kept, and events.k8s.io/v1, which recorders write today. The
// same information under other names (kubernetes pkg/apis/events/v1/conversion.go), so that nothing is lost on the way.

import type { KubeObject } from '../../model/objects.ts'

type Renames = readonly (readonly [core: string, newer: string])[]

const renamedFields: Renames = [
  ['involvedObject', 'regarding'],
  ['message', 'note'],
  ['source', 'deprecatedSource'],
  ['firstTimestamp', 'deprecatedFirstTimestamp'],
  ['lastTimestamp', 'deprecatedLastTimestamp'],
  ['count', 'deprecatedCount'],
  ['reportingComponent', 'reportingController'],
]

/** An events.k8s.io/v1 Event as core v1. */
export function coreEvent(event: KubeObject): KubeObject {
  const names = new Map(renamedFields.map(([core, newer]) => [newer, core]))
  return { ...renamed(event, names), apiVersion: 'v1', kind: 'Event', metadata: event.metadata }
}

/** A core v1 Event as events.k8s.io/v1. */
export function newEvent(event: KubeObject): KubeObject {
  const names = new Map(renamedFields)
  // Core v1 shows these also when they are empty, events.k8s.io/v1 doesn't.
  const said = Object.entries(event).filter(([field, value]) => {
    return value !== '' || (field !== 'reportingComponent' && field !== 'reportingInstance')
  })
  return {
    ...renamed(Object.fromEntries(said), names),
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    metadata: event.metadata,
  }
}

function renamed(event: object, names: ReadonlyMap<string, string>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(event).map(([field, value]: [string, unknown]) => [names.get(field) ?? field, value]),
  )
}
