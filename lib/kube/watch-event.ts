// The lines of a watch stream as typed events. A line is what the API server says, or what anything between it and
// us makes of it: whatever doesn't fit becomes `unknown` with what was wrong, never an exception.

import type { KubeObject } from '../model/objects.ts'

export type WatchEvent =
  | { readonly type: 'set'; readonly object: KubeObject }
  | { readonly type: 'delete'; readonly object: KubeObject }
  | {
      readonly type: 'bookmark'
      readonly resourceVersion: string
      /** The last of a streaming list's initial events (KEP-3157). */
      readonly initialEventsEnd: boolean
    }
  /** `status` is a Status object, unchecked. */
  | { readonly type: 'error'; readonly status: unknown }
  | { readonly type: 'unknown'; readonly problem: string }

const initialEventsEndAnnotation = 'k8s.io/initial-events-end'

/** Reads one line of a watch stream, parsed as JSON. */
export function readWatchEvent(line: unknown): WatchEvent {
  if (typeof line !== 'object' || line === null) return { type: 'unknown', problem: 'not an event' }
  const { type, object } = line as { readonly type?: unknown; readonly object?: unknown }
  switch (type) {
    case 'ADDED':
    case 'MODIFIED':
    case 'DELETED': {
      const problem = objectProblem(object)
      if (problem !== null) return { type: 'unknown', problem: `${type} event with ${problem}` }
      return { type: type === 'DELETED' ? 'delete' : 'set', object: object as KubeObject }
    }
    case 'BOOKMARK':
      return readBookmark(object)
    case 'ERROR':
      return { type: 'error', status: object }
    default:
      return { type: 'unknown', problem: `event type ${JSON.stringify(type) ?? 'missing'}` }
  }
}

/** What keeps a value from being handled as an API object; null if nothing does. */
export function objectProblem(value: unknown): string | null {
  if (typeof value !== 'object' || value === null) return 'something else than an object'
  const { metadata } = value as { readonly metadata?: unknown }
  if (typeof metadata !== 'object' || metadata === null) return 'an object without metadata'
  const { name, namespace } = metadata as { readonly name?: unknown; readonly namespace?: unknown }
  if (typeof name !== 'string' || name === '' || name.includes('/'))
    return 'an object without a valid metadata.name'
  if (namespace !== undefined && (typeof namespace !== 'string' || namespace.includes('/'))) {
    return `an object (${name}) without a valid metadata.namespace`
  }
  return null
}

function readBookmark(object: unknown): WatchEvent {
  const metadata = (object as { metadata?: unknown } | null | undefined)?.metadata
  const { resourceVersion, annotations } = (metadata ?? {}) as {
    readonly resourceVersion?: unknown
    readonly annotations?: Readonly<Record<string, unknown>> | null
  }
  if (typeof resourceVersion !== 'string' || resourceVersion === '') {
    return { type: 'unknown', problem: 'BOOKMARK event without a resourceVersion' }
  }
  const initialEventsEnd = annotations?.[initialEventsEndAnnotation] === 'true'
  return { type: 'bookmark', resourceVersion, initialEventsEnd }
}
