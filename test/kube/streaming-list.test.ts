// Lists that come as a stream, and the ways in which a server turns out not to have them.

import { test } from 'tap'
import { statusObject } from './fake-api-server.ts'
import {
  added,
  bookmark,
  deleted,
  initialEventsEnd,
  listOf,
  listWatchHarness,
  modified,
  service,
} from './list-watch-harness.ts'

void test('a streaming list goes on as the watch', async t => {
  const { server, handler, clock, listWatch } = await listWatchHarness(t, {
    resource: { labelSelector: 'a=b' },
  })
  const stream = await server.next()
  t.strictSame(stream.query, {
    labelSelector: 'a=b',
    watch: 'true',
    sendInitialEvents: 'true',
    resourceVersionMatch: 'NotOlderThan',
    allowWatchBookmarks: 'true',
    timeoutSeconds: '300',
  })
  stream.open().send(added('a', 1), added('b', 2))
  t.strictSame(await handler.take(2), ['set ns/a@1', 'set ns/b@2'])
  t.match(listWatch.state, { kind: 'listing', how: 'streaming' })
  stream.send(initialEventsEnd(10), added('c', 11))
  t.strictSame(await handler.take(2), ['synced', 'set ns/c@11'])
  t.equal(listWatch.state.kind, 'watching')
  clock.advance(2000)
  stream.end()
  const next = await server.next()
  t.match(next.query, { resourceVersion: '11', sendInitialEvents: undefined })
})

void test('changes before the end of the initial events count', async t => {
  const { server, handler } = await listWatchHarness(t)
  const stream = await server.next()
  stream.open().send(added('a', 1), added('b', 2), deleted('a', 3), modified('b', 4), initialEventsEnd(4))
  t.strictSame(await handler.take(5), ['set ns/a@1', 'set ns/b@2', 'delete ns/a', 'set ns/b@4', 'synced'])
})

void test('after 410 the stream finds what was deleted and repeats nothing', async t => {
  const { server, handler } = await listWatchHarness(t)
  const first = await server.next()
  first.open().send(added('a', 1), added('b', 2), initialEventsEnd(10))
  await handler.take(3)
  first.send({ type: 'ERROR', object: statusObject(410, 'Expired') })
  const second = await server.next()
  t.match(second.query, { sendInitialEvents: 'true', resourceVersion: undefined })
  second.open().send(added('b', 2), added('c', 20), initialEventsEnd(30))
  t.strictSame(await handler.take(2), ['set ns/c@20', 'delete ns/a'])
  t.strictSame(handler.untaken, [])
})

void test('a stream that breaks before its end is asked for again, whole', async t => {
  const { server, handler, clock } = await listWatchHarness(t)
  const first = await server.next()
  first.open().send(added('a', 1), added('b', 2))
  await handler.take(2)
  first.destroy()
  const { retryAt } = await handler.state('backing-off')
  t.strictSame(handler.untaken, [], 'an unfinished list deletes nothing')
  clock.advance(retryAt - clock.now())
  const second = await server.next()
  t.equal(second.query['sendInitialEvents'], 'true')
  second.open().send(added('b', 2), initialEventsEnd(10))
  t.strictSame(await handler.take(2), ['delete ns/a', 'synced'])
})

void test('servers that refuse are listed by pages, at once and from then on', async t => {
  const answers: [status: number, reason: string, message: string][] = [
    [422, 'Invalid', 'resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch'],
    [422, 'Invalid', 'sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled'],
    [400, 'BadRequest', 'unknown parameter'],
    [405, 'MethodNotAllowed', ''],
    [500, 'InternalError', ''],
  ]
  for (const [status, reason, message] of answers) {
    const { server, handler, clock } = await listWatchHarness(t, {
      resource: { fieldSelector: 'metadata.name=a' },
    })
    const stream = await server.next()
    stream.refuse(status, reason, message)
    const list = await server.next()
    t.strictSame(
      list.query,
      { limit: '500', resourceVersion: '0', fieldSelector: 'metadata.name=a' },
      message,
    )
    t.equal(clock.pending, 0, 'nothing was waited for')
    list.json(listOf(10, []))
    await handler.take(1)
    const watch = (await server.next()).open()
    watch.send({ type: 'ERROR', object: statusObject(410, 'Expired') })
    t.strictSame((await server.next()).query, { limit: '500', fieldSelector: 'metadata.name=a' })
  }
})

void test('a server that ignores the parameters is found out by its silence', async t => {
  const { server, handler, clock } = await listWatchHarness(t)
  const stream = await server.next()
  stream.open().send(added('a', 1), added('b', 2))
  await handler.take(2)
  t.equal(await clock.armed(), 10_000)
  // The timer of the last event may be another one than that of the headers; none is later than this.
  clock.advance(10_000)
  await stream.closed
  const list = await server.next()
  t.strictSame(list.query, { limit: '500', resourceVersion: '0' })
  list.json(listOf(10, [service('a', 1), service('c', 9)]))
  t.strictSame(await handler.take(3), ['set ns/c@9', 'delete ns/b', 'synced'])
})

void test('a busy server that ignores the parameters is found out by the time it takes', async t => {
  const { server, handler, clock } = await listWatchHarness(t)
  const stream = await server.next()
  stream.open()
  for (let i = 1; i <= 6; i++) {
    stream.send(added('a', i), bookmark(i))
    t.strictSame(await handler.take(1), [`set ns/a@${i}`])
    await clock.armed()
    clock.advance(9999)
  }
  stream.send(added('a', 7))
  await handler.take(1)
  t.equal(await clock.armed(delayMs => delayMs < 10_000), 6)
  clock.advance(6)
  await stream.closed
  t.equal((await server.next()).query['limit'], '500')
})

void test('a stream that ends before the list is complete: pages', async t => {
  const { server, handler } = await listWatchHarness(t)
  const stream = await server.next()
  stream.open().send(added('a', 1)).end()
  t.equal((await server.next()).query['limit'], '500')
  t.strictSame(await handler.take(1), ['set ns/a@1'])
})
