// The composition root of the agent: list-watches feed the desired state, a sync runner brings its changes to the
// data plane, and small HTTP servers tell how it is going. The agent itself never touches a client's bytes.

import { EventEmitter, once } from 'node:events'
import { buildStatus } from './agent-status.ts'
import { DesiredState } from './control/desired-state.ts'
import { localAddresses, watchLocalAddresses } from './control/local-addresses.ts'
import type { NodePortAddresses } from './control/node-port-addresses.ts'
import { SyncRunner } from './control/sync-runner.ts'
import { netEngine } from './dataplane/engines/net/net-engine.ts'
import { LocalDataPlane } from './dataplane/local-data-plane.ts'
import type { UdpOptions } from './dataplane/udp-proxy.ts'
import { KubeClient } from './kube/client.ts'
import type { ClusterAccess } from './kube/cluster-access.ts'
import type { ListWatchHandler, ListWatchState } from './kube/list-watch-state.ts'
import { ListWatch } from './kube/list-watch.ts'
import type { WatchedResource } from './kube/resource.ts'
import type { Address } from './model/address.ts'
import { readNode } from './model/node.ts'
import { headlessLabel, serviceProxyNameLabel } from './model/service.ts'
import { systemClock } from './ops/clock.ts'
import { jsonAnswer, startHttpServer, type HttpRoutes } from './ops/http-server.ts'
import type { Log } from './ops/log.ts'
import type { StatusDocument } from './ops/status.ts'
import type { BalancerName } from './policy/balancer.ts'
import { version } from './version.ts'

export interface AgentOptions {
  readonly nodeName: string
  readonly access: ClusterAccess
  /** What `access` stands for, in status. */
  readonly source: 'apiserver' | 'manifests'
  readonly log: Log
  readonly balancer: BalancerName
  readonly nodePortAddresses: NodePortAddresses
  readonly allowLoopbackEndpoints: boolean
  readonly minSyncIntervalMs: number
  readonly halfClosedTimeoutMs: number
  readonly earlyRetry: boolean
  readonly udp: UdpOptions
  /** Serves /status, /healthz. null: not at all. */
  readonly metricsBindAddress: Address | null
  /** Serves /healthz, /livez. null: not at all. */
  readonly healthzBindAddress: Address | null
}

export interface Agent {
  /** Resolves when the first whole table is served: each frontend listens, refuses or is known to have failed. */
  readonly synced: Promise<void>
  status(): Promise<StatusDocument>
  /** Resolves with the first status, now or after a later change, that the condition holds for. */
  until(condition: (status: StatusDocument) => boolean): Promise<StatusDocument>
  /** Stops watching, closes every listener and connection. May be called twice. */
  close(): Promise<void>
}

/** Only what a proxy serves is asked for: neither headless Services nor those of another proxy (KEP-2447). */
const proxied = `!${headlessLabel},!${serviceProxyNameLabel}`

const services: WatchedResource = {
  group: '',
  version: 'v1',
  plural: 'services',
  kind: 'Service',
  labelSelector: proxied,
  fieldSelector: 'spec.clusterIP!=None',
}

const endpointSlices: WatchedResource = {
  group: 'discovery.k8s.io',
  version: 'v1',
  plural: 'endpointslices',
  kind: 'EndpointSlice',
  labelSelector: proxied,
}

function ownNode(name: string): WatchedResource {
  return { group: '', version: 'v1', plural: 'nodes', kind: 'Node', fieldSelector: `metadata.name=${name}` }
}

export function startAgent(options: AgentOptions): Agent {
  const { nodeName, log, source } = options
  const clock = systemClock
  const stop = new AbortController()
  const applied = new EventEmitter().setMaxListeners(0)
  let firstApplied = false
  let resolveSynced = (): void => {}
  const synced = new Promise<void>(resolve => {
    resolveSynced = resolve
  })

  const dataPlane = new LocalDataPlane({ ...options, engine: netEngine, clock, random: Math.random })
  const desired = new DesiredState({
    ...options,
    localIps: localAddresses(),
    onChange: () => runner.request(),
  })
  const runner = new SyncRunner(
    async () => {
      const update = desired.sync()
      if (update === null) return
      await dataPlane.apply(update)
      if (!firstApplied) {
        firstApplied = true
        log.info({ generation: update.generation }, 'synced: serving the whole table')
        resolveSynced()
      }
      applied.emit('applied')
    },
    options.minSyncIntervalMs,
    clock,
    log,
  )

  const client = new KubeClient(options.access, { version })
  const watch = (resource: WatchedResource, handler: ListWatchHandler): ListWatch =>
    new ListWatch({ client, resource, handler, log })
  const watches = [
    watch(services, {
      set: object => desired.setService(object),
      delete: name => desired.deleteService(name),
      synced: () => desired.markListed('services'),
    }),
    watch(endpointSlices, {
      set: object => desired.setEndpointSlice(object),
      delete: name => desired.deleteEndpointSlice(name),
      synced: () => desired.markListed('endpointSlices'),
    }),
    watch(ownNode(nodeName), {
      set: object => {
        // A server without the field selector sends every node.
        if (object.metadata.name === nodeName) desired.setNode(readNode(object))
      },
      delete: ({ name }) => {
        if (name === nodeName) desired.setNode(null)
      },
      synced: () => {},
    }),
  ]
  const watching = watches.map(each => each.run(stop.signal))
  const stopLocalIps = watchLocalAddresses(clock, ips => desired.setLocalIps(ips))

  const status = async (): Promise<StatusDocument> =>
    buildStatus({
      node: nodeName,
      generation: desired.generation,
      source,
      synced: firstApplied,
      watches: Object.fromEntries(watches.map(each => [each.resource.plural, describeWatch(each.state)])),
      servicePorts: desired.servicePorts,
      dataPlane: await dataPlane.status(),
    })
  const healthz: HttpRoutes[string] = async () =>
    jsonAnswer(
      { healthy: firstApplied, node: nodeName, generation: desired.generation },
      firstApplied ? 200 : 503,
    )
  const serve = (purpose: string, at: Address | null, routes: HttpRoutes): { close(): void }[] =>
    at === null ? [] : [startHttpServer(at, routes, { purpose, log, clock })]
  const servers = [
    ...serve('metrics server (--metrics-bind-address)', options.metricsBindAddress, {
      '/status': async () => jsonAnswer(await status()),
      '/healthz': healthz,
    }),
    ...serve('health server (--healthz-bind-address)', options.healthzBindAddress, {
      '/healthz': healthz,
      '/livez': async () => jsonAnswer({ healthy: true }),
    }),
  ]

  return {
    synced,
    status,
    async until(condition) {
      for (;;) {
        // Listened for before the look, so that a change during the look isn't missed.
        const next = once(applied, 'applied', { signal: stop.signal })
        next.catch(() => {})
        const now = await status()
        if (condition(now)) return now
        await next
      }
    },
    async close() {
      stop.abort()
      runner.close()
      stopLocalIps()
      for (const server of servers) server.close()
      await dataPlane.close()
      await Promise.all(watching)
      await client.close()
    },
  }
}

function describeWatch(state: ListWatchState): string {
  return state.kind === 'backing-off' ? `not connected, trying again: ${state.error.message}` : state.kind
}
