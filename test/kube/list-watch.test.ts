// How a list-watch follows a server that does as it should: lists, watches, bookmarks, and the ends of watches.

import { test } from 'tap'
import {
  added,
  bookmark,
  deleted,
  listOf,
  listWatchHarness,
  modified,
  refuseStreaming,
  service,
  watchAfterList,
} from './list-watch-harness.ts'

void test('lists in pages, says synced once, and watches from the list', async t => {
  const { server, handler, listWatch } = await listWatchHarness(t, {
    resource: { labelSelector: '!headless,a=b' },
  })
  const first = await refuseStreaming(server)
  t.equal(first.path, '/api/v1/services')
  t.strictSame(first.query, { labelSelector: '!headless,a=b', limit: '500', resourceVersion: '0' })
  t.equal(listWatch.synced, false)
  first.json(listOf(10, [service('a', 1), service('b', 2)], 'token-1'))

  const second = await server.next()
  t.strictSame(second.query, { labelSelector: '!headless,a=b', limit: '500', continue: 'token-1' })
  t.strictSame(
    await handler.take(2),
    ['set ns/a@1', 'set ns/b@2'],
    'the first page is told while the second is asked for',
  )
  second.json(listOf(10, [service('c', 3)]))
  t.strictSame(await handler.take(2), ['set ns/c@3', 'synced'])
  t.equal(listWatch.synced, true)

  const watch = await server.next()
  t.strictSame(watch.query, {
    labelSelector: '!headless,a=b',
    watch: 'true',
    resourceVersion: '10',
    allowWatchBookmarks: 'true',
    timeoutSeconds: '300',
  })
})

void test('paths of resources', async t => {
  const cases: Record<string, Parameters<typeof listWatchHarness>[1]> = {
    '/apis/discovery.k8s.io/v1/endpointslices': {
      resource: { group: 'discovery.k8s.io', plural: 'endpointslices', kind: 'EndpointSlice' },
    },
    '/api/v1/namespaces/kube-system/services': { resource: { namespace: 'kube-system' } },
  }
  for (const [path, options] of Object.entries(cases)) {
    const { server } = await listWatchHarness(t, options)
    t.equal((await server.next()).path, path)
  }
})

void test('events become calls, each once, in order', async t => {
  const harness = await listWatchHarness(t)
  const watch = await watchAfterList(harness, 10, [service('a', 1)])
  watch.send(
    added('b', 11),
    modified('a', 12),
    modified('a', 12),
    deleted('b', 13),
    deleted('never-seen', 14),
  )
  watch.send(added('b', 15))
  t.strictSame(await harness.handler.take(4), ['set ns/b@11', 'set ns/a@12', 'delete ns/b', 'set ns/b@15'])
  t.equal(harness.listWatch.state.kind, 'watching')
})

void test('cluster-scoped objects have no namespace', async t => {
  const harness = await listWatchHarness(t, { resource: { plural: 'nodes', kind: 'Node' } })
  const node = { metadata: { name: 'node-1', resourceVersion: '1' } }
  const list = await refuseStreaming(harness.server)
  list.json(listOf(10, [node]))
  const watch = (await harness.server.next()).open()
  watch.send({ type: 'DELETED', object: node })
  t.strictSame(await harness.handler.take(3), ['set node-1@1', 'synced', 'delete node-1'])
})

void test('a watch that ends is followed by one from the last event, at once', async t => {
  const harness = await listWatchHarness(t)
  const { server, handler, clock } = harness
  const watch = await watchAfterList(harness, 10, [])
  watch.send(added('a', 11))
  await handler.take(1)
  clock.advance(2000)
  watch.end()
  const next = await server.next()
  t.equal(next.query['resourceVersion'], '11')
  t.equal(clock.pending, 0, 'nothing was waited for')
})

void test('a bookmark moves the place to go on from, and nothing else', async t => {
  const harness = await listWatchHarness(t)
  const { server, handler, clock } = harness
  const watch = await watchAfterList(harness, 10, [])
  watch.send(bookmark(99), added('a', 50), bookmark(100))
  await handler.take(1)
  clock.advance(2000)
  watch.end()
  t.equal((await server.next()).query['resourceVersion'], '100')
  t.strictSame(handler.untaken, [])
})

void test('a line cut off at the end of the stream is dropped, and comes again', async t => {
  const harness = await listWatchHarness(t)
  const { server, handler, clock } = harness
  const watch = await watchAfterList(harness, 10, [])
  watch.send(added('a', 11)).raw(JSON.stringify(added('b', 12)).slice(0, 30))
  await handler.take(1)
  clock.advance(2000)
  watch.end()
  const next = await server.next()
  t.equal(next.query['resourceVersion'], '11')
  next.open().send(added('b', 12))
  t.strictSame(await handler.take(1), ['set ns/b@12'])
})

void test('what makes no sense is skipped, the rest is still heard', async t => {
  const harness = await listWatchHarness(t)
  const list = await refuseStreaming(harness.server)
  const absurd = [
    null,
    7,
    'text',
    [],
    {},
    { metadata: null },
    { metadata: { name: '' } },
    { metadata: { name: 7 } },
  ]
  list.json(listOf(10, [...absurd, { metadata: { name: 'x', namespace: [] } }, service('a', 1)]))
  t.strictSame(await harness.handler.take(2), ['set ns/a@1', 'synced'])
  const watch = (await harness.server.next()).open()
  watch.send(...absurd, ...absurd.map(object => ({ type: 'ADDED', object })))
  watch.send({ type: 'SOMETHING_NEW', object: service('b', 2) }, { type: 'BOOKMARK', object: null })
  watch.send({ type: 'BOOKMARK', object: { metadata: { annotations: null } } }, added('c', 3))
  t.strictSame(await harness.handler.take(1), ['set ns/c@3'])
})

void test('an empty list may be null', async t => {
  const { server, handler } = await listWatchHarness(t)
  const list = await refuseStreaming(server)
  list.json({ metadata: { resourceVersion: '10' }, items: null })
  t.strictSame(await handler.take(1), ['synced'])
})

void test('objects without a resourceVersion count as changed', async t => {
  const harness = await listWatchHarness(t)
  const bare = { metadata: { namespace: 'ns', name: 'a' } }
  const watch = await watchAfterList(harness, 10, [bare])
  watch.send({ type: 'MODIFIED', object: bare })
  t.strictSame(await harness.handler.take(1), ['set ns/a@?'])
})

void test('a handler that throws is no reason to stop', async t => {
  const harness = await listWatchHarness(t, {
    handler: recording => ({
      set(object) {
        recording.set(object)
        if (object.metadata.name === 'bad') throw new Error('set failed')
      },
      delete(name) {
        recording.delete(name)
        throw new Error('delete failed')
      },
      synced() {
        recording.synced()
        throw new Error('synced failed')
      },
      status(state) {
        recording.status(state)
        throw new Error('status failed')
      },
    }),
  })
  const watch = await watchAfterList(harness, 10, [service('bad', 1), service('good', 2)])
  watch.send(deleted('bad', 11), added('bad', 12), added('other', 13))
  t.strictSame(await harness.handler.take(3), ['delete ns/bad', 'set ns/bad@12', 'set ns/other@13'])
})

void test('ten thousand objects in pages, and as many again unchanged', async t => {
  const harness = await listWatchHarness(t)
  const { server, handler } = harness
  const all = Array.from({ length: 10_000 }, (_, i) => service(`s-${i}`, i + 1))
  const page = (from: number) =>
    listOf(20_000, all.slice(from, from + 500), from + 500 < all.length ? `t-${from}` : '')
  const answerPages = async (first: Awaited<ReturnType<typeof server.next>>) => {
    first.json(page(0))
    for (let from = 500; from < all.length; from += 500) (await server.next()).json(page(from))
  }
  await answerPages(await refuseStreaming(server))
  t.equal((await handler.take(10_001)).at(-1), 'synced')
  const watch = (await server.next()).open()
  watch.send({ type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired' } })
  await answerPages(await server.next())
  await server.next()
  t.strictSame(handler.untaken, [])
})
