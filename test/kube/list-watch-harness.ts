// A list-watch on a fake API server, with a clock that stands still and every call written down.

import type { Test } from 'tap'
import { KubeClient } from '../../lib/kube/client.ts'
import { anonymousAccess } from '../../lib/kube/cluster-access.ts'
import type { ListWatchHandler } from '../../lib/kube/list-watch-state.ts'
import { ListWatch } from '../../lib/kube/list-watch.ts'
import type { WatchedResource } from '../../lib/kube/resource.ts'
import { silentLog } from '../../lib/ops/log.ts'
import { fakeApiServer, type Exchange, type FakeApiServer } from './fake-api-server.ts'
import { ManualClock } from '../manual-clock.ts'
import { RecordingHandler } from './recording-handler.ts'

export const services: WatchedResource = { group: '', version: 'v1', plural: 'services', kind: 'Service' }

export interface Harness {
  readonly server: FakeApiServer
  readonly clock: ManualClock
  readonly handler: RecordingHandler
  readonly listWatch: ListWatch
  readonly running: Promise<void>
  readonly stop: () => Promise<void>
}

/** A running list-watch of services; it's stopped when the test ends. */
export async function listWatchHarness(
  t: Test,
  options: {
    readonly resource?: Partial<WatchedResource>
    readonly handler?: (recording: RecordingHandler) => ListWatchHandler
  } = {},
): Promise<Harness> {
  const server = await fakeApiServer(t)
  const clock = new ManualClock()
  const handler = new RecordingHandler()
  const client = new KubeClient(anonymousAccess(server.url))
  const listWatch = new ListWatch({
    client,
    resource: { ...services, ...options.resource },
    handler: options.handler?.(handler) ?? handler,
    log: silentLog,
    clock,
    random: () => 0,
  })
  const stopping = new AbortController()
  const running = listWatch.run(stopping.signal)
  const stop = async () => {
    stopping.abort()
    await running
    await client.close()
  }
  t.teardown(stop)
  return { server, clock, handler, listWatch, running, stop }
}

export function service(name: string, resourceVersion: number): unknown {
  return { metadata: { namespace: 'ns', name, resourceVersion: String(resourceVersion) } }
}

export const added = (name: string, rv: number) => ({ type: 'ADDED', object: service(name, rv) })
export const modified = (name: string, rv: number) => ({ type: 'MODIFIED', object: service(name, rv) })
export const deleted = (name: string, rv: number) => ({ type: 'DELETED', object: service(name, rv) })

export function bookmark(rv: number): unknown {
  return { type: 'BOOKMARK', object: { kind: 'Service', metadata: { resourceVersion: String(rv) } } }
}

export function initialEventsEnd(rv: number): unknown {
  const annotations = { 'k8s.io/initial-events-end': 'true' }
  return {
    type: 'BOOKMARK',
    object: { kind: 'Service', metadata: { resourceVersion: String(rv), annotations } },
  }
}

export function listOf(rv: number, items: unknown[], next = ''): unknown {
  return {
    kind: 'ServiceList',
    metadata: { resourceVersion: String(rv), ...(next && { continue: next }) },
    items,
  }
}

/** Answers the streaming list that comes first as an API server that has none, and returns the paged list. */
export async function refuseStreaming(server: FakeApiServer): Promise<Exchange> {
  const streaming = await server.next()
  streaming.refuse(
    422,
    'Invalid',
    'resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch',
  )
  return server.next()
}

/** Brings the list-watch to its first watch, by pages, knowing these objects. Returns the watch, open. */
export async function watchAfterList(harness: Harness, rv: number, items: unknown[]): Promise<Exchange> {
  const list = await refuseStreaming(harness.server)
  list.json(listOf(rv, items))
  await harness.handler.take(items.length + 1)
  const watch = (await harness.server.next()).open()
  await harness.handler.state('watching')
  return watch
}
