// The fields of an Event in its two forms: core v1, and events.k8s.io/v1, which recorders write today.

import { kind, objectReference } from './metadata.ts'
import { core, int32, microTime, string, time, typesOf, use } from './notation.ts'

const eventsType = typesOf('io.k8s.api.events.v1')

const eventSource = core('EventSource', 'Who reported an Event.', {
  component: string('The program.'),
  host: string('The node it runs on.'),
})

const coreSeries = core('EventSeries', 'How often an Event has happened so far.', {
  count: int32('How many times.'),
  lastObservedTime: microTime('When it last happened.'),
})

const newSeries = eventsType(
  'EventSeries',
  'How often an Event has happened so far.',
  { count: int32('How many times.'), lastObservedTime: microTime('When it last happened.') },
  ['count', 'lastObservedTime'],
)

const action = string('What was done, or failed to be done, about the object: one CamelCase word.')
const eventTime = microTime('When it first happened.')
const reason = string('Why: one CamelCase word.')
const related = use(objectReference, 'A second object that has a part in it.')
const reporter = string('The name of the controller that reports, such as "kube-relay.example/agent".')
const reportingInstance = string('Which instance of the controller reports: as a rule its pod or node.')
const series = 'How often it has happened so far. Absent for what happened once.'
const type = string('Normal or Warning.')

export const coreEventSchema = kind(
  'io.k8s.api.core.v1',
  'Event',
  'Something that happened to an object. Events are kept for a short time only.',
  {
    action,
    count: int32('How often it has happened, as old reporters count.'),
    eventTime,
    firstTimestamp: time('When it first happened, as old reporters say it.'),
    involvedObject: use(objectReference, 'The object that it happened to.'),
    lastTimestamp: time('When it last happened, as old reporters say it.'),
    message: string('What happened, for people.'),
    reason,
    related,
    reportingComponent: reporter,
    reportingInstance,
    series: use(coreSeries, series),
    source: use(eventSource, 'Who reported it, as old reporters say it.'),
    type,
  },
  ['metadata', 'involvedObject'],
)

export const newEventSchema = kind(
  'io.k8s.api.events.v1',
  'Event',
  'Something that happened to an object. Events are kept for a short time only.',
  {
    action,
    deprecatedCount: int32("The core API's count."),
    deprecatedFirstTimestamp: time("The core API's firstTimestamp."),
    deprecatedLastTimestamp: time("The core API's lastTimestamp."),
    deprecatedSource: use(eventSource, "The core API's source."),
    eventTime,
    note: string('What happened, for people.'),
    reason,
    regarding: use(objectReference, 'The object that it happened to.'),
    related,
    reportingController: reporter,
    reportingInstance,
    series: use(newSeries, series),
    type,
  },
  ['eventTime'],
)
