// How Events are written (kubernetes pkg/apis/core/validation/events.go): a core v1 Event may be almost anything, as
// it always could; one that comes as events.k8s.io/v1 is held to what that API asks for. Both arrive here as core v1,
// and the fields in errors are called as there, also when the request called them otherwise: so does the real server.

import { isDeepStrictEqual } from 'node:util'
import { asFields, asString } from '../../model/fields.ts'
import type { KubeObject } from '../../model/objects.ts'
import { FieldErrors } from './field-errors.ts'
import { dnsSubdomain, qualifiedName } from './name-formats.ts'
import { events } from './resources.ts'
import { invalid } from './status.ts'
import type { Strategy } from './strategy.ts'

/** How long an Event is kept after its last write, as with the real server's --event-ttl. */
export const eventTtlMs = 60 * 60_000

const maxWordBytes = 128
const maxMessageBytes = 1024

/** What a recorder may not change in an Event of events.k8s.io/v1: everything but the series and metadata. */
const settledFields = [
  'involvedObject',
  'reason',
  'message',
  'source',
  'firstTimestamp',
  'lastTimestamp',
  'count',
  'type',
  'eventTime',
  'action',
  'related',
  'reportingComponent',
  'reportingInstance',
] as const

export const eventStrategy: Strategy = {
  prepare(object) {
    const event = completed(object)
    const errors = new FieldErrors()
    checkEvent(event, errors)
    if (errors.causes.length > 0) throw invalid(events, object.metadata.name ?? '', errors.causes)
    return event
  },
}

/** For what is written as events.k8s.io/v1, and stored as core v1. */
export const eventV1Strategy: Strategy = {
  prepare(object, stored) {
    const event = completed(object)
    const errors = new FieldErrors()
    checkEvent(event, errors)
    if (stored) checkSettled(event, completed(stored), errors)
    else checkNewEvent(event, errors)
    if (errors.causes.length > 0) throw invalid(events, object.metadata.name ?? '', errors.causes)
    return event
  },
}

/** The fields that core v1 always shows, null for a time that isn't set. */
function completed(event: KubeObject): KubeObject {
  return {
    ...event,
    involvedObject: event['involvedObject'] ?? {},
    source: event['source'] ?? {},
    firstTimestamp: event['firstTimestamp'] ?? null,
    lastTimestamp: event['lastTimestamp'] ?? null,
    eventTime: event['eventTime'] ?? null,
    reportingComponent: event['reportingComponent'] ?? '',
    reportingInstance: event['reportingInstance'] ?? '',
  }
}

function checkEvent(event: KubeObject, errors: FieldErrors): void {
  const { namespace = '' } = event.metadata
  const about = asString(asFields(event['involvedObject'])['namespace'])
  // Events about objects without a namespace are in "default"; recorders of today may use "kube-system" as well.
  const homes = event['eventTime'] === null ? ['default'] : ['default', 'kube-system']
  const agrees = about === '' ? homes.includes(namespace) : event['eventTime'] !== null || about === namespace
  if (!agrees) errors.invalid('involvedObject.namespace', about, 'does not match event.namespace')
  if (event['eventTime'] !== null) checkRecorder(event, errors)
  errors.invalidBy(dnsSubdomain(namespace), 'namespace', namespace)
}

/** What an Event with an eventTime has to say. */
function checkRecorder(event: KubeObject, errors: FieldErrors): void {
  const controller = asString(event['reportingComponent'])
  if (controller === '') errors.required('reportingController')
  errors.invalidBy(qualifiedName(controller), 'reportingController', controller)
  for (const field of ['reportingInstance', 'action', 'reason']) {
    const text = asString(event[field])
    if (text === '') errors.required(field)
    if (Buffer.byteLength(text) > maxWordBytes) {
      errors.invalid(field, '', `can have at most ${maxWordBytes} characters`)
    }
  }
  if (Buffer.byteLength(asString(event['message'])) > maxMessageBytes) {
    errors.invalid('message', '', `can have at most ${maxMessageBytes} characters`)
  }
}

function checkNewEvent(event: KubeObject, errors: FieldErrors): void {
  checkSeries(event, errors)
  if (event['eventTime'] === null) errors.required('eventTime')
  const type = asString(event['type'])
  if (type !== 'Normal' && type !== 'Warning') errors.invalid('type', '', `has invalid value: ${type}`)
  for (const field of ['firstTimestamp', 'lastTimestamp', 'count', 'source']) {
    const value = event[field]
    const unset = !value || (typeof value === 'object' && Object.keys(value).length === 0)
    if (!unset) errors.invalid(field, '', 'needs to be unset')
  }
}

function checkSettled(event: KubeObject, stored: KubeObject, errors: FieldErrors): void {
  if (!isDeepStrictEqual(event['series'], stored['series'])) checkSeries(event, errors)
  for (const field of settledFields) {
    if (isDeepStrictEqual(event[field], stored[field])) continue
    const name = field === 'reportingComponent' ? 'reportingController' : field
    errors.invalid(name, event[field], 'field is immutable')
  }
}

function checkSeries(event: KubeObject, errors: FieldErrors): void {
  if (event['series'] === undefined) return
  const { count, lastObservedTime } = asFields(event['series'])
  if (typeof count !== 'number' || count < 2) errors.invalid('series.count', '', 'should be at least 2')
  if (lastObservedTime === undefined) errors.required('series.lastObservedTime')
}
