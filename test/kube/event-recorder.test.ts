// Events, written to a fake API server that answers as the test says, by a clock that stands still.

import { test, type Test } from 'tap'
import { KubeClient } from '../../lib/kube/client.ts'
import { anonymousAccess } from '../../lib/kube/cluster-access.ts'
import { EventRecorder, maxAttempts, maxQueued, offMs } from '../../lib/kube/event-recorder.ts'
import { nodeReference, serviceReference, type ObjectEvent } from '../../lib/model/object-event.ts'
import { captureLog } from '../control/captured-log.ts'
import { fakeApiServer, type Exchange } from './fake-api-server.ts'
import { ManualClock } from '../manual-clock.ts'

const regarding = serviceReference({ namespace: 'shop', name: 'web', uid: 'u1' })

function event(fields: Partial<ObjectEvent> = {}): ObjectEvent {
  return { regarding, type: 'Warning', reason: 'FailedToBind', action: 'Listen', note: 'taken', ...fields }
}

function recorderFor(t: Test, url: URL) {
  const clock = new ManualClock()
  const startedAt = Date.parse('2026-01-01T00:00:00Z') - clock.now()
  const log = captureLog()
  const client = new KubeClient(anonymousAccess(url))
  const recorder = new EventRecorder({
    client,
    reportingInstance: 'node-1',
    log,
    clock,
    wallClock: () => startedAt + clock.now(),
    random: () => 0,
    limits: { totalBurst: 10_000 },
  })
  t.teardown(async () => {
    await recorder.close()
    await client.close()
  })
  return { recorder, clock, log }
}

async function setup(t: Test) {
  const server = await fakeApiServer(t)
  return { server, ...recorderFor(t, server.url) }
}

const noteOf = ({ body }: Exchange) => (JSON.parse(body) as { note: string }).note
const created = (exchange: Exchange) => exchange.json({}, 201)
const missingRule =
  'events.events.k8s.io is forbidden: User "system:node" cannot create resource "events" in API group "events.k8s.io" in the namespace "shop"'

void test('an event is created', async t => {
  const { server, recorder } = await setup(t)
  recorder.record(event())
  const exchange = await server.next()
  t.equal(exchange.request.method, 'POST')
  t.equal(exchange.path, '/apis/events.k8s.io/v1/namespaces/shop/events')
  t.match(JSON.parse(exchange.body), {
    apiVersion: 'events.k8s.io/v1',
    metadata: { namespace: 'shop', name: /^web\.[0-9a-f]+$/ },
    eventTime: '2026-01-01T00:00:00.000000Z',
    reportingInstance: 'node-1',
    note: 'taken',
  })
  created(exchange)
  await recorder.idle()
  t.strictSame(recorder.counts, { created: 1, skipped: 0, dropped: 0, failed: 0 })
})

void test('about a Node: in the namespace default', async t => {
  const { server, recorder } = await setup(t)
  recorder.record(event({ regarding: nodeReference('node-1'), type: 'Normal', reason: 'Starting' }))
  const exchange = await server.next()
  t.equal(exchange.path, '/apis/events.k8s.io/v1/namespaces/default/events')
  created(exchange)
})

void test('one event per cause, not per retry, until it is resolved', async t => {
  const { server, recorder } = await setup(t)
  for (let retry = 0; retry < 5; retry++)
    recorder.record(event({ note: `attempt ${retry}`, cause: 'port 80' }))
  created(await server.next())
  await recorder.idle()
  recorder.resolve(regarding, 'FailedToBind', 'port 80')
  recorder.record(event({ note: 'again', cause: 'port 80' }))
  const second = await server.next()
  t.equal(noteOf(second), 'again')
  created(second)
  await recorder.idle()
  recorder.forget(regarding)
  recorder.record(event({ note: 'of a new one', cause: 'port 80' }))
  created(await server.next())
  await recorder.idle()
  t.strictSame(recorder.counts, { created: 3, skipped: 4, dropped: 0, failed: 0 })
  t.strictSame(server.untaken, [])
})

void test('one request at a time, in order', async t => {
  const { server, recorder } = await setup(t)
  for (const note of ['a', 'b', 'c']) recorder.record(event({ note }))
  for (const note of ['a', 'b', 'c']) {
    const exchange = await server.next()
    t.equal(noteOf(exchange), note)
    t.strictSame(server.untaken, [], 'the next one waits')
    created(exchange)
  }
})

void test('the queue is bounded, and what was dropped may be told later', async t => {
  const { server, recorder } = await setup(t)
  const ofService = (index: number) =>
    event({ regarding: serviceReference({ namespace: 'shop', name: `s${index}`, uid: '' }) })
  recorder.record(ofService(0))
  const first = await server.next()
  for (let index = 1; index <= maxQueued + 5; index++) recorder.record(ofService(index))
  t.equal(recorder.counts.dropped, 5)
  created(first)
  for (let index = 1; index <= maxQueued; index++) created(await server.next())
  await recorder.idle()
  recorder.record(ofService(maxQueued + 1))
  created(await server.next())
  await recorder.idle()
  t.strictSame(recorder.counts, { created: maxQueued + 2, skipped: 0, dropped: 5, failed: 0 })
})

void test('a missing RBAC rule is named once, then nothing is sent for a while', async t => {
  const { server, recorder, clock, log } = await setup(t)
  recorder.record(event({ note: 'a' }))
  recorder.record(event({ note: 'b' }))
  const exchange = await server.next()
  exchange.refuse(403, 'Forbidden', missingRule)
  await recorder.idle()
  recorder.record(event({ note: 'c' }))
  t.strictSame(recorder.counts, { created: 0, skipped: 0, dropped: 2, failed: 1 })
  t.match(
    log.take().filter(line => line.startsWith('warn')),
    [
      /^warn no events are written: .* RBAC: user "system:node" needs "create" on events\.events\.k8s\.io \(namespace "shop"\)/,
    ],
  )

  clock.advance(offMs)
  recorder.record(event({ note: 'a' }))
  ;(await server.next()).refuse(403, 'Forbidden', missingRule)
  await recorder.idle()
  t.strictSame(
    log.take().filter(line => line.startsWith('warn')),
    [],
    'silent from then on',
  )

  clock.advance(offMs)
  recorder.record(event({ note: 'a' }))
  created(await server.next())
  await recorder.idle()
  t.equal(recorder.counts.created, 1, 'the rule was added, and the event can still be told')
})

void test('a namespace that is going refuses its own events only', async t => {
  const { server, recorder, log } = await setup(t)
  recorder.record(event({ note: 'a' }))
  recorder.record(event({ note: 'b' }))
  const message =
    'events.events.k8s.io "x" is forbidden: unable to create new content in namespace shop because it is being terminated'
  ;(await server.next()).refuse(403, 'Forbidden', message)
  created(await server.next())
  await recorder.idle()
  t.strictSame(recorder.counts, { created: 1, skipped: 0, dropped: 0, failed: 1 })
  t.strictSame(
    log.take().filter(line => !line.startsWith('debug')),
    [],
  )
})

const givenUp: readonly [string, number, string, string][] = [
  ['malformed', 422, 'Invalid', 'Event "x" is invalid: note: too long'],
  ['an object that is there already', 409, 'AlreadyExists', 'events "x" already exists'],
  ['a namespace that is not there', 404, 'NotFound', 'namespaces "shop" not found'],
]

void test('a refused event is given up, and the next one sent', async t => {
  for (const [name, code, reason, message] of givenUp) {
    const { server, recorder } = await setup(t)
    recorder.record(event({ note: 'a' }))
    recorder.record(event({ note: 'b' }))
    ;(await server.next()).refuse(code, reason, message)
    created(await server.next())
    await recorder.idle()
    t.strictSame(recorder.counts, { created: 1, skipped: 0, dropped: 0, failed: 1 }, name)
  }
})

void test('an overloaded server is asked again, as late as it says', async t => {
  const { server, recorder, clock } = await setup(t)
  recorder.record(event())
  ;(await server.next()).refuse(429, 'TooManyRequests', 'later', { 'retry-after': '7' })
  t.equal(await clock.armed(), 7000)
  clock.advance(7000)
  ;(await server.next()).refuse(500, 'InternalError')
  clock.advance(await clock.armed())
  created(await server.next())
  await recorder.idle()
  t.equal(recorder.counts.created, 1)
})

void test('an attempt whose answer was lost has arrived', async t => {
  const { server, recorder, clock } = await setup(t)
  recorder.record(event())
  const first = await server.next()
  first.destroy()
  clock.advance(await clock.armed())
  const second = await server.next()
  t.equal(second.body, first.body, 'by the same name')
  second.refuse(409, 'AlreadyExists')
  await recorder.idle()
  t.strictSame(recorder.counts, { created: 1, skipped: 0, dropped: 0, failed: 0 })
})

void test('a server that does not answer is given up in the end', async t => {
  const { server, recorder, clock } = await setup(t)
  recorder.record(event())
  for (let attempt = 1; attempt <= maxAttempts; attempt++) {
    ;(await server.next()).destroy()
    if (attempt < maxAttempts) clock.advance(await clock.armed())
  }
  await recorder.idle()
  t.strictSame(recorder.counts, { created: 0, skipped: 0, dropped: 0, failed: 1 })
})

void test('closing ends a request and drops the rest; nothing is recorded after it', async t => {
  const { server, recorder } = await setup(t)
  recorder.record(event({ note: 'a' }))
  recorder.record(event({ note: 'b' }))
  const exchange = await server.next()
  await recorder.close()
  await exchange.closed
  recorder.record(event({ note: 'c' }))
  await recorder.close()
  t.strictSame(server.untaken, [])
  t.strictSame(recorder.counts, { created: 0, skipped: 0, dropped: 1, failed: 1 })
})

void test('a control plane without events: one line for the curious, then off for a while', async t => {
  const { server, recorder, log } = await setup(t)
  recorder.record(event({ note: 'a' }))
  recorder.record(event({ note: 'b' }))
  ;(await server.next()).refuse(404, 'NotFound', 'the server could not find the requested resource')
  await recorder.idle()
  recorder.record(event({ note: 'c' }))
  await recorder.idle()
  t.strictSame(server.untaken, [])
  t.strictSame(recorder.counts, { created: 0, skipped: 0, dropped: 2, failed: 1 })
  const lines = log.take()
  t.match(
    lines.filter(line => line.startsWith('debug no events')),
    [/events/],
  )
  t.strictSame(
    lines.filter(line => !line.startsWith('debug')),
    [],
  )
})
