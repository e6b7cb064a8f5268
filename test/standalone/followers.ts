// Clients that follow an API server and keep a copy of one resource: our own list-watch, and the informer of
// @kubernetes/client-node as its users run it. Copies are texts that compare, whatever a client makes of its objects.

import * as k8s from '@kubernetes/client-node'
import { KubeClient } from '../../lib/kube/client.ts'
import { anonymousAccess } from '../../lib/kube/cluster-access.ts'
import { ListWatch } from '../../lib/kube/list-watch.ts'
import { nameKey, objectKey, type KubeObject } from '../../lib/model/objects.ts'
import type { Clock } from '../../lib/ops/clock.ts'
import { silentLog } from '../../lib/ops/log.ts'
import type { ResourceType } from '../../lib/standalone/kinds/resources.ts'
import { call } from './http-client.ts'

export interface Follower {
  readonly name: string
  /** By "namespace/name". */
  readonly copy: () => ReadonlyMap<string, string>
  /** How often it had to begin anew with a list. */
  readonly lists: () => number
  /** What it was told and shouldn't have been: a repetition, the deletion of what it didn't know. */
  readonly anomalies: readonly string[]
  readonly stop: () => Promise<void>
}

/** Time that passes `speed` times as fast, so that pauses of seconds are short. */
export function fastClock(speed: number): Clock {
  return {
    now: () => performance.now() * speed,
    after(delayMs, action) {
      const timer = setTimeout(action, delayMs / speed)
      timer.unref()
      return { cancel: () => clearTimeout(timer) }
    },
  }
}

/** What the server has now. */
export async function freshCopy(
  url: string,
  type: ResourceType,
  query = '',
): Promise<ReadonlyMap<string, string>> {
  return copyOf(await freshList(url, type, query))
}

export async function freshList(url: string, type: ResourceType, query = ''): Promise<readonly KubeObject[]> {
  const { code, body } = await call<{ items: readonly KubeObject[] }>(`${url}${pathOf(type)}${query}`)
  if (code !== 200) throw new Error(`${pathOf(type)}: ${code}`)
  return body.items
}

export function followWithListWatch(url: string, type: ResourceType): Follower {
  const { group, version, plural, kind } = type
  const known = new Map<string, KubeObject>()
  const anomalies: string[] = []
  let lists = 0
  const client = new KubeClient(anonymousAccess(new URL(url)))
  const listWatch = new ListWatch({
    client,
    resource: { group, version, plural, kind },
    log: silentLog,
    clock: fastClock(100),
    // A busy machine is no silent server.
    limits: { initialSilenceMs: 3_000_000, initialTotalMs: 3_000_000, bookmarkSilenceMs: 3_000_000 },
    handler: {
      set(object) {
        const key = objectKey(object)
        const { resourceVersion } = object.metadata
        if (known.get(key)?.metadata.resourceVersion === resourceVersion) {
          anomalies.push(`${key} set again at ${resourceVersion}`)
        }
        known.set(key, object)
      },
      delete(name) {
        const key = nameKey(name)
        if (!known.delete(key)) anomalies.push(`${key} deleted, but not known`)
      },
      synced() {},
      status(state) {
        if (state.kind === 'listing') lists++
      },
    },
  })
  const stopping = new AbortController()
  const running = listWatch.run(stopping.signal)
  return {
    name: `list-watch of ${plural}`,
    copy: () => copyOf([...known.values()]),
    lists: () => lists,
    anomalies,
    async stop() {
      stopping.abort()
      await running
      await client.close()
    },
  }
}

type List<T extends k8s.KubernetesObject> = () => Promise<k8s.KubernetesListObject<T>>

/** Informers of client-node for these resources, by its own typed API. */
export function informers(url: string): readonly Follower[] {
  const config = new k8s.KubeConfig()
  // It speaks plain HTTP only to servers whose certificate it wouldn't look at.
  config.loadFromClusterAndUser({ name: 'test', server: url, skipTLSVerify: true }, { name: 'test' })
  const core = config.makeApiClient(k8s.CoreV1Api)
  const discovery = config.makeApiClient(k8s.DiscoveryV1Api)
  const lists: Readonly<Record<string, List<k8s.KubernetesObject>>> = {
    '/api/v1/services': () => core.listServiceForAllNamespaces(),
    '/api/v1/pods': () => core.listPodForAllNamespaces(),
    '/api/v1/nodes': () => core.listNode(),
    '/apis/discovery.k8s.io/v1/endpointslices': () => discovery.listEndpointSliceForAllNamespaces(),
  }
  return Object.entries(lists).map(([path, list]) => informer(config, path, list))
}

function informer(config: k8s.KubeConfig, path: string, list: List<k8s.KubernetesObject>): Follower {
  let lists = 0
  let stopped = false
  const known = new Map<string, KubeObject>()
  const anomalies: string[] = []
  const counted: typeof list = () => {
    lists++
    return list()
  }
  // What makeInformer makes, but with shorter pauses.
  const listWatch = new k8s.ListWatch(path, new k8s.Watch(config), counted, false, undefined, undefined, {
    delayFn: ms => new Promise(resolve => setTimeout(resolve, ms / 100).unref()),
  })
  const set = (object: k8s.KubernetesObject): void => {
    known.set(objectKey(asObject(object)), asObject(object))
  }
  listWatch.on('add', set)
  listWatch.on('update', set)
  listWatch.on('delete', object => {
    const key = objectKey(asObject(object))
    if (!known.delete(key)) anomalies.push(`${key} deleted, but not known`)
  })
  listWatch.on('error', () => {
    setTimeout(() => {
      if (!stopped) void listWatch.start()
    }, 20).unref()
  })
  void listWatch.start()
  return {
    name: `informer of ${path}`,
    copy: () => copyOf([...known.values()]),
    lists: () => lists,
    anomalies,
    async stop() {
      stopped = true
      await listWatch.stop()
    },
  }
}

export function copyOf(objects: readonly KubeObject[]): ReadonlyMap<string, string> {
  return new Map(objects.map(object => [objectKey(object), textOf(object)]))
}

/** The same text for the same object: a list's items don't say what they are, and client-node has Dates in them. */
function textOf(given: KubeObject): string {
  const { apiVersion: _, kind: __, ...object } = given
  return JSON.stringify(sorted(JSON.parse(JSON.stringify(object).replaceAll('.000Z"', 'Z"'))))
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  )
}

function asObject(object: k8s.KubernetesObject): KubeObject {
  return object as unknown as KubeObject
}

function pathOf({ group, version, plural }: ResourceType): string {
  return group === '' ? `/api/${version}/${plural}` : `/apis/${group}/${version}/${plural}`
}
