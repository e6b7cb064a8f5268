import * as fc from 'fast-check'
import { test } from 'tap'
import type { KubeObject } from '../../../lib/model/objects.ts'
import { coreEvent, newEvent } from '../../../lib/standalone/kinds/event-conversion.ts'
import { events, eventsV1, namespaces } from '../../../lib/standalone/kinds/resources.ts'
import { parseFieldSelector } from '../../../lib/standalone/kinds/selectors.ts'
import { controlPlaneFor, refusal } from '../builders.ts'

const recorded = (fields: object = {}): object => ({
  metadata: { name: 'web.1', namespace: 'default' },
  eventTime: '2026-01-02T03:04:05.678000Z',
  reportingController: 'kube-relay',
  reportingInstance: 'n1',
  action: 'Serve',
  reason: 'NoEndpoints',
  regarding: { apiVersion: 'v1', kind: 'Service', namespace: 'default', name: 'web', uid: 'u1' },
  note: 'nobody answers',
  type: 'Warning',
  ...fields,
})
const causesOf = (request: () => unknown): readonly string[] =>
  (refusal(request).details?.causes ?? []).map(
    ({ field, reason }) => `${field} ${reason.replace('FieldValue', '')}`,
  )

void test('an Event of events.k8s.io/v1 is kept, and read, as core v1', async t => {
  const { registry, store } = await controlPlaneFor(t)
  const created = registry.create(eventsV1, recorded())
  t.match(created, { apiVersion: 'events.k8s.io/v1', kind: 'Event', note: 'nobody answers' })
  const name = { namespace: 'default', name: 'web.1' }
  t.match(registry.get(events, name), {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: 'web.1', uid: created.metadata.uid },
    involvedObject: { kind: 'Service', name: 'web', uid: 'u1' },
    message: 'nobody answers',
    reason: 'NoEndpoints',
    source: {},
    firstTimestamp: null,
    lastTimestamp: null,
    eventTime: '2026-01-02T03:04:05.678000Z',
    reportingComponent: 'kube-relay',
    reportingInstance: 'n1',
    type: 'Warning',
  })
  t.strictSame(registry.get(eventsV1, name), created)
  t.equal(store.list(eventsV1).items.length, 0, 'there is one object, not two')
})

void test('the other way round, the fields of long ago are called deprecated', async t => {
  const { registry } = await controlPlaneFor(t)
  registry.create(events, {
    metadata: { name: 'old', namespace: 'default' },
    involvedObject: { kind: 'Pod', name: 'a', namespace: 'default' },
    message: 'Started',
    source: { component: 'kubelet', host: 'n1' },
    firstTimestamp: '2026-01-02T03:04:05Z',
    lastTimestamp: '2026-01-02T03:04:06Z',
    count: 3,
  })
  t.match(registry.get(eventsV1, { namespace: 'default', name: 'old' }), {
    regarding: { kind: 'Pod', name: 'a' },
    note: 'Started',
    deprecatedSource: { component: 'kubelet', host: 'n1' },
    deprecatedFirstTimestamp: '2026-01-02T03:04:05Z',
    deprecatedLastTimestamp: '2026-01-02T03:04:06Z',
    deprecatedCount: 3,
    eventTime: null,
  })
})

void test('nothing is lost from one form to the other and back, but an empty reporter', t => {
  const field = fc.constantFrom(
    'involvedObject',
    'message',
    'source',
    'count',
    'reason',
    'reportingComponent',
    'series',
  )
  fc.assert(
    fc.property(fc.dictionary(field, fc.jsonValue()), ({ reportingComponent, ...fields }) => {
      const reporter =
        reportingComponent === undefined || reportingComponent === '' ? {} : { reportingComponent }
      const rest = { ...fields, apiVersion: 'v1', kind: 'Event', metadata: { name: 'a' } } as const
      const event: KubeObject = {
        ...rest,
        ...(reportingComponent === undefined ? {} : { reportingComponent }),
      }
      t.strictSame(coreEvent(newEvent(event)), { ...rest, ...reporter })
    }),
    { numRuns: 50, examples: [[{ reportingComponent: '' }]] },
  )
  t.end()
})

void test('what a recorder of today has to say', async t => {
  const { registry } = await controlPlaneFor(t)
  registry.create(namespaces, { metadata: { name: 'other' } })
  const series = { count: 1 }
  const cases: readonly (readonly [name: string, fields: object, causes: readonly string[]])[] = [
    ['no time', { eventTime: undefined }, ['eventTime Required']],
    ['no action', { action: '' }, ['action Required']],
    ['no reason', { reason: undefined }, ['reason Required']],
    ['no instance', { reportingInstance: undefined }, ['reportingInstance Required']],
    [
      'no controller',
      { reportingController: undefined },
      ['reportingController Required', 'reportingController Invalid', 'reportingController Invalid'],
    ],
    ['a controller that is no name', { reportingController: 'a b' }, ['reportingController Invalid']],
    ['a long action', { action: 'a'.repeat(129) }, ['action Invalid']],
    ['a long note', { note: 'a'.repeat(1025) }, ['message Invalid']],
    ['another type', { type: 'Urgent' }, ['type Invalid']],
    ['a time of long ago', { deprecatedFirstTimestamp: '2026-01-02T03:04:05Z' }, ['firstTimestamp Invalid']],
    ['a count of long ago', { deprecatedCount: 1 }, ['count Invalid']],
    ['a source of long ago', { deprecatedSource: { component: 'x' } }, ['source Invalid']],
    ['a series', { series }, ['series.count Invalid', 'series.lastObservedTime Required']],
    [
      'about a Node, in some namespace',
      { metadata: { name: 'a', namespace: 'other' }, regarding: { kind: 'Node', name: 'n' } },
      ['involvedObject.namespace Invalid'],
    ],
  ]
  for (const [name, fields, causes] of cases) {
    t.strictSame(
      causesOf(() => registry.create(eventsV1, recorded(fields))),
      causes,
      name,
    )
  }
  const inSystem = {
    metadata: { name: 'a', namespace: 'kube-system' },
    regarding: { kind: 'Node', name: 'n' },
  }
  t.match(registry.create(eventsV1, recorded(inSystem)), { metadata: { name: 'a' } })
})

void test('of a recorded Event only its series changes', async t => {
  const { registry } = await controlPlaneFor(t)
  registry.create(eventsV1, recorded())
  const series = { count: 2, lastObservedTime: '2026-01-02T03:05:05.000000Z' }
  t.match(registry.update(eventsV1, recorded({ series })), { series: { count: 2 } })
  t.strictSame(
    causesOf(() => registry.update(eventsV1, recorded({ series, note: 'x' }))),
    ['message Invalid'],
  )
  t.strictSame(
    causesOf(() => registry.update(eventsV1, recorded({ series: { count: 1 } }))),
    ['series.count Invalid', 'series.lastObservedTime Required'],
  )
  t.equal(refusal(() => registry.update(eventsV1, recorded({ metadata: { name: 'none' } }))).code, 404)
})

void test('a core v1 Event may be almost anything, in its namespace', async t => {
  const { registry } = await controlPlaneFor(t)
  const event = (involvedObject: object, namespace = 'default', name = 'a') => ({
    metadata: { name, namespace },
    involvedObject,
  })
  t.match(registry.create(events, event({})), { source: {}, reportingComponent: '' })
  t.match(registry.create(events, event({}, 'default', 'With.Capitals')), { kind: 'Event' })
  t.strictSame(
    causesOf(() => registry.create(events, event({ namespace: 'kube-system' }, 'default', 'b'))),
    ['involvedObject.namespace Invalid'],
  )
  t.strictSame(
    causesOf(() => registry.create(events, event({}, 'kube-system'))),
    ['involvedObject.namespace Invalid'],
  )
  for (const name of ['a/b', 'a%b', '..']) {
    t.strictSame(
      causesOf(() => registry.create(events, event({}, 'default', name))),
      ['metadata.name Invalid'],
    )
  }
})

void test('selecting Events by what they are about and who tells', t => {
  const event = coreEvent({ ...recorded(), metadata: { name: 'a', namespace: 'default' } })
  const matches = (selector: string) => parseFieldSelector(selector, events)(event)
  t.ok(matches('involvedObject.name=web,involvedObject.kind=Service,involvedObject.uid=u1'))
  t.notOk(matches('involvedObject.name=other'))
  t.ok(matches('source=kube-relay'), 'the source of an Event without one is who reports it')
  t.ok(matches('reportingComponent=kube-relay,type!=Normal,reason=NoEndpoints'))
  t.ok(parseFieldSelector('regarding.name=web', eventsV1)(newEvent(event)))
  t.end()
})
