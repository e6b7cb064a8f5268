// Wherever a list-watch is when it's told to stop: it stops at once and leaves nothing behind.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { KubeClient } from '../../lib/kube/client.ts'
import { anonymousAccess } from '../../lib/kube/cluster-access.ts'
import { ListWatch } from '../../lib/kube/list-watch.ts'
import { silentLog } from '../../lib/ops/log.ts'
import { fakeApiServer, type FakeApiServer } from './fake-api-server.ts'
import {
  added,
  listOf,
  listWatchHarness,
  refuseStreaming,
  services,
  watchAfterList,
  type Harness,
} from './list-watch-harness.ts'
import { ManualClock } from '../manual-clock.ts'
import { RecordingHandler } from './recording-handler.ts'

const places: Record<string, (harness: Harness) => Promise<unknown>> = {
  'before anything': () => Promise.resolve(),
  'waiting for the streaming list': ({ server }) => server.next(),
  'within the streaming list': async ({ server, handler }) => {
    const stream = await server.next()
    stream.open().send(added('a', 1))
    await handler.take(1)
  },
  'waiting for a page': async ({ server, handler }) => {
    const list = await refuseStreaming(server)
    list.json(listOf(10, [{ metadata: { name: 'a' } }], 'token'))
    await handler.take(1)
    await server.next()
  },
  'within a page': async ({ server }) => {
    const list = await refuseStreaming(server)
    list.open().raw('{"items":[')
  },
  'waiting for a watch': async ({ server }) => {
    const list = await refuseStreaming(server)
    list.json(listOf(10, []))
    await server.next()
  },
  'within a watch': harness => watchAfterList(harness, 10, []),
  'while backing off': async ({ server, handler }) => {
    const list = await refuseStreaming(server)
    list.refuse(503, 'ServiceUnavailable')
    await handler.state('backing-off')
  },
}

for (const [name, arrive] of Object.entries(places)) {
  void test(`abort ${name}`, async t => {
    const harness = await listWatchHarness(t)
    await arrive(harness)
    const said = harness.handler.calls.length
    await harness.stop()
    t.equal(harness.listWatch.state.kind, 'stopped')
    t.equal(harness.clock.pending, 0, 'no timer is left')
    t.equal(harness.handler.calls.length, said, 'nothing was said any more')
  })
}

const leftBehind: Record<string, (server: FakeApiServer) => Promise<unknown>> = {
  'within a streaming list': async server => (await server.next()).open(),
  'within a page': async server => (await refuseStreaming(server)).open().raw('{'),
  'within a watch': async server => {
    const list = await refuseStreaming(server)
    list.json(listOf(10, []))
    const watch = await server.next()
    watch.open()
  },
  'while backing off': async server => {
    const list = await refuseStreaming(server)
    list.refuse(429, 'TooManyRequests', 'later', { 'retry-after': '100' })
  },
}

for (const [name, arrive] of Object.entries(leftBehind)) {
  void test(`abort ${name}: the process has nothing left to wait for`, async t => {
    const server = await fakeApiServer(t)
    const program = fileURLToPath(new URL('list-watch-child.ts', import.meta.url))
    const child = spawn(process.execPath, [program, server.url.href], {
      stdio: ['pipe', 'inherit', 'inherit'],
    })
    t.teardown(() => child.kill('SIGKILL'))
    const exit = once(child, 'exit')
    await arrive(server)
    child.stdin.end()
    t.strictSame(await exit, [0, null])
  })
}

void test('a signal that has fired already', async t => {
  const server = await fakeApiServer(t)
  const client = new KubeClient(anonymousAccess(server.url))
  const handler = new RecordingHandler()
  const listWatch = new ListWatch({
    client,
    resource: services,
    handler,
    log: silentLog,
    clock: new ManualClock(),
  })
  t.equal(listWatch.state.kind, 'idle')
  await listWatch.run(AbortSignal.abort())
  t.equal(listWatch.state.kind, 'stopped')
  t.strictSame(server.untaken, [])
  await client.close()
})

void test('listeners do not pile up on the signal', async t => {
  const server = await fakeApiServer(t)
  const client = new KubeClient(anonymousAccess(server.url))
  t.teardown(() => client.close())
  const clock = new ManualClock()
  const handler = new RecordingHandler()
  const listWatch = new ListWatch({
    client,
    resource: services,
    handler,
    log: silentLog,
    clock,
    random: () => 0,
  })
  const stopping = new AbortController()
  let listeners = 0
  const { signal } = stopping
  const add = signal.addEventListener.bind(signal)
  const remove = signal.removeEventListener.bind(signal)
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    listeners += 1
    add(...args)
  }
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    listeners -= 1
    remove(...args)
  }
  const running = listWatch.run(signal)
  const list = await refuseStreaming(server)
  list.json(listOf(10, []))
  for (let i = 0; i < 20; i++) {
    const watch = await server.next()
    watch.open()
    await clock.armed()
    clock.advance(2000)
    watch.end()
  }
  await server.next()
  t.ok(listeners <= 2, `${listeners} listeners`)
  stopping.abort()
  await running
})
