// How a list-watch gets over a server that refuses, forgets, breaks off or falls silent, and what the handler
// hears of it: nothing but true changes.

import { test } from 'tap'
import { statusObject } from './fake-api-server.ts'
import {
  added,
  bookmark,
  initialEventsEnd,
  listOf,
  listWatchHarness,
  refuseStreaming,
  service,
  watchAfterList,
  type Harness,
} from './list-watch-harness.ts'

const gone = { type: 'ERROR', object: statusObject(410, 'Expired', 'too old resource version: 10 (99)') }

void test('ERROR 410: lists again at once; unchanged objects are not repeated, lost deletes are found', async t => {
  const harness = await listWatchHarness(t)
  const { server, handler, clock } = harness
  const watch = await watchAfterList(harness, 10, [
    service('same', 1),
    service('changed', 2),
    service('gone', 3),
  ])
  watch.send(gone)
  const list = await server.next()
  t.strictSame(list.query, { limit: '500' }, 'the latest state: the old resourceVersion is of no use')
  t.equal(clock.pending, 0, 'nothing was waited for')
  list.json(listOf(100, [service('same', 1), service('changed', 50), service('new', 60)]))
  t.strictSame(await handler.take(3), ['set ns/changed@50', 'set ns/new@60', 'delete ns/gone'])
  t.equal((await server.next()).query['resourceVersion'], '100')
  t.strictSame(handler.untaken, [], 'synced is said once')
})

void test('HTTP 410 to a watch: the same', async t => {
  const harness = await listWatchHarness(t)
  const { server, handler, clock } = harness
  const watch = await watchAfterList(harness, 10, [service('a', 1), service('b', 2)])
  clock.advance(2000)
  watch.end()
  const again = await server.next()
  again.refuse(410, 'Expired')
  const list = await server.next()
  list.json(listOf(100, [service('b', 2)]))
  t.strictSame(await handler.take(1), ['delete ns/a'])
})

void test('a server that answers 410 again and again is not asked in a loop', async t => {
  const harness = await listWatchHarness(t)
  const { server, handler, clock } = harness
  const watch = await watchAfterList(harness, 10, [])
  watch.send(gone)
  const list = await server.next()
  list.json(listOf(20, []))
  const second = await server.next()
  second.refuse(410, 'Gone')
  const state = await handler.state('backing-off')
  t.match(state.error, { code: 'GONE' })
  clock.advance(state.retryAt - clock.now())
  t.equal((await server.next()).query['watch'], undefined)
})

void test('410 on a continue token: the whole list in one piece', async t => {
  const harness = await listWatchHarness(t)
  const { server, handler } = harness
  const first = await refuseStreaming(server)
  first.json(listOf(10, [service('a', 1), service('b', 2)], 'token'))
  const second = await server.next()
  second.refuse(410, 'Expired', 'The provided continue parameter is too old')
  const whole = await server.next()
  t.strictSame(whole.query, {})
  whole.json(listOf(20, [service('a', 1), service('c', 15)]))
  t.strictSame(await handler.take(5), ['set ns/a@1', 'set ns/b@2', 'set ns/c@15', 'delete ns/b', 'synced'])
  t.equal((await server.next()).query['resourceVersion'], '20')
})

void test('410 to a first page: the latest state instead', async t => {
  const { server } = await listWatchHarness(t)
  const first = await refuseStreaming(server)
  t.equal(first.query['resourceVersion'], '0')
  first.refuse(410, 'Expired')
  const second = await server.next()
  t.strictSame(second.query, { limit: '500' })
})

void test('too large a resourceVersion: lists the latest state, after a while', async t => {
  const tooLarge = statusObject(504, 'Timeout', 'Too large resource version: 99, current: 10', [
    'ResourceVersionTooLarge',
  ])
  const old = statusObject(504, 'Timeout', 'Too large resource version: 99, current: 10')
  for (const status of [tooLarge, old]) {
    const harness = await listWatchHarness(t)
    const { server, handler, clock } = harness
    const watch = await watchAfterList(harness, 99, [service('a', 50), service('b', 90)])
    watch.send({ type: 'ERROR', object: status })
    const { retryAt, error } = await handler.state('backing-off')
    t.match(error, { code: 'API', message: /504 Timeout.*Too large/ })
    clock.advance(retryAt - clock.now())
    const list = await server.next()
    t.strictSame(list.query, { limit: '500' })
    list.json(listOf(60, [service('a', 50)]))
    t.strictSame(await handler.take(1), ['delete ns/b'], 'an etcd restored from a backup has fewer objects')
  }
})

void test('other ERROR events: lists again, not older than what is known', async t => {
  const harness = await listWatchHarness(t)
  const { server, handler, clock } = harness
  const watch = await watchAfterList(harness, 10, [])
  watch.send(added('a', 11), { type: 'ERROR', object: statusObject(500, 'InternalError', 'etcd event lost') })
  const { retryAt, error } = await handler.state('backing-off')
  t.match(error, { code: 'API', message: /500 InternalError.*etcd event lost/ })
  clock.advance(retryAt - clock.now())
  const list = await server.next()
  t.strictSame(list.query, { limit: '500', resourceVersion: '11', resourceVersionMatch: 'NotOlderThan' })
})

void test('ERROR 429: watches on after the time that it names', async t => {
  const harness = await listWatchHarness(t)
  const { server, handler, clock } = harness
  const watch = await watchAfterList(harness, 10, [])
  watch.send({ type: 'ERROR', object: { code: 429, details: { retryAfterSeconds: 9 } } })
  const { retryAt } = await handler.state('backing-off')
  t.equal(retryAt - clock.now(), 9000)
  clock.advance(9000)
  t.match((await server.next()).query, { watch: 'true', resourceVersion: '10' })
})

void test('Retry-After of a refused list is kept to', async t => {
  const { server, handler, clock } = await listWatchHarness(t)
  const list = await refuseStreaming(server)
  list.refuse(429, 'TooManyRequests', 'please wait', { 'retry-after': '17' })
  const { retryAt, error } = await handler.state('backing-off')
  t.equal(retryAt - clock.now(), 17_000)
  t.match(error, { code: 'API', message: /429 TooManyRequests/ })
  clock.advance(16_999)
  t.equal(clock.pending, 1)
  t.strictSame(server.untaken, [])
  clock.advance(1)
  await server.next()
})

void test('an outage: delays grow, nothing is announced, and the watch goes on where it was', async t => {
  const harness = await listWatchHarness(t)
  const { server, handler, clock } = harness
  const watch = await watchAfterList(harness, 10, [service('a', 1)])
  watch.send(added('b', 11))
  await handler.take(1)
  watch.destroy()
  const delays: number[] = []
  for (let failures = 1; failures <= 7; failures++) {
    const { retryAt } = await handler.failure(failures)
    delays.push(retryAt - clock.now())
    clock.advance(retryAt - clock.now())
    const request = await server.next()
    t.match(request.query, { watch: 'true', resourceVersion: '11' })
    if (failures % 2 === 0) request.destroy()
    else request.refuse(503, 'ServiceUnavailable')
  }
  t.strictSame(delays, [800, 1600, 3200, 6400, 12_800, 15_000, 15_000])
  t.strictSame(handler.untaken, [])
  const { retryAt } = await handler.failure(8)
  clock.advance(retryAt - clock.now())
  const back = (await server.next()).open().send(added('c', 12))
  t.strictSame(await handler.take(1), ['set ns/c@12'])

  clock.advance(10_000)
  back.destroy()
  t.equal((await handler.state('backing-off')).failures, 1, 'a watch that held makes up for what was before')
})

void test('an unreachable server: one state with the address and the reason', async t => {
  const harness = await listWatchHarness(t)
  const watch = await watchAfterList(harness, 10, [])
  await harness.server.stop()
  await watch.closed
  const { retryAt } = await harness.handler.state('backing-off')
  harness.clock.advance(retryAt - harness.clock.now())
  const { error } = await harness.handler.failure(2)
  t.match(error, { code: 'UNREACHABLE' })
  t.match(error.message, harness.server.url.host)
  t.match(error.message, 'ECONNREFUSED')
})

void test('a server that closes each watch at once is not asked in a loop', async t => {
  const harness = await listWatchHarness(t)
  const { server, handler, clock } = harness
  const watch = await watchAfterList(harness, 10, [])
  watch.end()
  const { retryAt } = await handler.state('backing-off')
  t.equal(retryAt - clock.now(), 800)
  clock.advance(800)
  const second = await server.next()
  second.open().end()
  const again = await handler.failure(2)
  t.equal(again.retryAt - clock.now(), 1600)
})

void test('missing permission: the state says which, and it is tried again', async t => {
  const { server, handler, clock } = await listWatchHarness(t)
  const request = await server.next()
  request.refuse(
    403,
    'Forbidden',
    'services is forbidden: User "me" cannot watch resource "services" in API group ""',
  )
  const { error, retryAt } = await handler.state('backing-off')
  t.match(error, { code: 'FORBIDDEN', message: /user "me" needs "watch" on services \(cluster scope\)/ })
  clock.advance(retryAt - clock.now())
  const next = await server.next()
  t.equal(next.query['sendInitialEvents'], 'true', 'this says nothing against streaming lists')
})

void test('a field selector that the server refuses is left out', async t => {
  const refuse = async (harness: Harness) => {
    const { server } = harness
    const list = await refuseStreaming(server)
    t.equal(list.query['fieldSelector'], 'spec.clusterIP!=None')
    list.refuse(400, 'BadRequest', '"spec.clusterIP" is not a known field selector')
    const without = await server.next()
    t.equal(without.query['fieldSelector'], undefined)
    without.json(listOf(10, [service('a', 1)]))
    t.strictSame(await harness.handler.take(2), ['set ns/a@1', 'synced'])
    t.equal((await server.next()).query['fieldSelector'], undefined)
  }
  await refuse(await listWatchHarness(t, { resource: { fieldSelector: 'spec.clusterIP!=None' } }))

  const streaming = await listWatchHarness(t, { resource: { fieldSelector: 'spec.clusterIP!=None' } })
  const first = await streaming.server.next()
  first.refuse(400, 'BadRequest', 'field label not supported: spec.clusterIP')
  t.match((await streaming.server.next()).query, { sendInitialEvents: 'true', fieldSelector: undefined })
})

void test('a field selector that was accepted is kept', async t => {
  const harness = await listWatchHarness(t, { resource: { fieldSelector: 'metadata.name=a' } })
  const { server, handler, clock } = harness
  const watch = await watchAfterList(harness, 10, [])
  clock.advance(2000)
  watch.end()
  const second = await server.next()
  second.refuse(400, 'BadRequest', 'invalid resource version')
  const { retryAt } = await handler.state('backing-off')
  clock.advance(retryAt - clock.now())
  t.strictSame((await server.next()).query, { fieldSelector: 'metadata.name=a', limit: '500' })
})

void test('a silent stream is replaced when its time is over', async t => {
  const harness = await listWatchHarness(t)
  const { server, handler, clock } = harness
  const watch = await watchAfterList(harness, 10, [])
  const limit = await clock.armed(delayMs => delayMs > 100_000)
  t.equal(limit, 330_000, 'timeoutSeconds and a margin: a server need not send bookmarks')
  clock.advance(limit)
  await watch.closed
  const { error, retryAt } = await handler.state('backing-off')
  t.match(error, { code: 'UNREACHABLE', message: /nothing has come for 330 s/ })
  clock.advance(retryAt - clock.now())
  t.match((await server.next()).query, { watch: 'true', resourceVersion: '10' })
  t.strictSame(handler.untaken, [])
})

void test('a stream that was heard bookmarks on is replaced sooner', async t => {
  const harness = await listWatchHarness(t)
  const { server, handler, clock } = harness
  const watch = await watchAfterList(harness, 10, [])
  await clock.armed()
  clock.advance(60_000)
  watch.send(bookmark(20))
  await clock.armed(delayMs => delayMs === 180_000)
  clock.advance(180_000)
  await watch.closed
  const { retryAt } = await handler.state('backing-off')
  clock.advance(retryAt - clock.now())
  const next = await server.next()
  t.equal(next.query['resourceVersion'], '20')
  next.open()
  t.equal(await clock.armed(), 180_000, 'what was learned of the server holds for its next watch')
})

void test('a stream that the server does not end in time is replaced, however much it sends', async t => {
  const harness = await listWatchHarness(t)
  const { handler, clock } = harness
  const watch = await watchAfterList(harness, 10, [])
  await clock.armed()
  clock.advance(300_000)
  watch.send(added('a', 11))
  await clock.armed(delayMs => delayMs === 30_000)
  clock.advance(30_000)
  await watch.closed
  await handler.state('backing-off')
  t.strictSame(await handler.take(1), ['set ns/a@11'])
})

void test('an answer that is no list, or no JSON, is an error like others', async t => {
  for (const body of ['{}', '[]', 'null', '<html>', '{"metadata":{"resourceVersion":"1"},"items":7}']) {
    const { server, handler } = await listWatchHarness(t)
    const list = await refuseStreaming(server)
    list.text(body)
    t.match((await handler.state('backing-off')).error, { code: 'API' }, body)
    t.strictSame(handler.untaken, [], body)
  }
})

void test('a watch with something else than JSON in it: lists again', async t => {
  const harness = await listWatchHarness(t)
  const { server, handler, clock } = harness
  const watch = await watchAfterList(harness, 10, [])
  watch.send(added('a', 11)).raw('<html>\n')
  const { retryAt } = await handler.state('backing-off')
  clock.advance(retryAt - clock.now())
  t.match((await server.next()).query, { limit: '500', resourceVersion: '11' })
})

void test('the end of a streaming list later on in a watch means nothing', async t => {
  const harness = await listWatchHarness(t)
  const watch = await watchAfterList(harness, 10, [service('a', 1)])
  watch.send(initialEventsEnd(50), added('b', 51))
  t.strictSame(await harness.handler.take(1), ['set ns/b@51'])
})
