import { connect } from 'node:net'
import { once } from 'node:events'
import * as fc from 'fast-check'
import { test } from 'tap'
import { objectKey, type KubeObject } from '../../../lib/model/objects.ts'
import { services } from '../../../lib/standalone/kinds/resources.ts'
import { controlPlaneFor, namespace, service } from '../builders.ts'
import { call, watch } from '../http-client.ts'
import { ManualClock } from '../../manual-clock.ts'

const labelled = (name: string, labels: Record<string, string>): KubeObject => ({
  ...service(name),
  metadata: { name, labels },
})

void test('a watch replays from its resourceVersion and goes on', async t => {
  const controlPlane = await controlPlaneFor(t)
  const { url, apply, store } = controlPlane
  const version = store.resourceVersion
  apply(service('a'))
  apply(service('b'))
  const events = await watch(t, `${url}/api/v1/services?watch=1&resourceVersion=${version}`)
  t.strictSame(await events.take(2), ['ADDED default/a', 'ADDED default/b'])
  apply(service('a', { selector: { other: 'x' } }))
  controlPlane.delete(service('b'))
  t.strictSame(await events.take(2), ['MODIFIED default/a', 'DELETED default/b'])
})

void test('a watch without a resourceVersion begins with what there is', async t => {
  const { url, apply } = await controlPlaneFor(t)
  apply(service('a'))
  for (const version of ['', '&resourceVersion=0']) {
    const events = await watch(t, `${url}/api/v1/services?watch=true${version}`)
    t.strictSame(await events.take(1), ['ADDED default/a'])
  }
})

void test('a streaming list ends its initial events with a bookmark', async t => {
  const { url, apply, store } = await controlPlaneFor(t)
  apply(service('a'))
  const query = 'watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true'
  const events = await watch(t, `${url}/api/v1/services?${query}`)
  t.strictSame(await events.take(1), ['ADDED default/a'])
  t.match(await events.next(), {
    type: 'BOOKMARK',
    object: {
      kind: 'Service',
      metadata: {
        resourceVersion: String(store.resourceVersion),
        annotations: { 'k8s.io/initial-events-end': 'true' },
      },
    },
  })
  apply(service('b'))
  t.strictSame(await events.take(1), ['ADDED default/b'])
})

void test('watch options that do not fit', async t => {
  const { url } = await controlPlaneFor(t)
  const invalid = { code: 422, body: { kind: 'Status', reason: 'Invalid' } }
  for (const query of ['sendInitialEvents=true', 'resourceVersionMatch=NotOlderThan']) {
    t.match(await call(`${url}/api/v1/services?watch=1&${query}`), invalid, query)
  }
  t.match(await call(`${url}/api/v1/services?watch=1&timeoutSeconds=x`), { code: 400 })
  const old = await controlPlaneFor(t, { streamingLists: false })
  const query = 'watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan'
  t.match(await call(`${old.url}/api/v1/services?${query}`), invalid, 'a server without streaming lists')
})

void test('a watch from before the history gets one ERROR event, 410', async t => {
  const { url, apply, store } = await controlPlaneFor(t)
  const version = store.resourceVersion
  apply(service('a'))
  store.compact()
  const events = await watch(t, `${url}/api/v1/services?watch=1&resourceVersion=${version}`)
  t.equal(events.code, 200)
  const status = { kind: 'Status', code: 410, reason: 'Expired', message: /too old resource version/ }
  t.match(await events.next(), { type: 'ERROR', object: status })
  t.equal(await events.next(), undefined, 'and ends')
})

void test('an object that starts or stops matching comes and goes', async t => {
  const { url, apply, store } = await controlPlaneFor(t)
  apply(namespace('other'))
  const from = `watch=1&resourceVersion=${store.resourceVersion}`
  const fronts = await watch(
    t,
    `${url}/api/v1/namespaces/default/services?${from}&labelSelector=tier%3Dfront`,
  )
  apply(labelled('a', { tier: 'back' }))
  apply(labelled('a', { tier: 'front' }))
  apply(labelled('a', { tier: 'front', x: 'y' }))
  apply({ ...service('b'), metadata: { name: 'b', namespace: 'other', labels: { tier: 'front' } } })
  const { object } = apply(labelled('a', { tier: 'back' }))
  t.strictSame(await fronts.take(2), ['ADDED default/a', 'MODIFIED default/a'])
  t.match(await fronts.next(), {
    type: 'DELETED',
    // The last state that matched, with the resourceVersion of the change.
    object: { metadata: { labels: { tier: 'front' }, resourceVersion: object.metadata.resourceVersion } },
  })
})

void test('bookmarks come on time, and once more when the watch times out', async t => {
  const clock = new ManualClock()
  const { url, apply, settled, store } = await controlPlaneFor(t, { clock, bookmarkIntervalMs: 1500 })
  const from = store.resourceVersion
  const query = `watch=1&resourceVersion=${from}&timeoutSeconds=2&fieldSelector=metadata.name%3Dnone`
  const events = await watch(t, `${url}/api/v1/services?${query}&allowWatchBookmarks=true`)
  const quiet = await watch(t, `${url}/api/v1/services?${query}`)
  apply(service('a'))
  await settled()
  const bookmark = {
    type: 'BOOKMARK',
    object: { metadata: { resourceVersion: String(store.resourceVersion) } },
  }
  clock.advance(1500)
  t.match(await events.next(), bookmark)
  clock.advance(500)
  t.match(await events.next(), bookmark)
  t.equal(await events.next(), undefined)
  t.equal(await quiet.next(), undefined, 'no bookmarks for who did not ask')
  t.strictSame(clock.delays, [], 'no timer stays')
})

void test('dropped watches: in order, by a reset, as expired', async t => {
  const { url, dropWatches, store } = await controlPlaneFor(t)
  const open = () => watch(t, `${url}/api/v1/services?watch=1&resourceVersion=${store.resourceVersion}`)
  for (const how of ['end', 'reset'] as const) {
    const events = await open()
    dropWatches(how)
    t.equal(await events.next(), undefined, how)
  }
  const events = await open()
  dropWatches('expired')
  t.match(await events.next(), { type: 'ERROR', object: { code: 410 } })
  t.equal(await events.next(), undefined)
})

void test('a client that goes away leaves nothing behind', async t => {
  const clock = new ManualClock()
  const { url, port, apply } = await controlPlaneFor(t, { clock })
  apply(service('a'))
  const socket = connect(port, '127.0.0.1')
  socket.write('GET /api/v1/services?watch=1 HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await once(socket, 'data')
  t.equal(clock.delays.length, 1, 'the timeout of one watch')
  socket.resetAndDestroy()
  while (clock.delays.length > 0) await call(`${url}/healthz`)
  t.strictSame(clock.delays, [])
})

void test('a reader that does not read is cut off', async t => {
  const clock = new ManualClock()
  const { port, apply, store } = await controlPlaneFor(t, { clock, maxPendingEvents: 20 })
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined) // the reset that this test is about
  const path = `/api/v1/services?watch=1&resourceVersion=${store.resourceVersion}`
  socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
  await once(socket, 'data')
  socket.pause()
  const annotations = { filler: 'x'.repeat(200_000) }
  // More than any kernel's buffers hold; the bound is in bytes, not in time.
  for (let i = 0; i < 2000 && clock.delays.length > 0; i++) {
    apply({ ...service('a'), metadata: { name: 'a', annotations: { ...annotations, i: String(i) } } })
    await new Promise(resolve => setImmediate(resolve))
  }
  t.strictSame(clock.delays, [], 'the watch has ended')
  const closed = new Promise(resolve => socket.once('close', resolve))
  socket.resume()
  await closed
})

void test('a reader that reads is not cut off, however much there is at the start', async t => {
  const { url, apply, settled, store } = await controlPlaneFor(t, { maxPendingEvents: 1 })
  const from = store.resourceVersion
  const filler = 'x'.repeat(10_000)
  const count = 500
  for (let i = 0; i < count; i++) {
    apply({ ...service(`s${i}`), metadata: { name: `s${i}`, annotations: { filler } } })
  }
  await settled()
  for (const query of ['', `&resourceVersion=${from}`]) {
    const events = await watch(t, `${url}/api/v1/services?watch=1${query}`)
    t.equal((await events.take(count)).length, count)
    apply({ ...service('last'), metadata: { name: 'last', annotations: { query } } })
    t.match(await events.next(), { object: { metadata: { name: 'last' } } })
  }
})

const change = fc.record({
  name: fc.constantFrom('a', 'b', 'c'),
  tier: fc.constantFrom('front', 'back', 'delete'),
})

void test('property: a list, then a watch with the same selector, is any later list', async t => {
  const controlPlane = await controlPlaneFor(t)
  const { url, apply, store } = controlPlane
  const change1 = ({ name, tier }: { readonly name: string; readonly tier: string }): void => {
    if (tier !== 'delete') apply(labelled(name, { tier }))
    else if (store.get(services, `default/${name}`)) controlPlane.delete(service(name))
  }
  const selector = 'labelSelector=tier%3Dfront'
  const list = async () => {
    const reply = await call<{ metadata: { resourceVersion: string }; items: KubeObject[] }>(
      `${url}/api/v1/services?${selector}`,
    )
    return {
      version: reply.body.metadata.resourceVersion,
      state: new Map(reply.body.items.map(o => [objectKey(o), o])),
    }
  }
  const run = async (before: readonly Change[], replayed: readonly Change[], live: readonly Change[]) => {
    before.forEach(change1)
    const { version, state } = await list()
    replayed.forEach(change1)
    const events = await watch(t, `${url}/api/v1/services?watch=1&resourceVersion=${version}&${selector}`)
    live.forEach(change1)
    apply(labelled('end', { tier: 'front', n: version }))
    for (;;) {
      const event = await events.next()
      if (!event) throw new Error('the watch ended')
      const key = objectKey(event.object)
      if (state.has(key) !== (event.type !== 'ADDED')) throw new Error(`${event.type} of ${key}`)
      if (event.type === 'DELETED') state.delete(key)
      else {
        // A list's items don't say their kind.
        const { kind: _, apiVersion: __, ...object } = event.object
        state.set(key, object)
      }
      if (key === 'default/end') break
    }
    events.cancel()
    const text = (objects: ReadonlyMap<string, KubeObject>): string =>
      JSON.stringify([...objects].sort(([x], [y]) => (x < y ? -1 : 1)))
    const expected = text((await list()).state)
    if (text(state) !== expected) throw new Error(`${text(state)} is not ${expected}`)
    controlPlane.delete(service('end'))
  }
  const changes = fc.array(change, { maxLength: 8 })
  await fc.assert(fc.asyncProperty(changes, changes, changes, run), { numRuns: 40 })
  t.pass()
})

type Change = { readonly name: string; readonly tier: string }

void test('a watch may be asked to last longer than any timer of Node', async t => {
  const { url, apply } = await controlPlaneFor(t)
  const events = await watch(t, `${url}/api/v1/services?watch=1&timeoutSeconds=10000000`)
  const short = await watch(t, `${url}/api/v1/services?watch=1&timeoutSeconds=1`)
  t.equal(await short.next(), undefined)
  apply(service('a'))
  t.strictSame(await events.take(1), ['ADDED default/a'])
})
