// The composition root of the agent: list-watches feed the desired state, a sync runner brings its changes to the
// data plane, and telemetry tells how it is going. The agent itself never touches a client's bytes.

import { EventEmitter, once } from 'node:events'
import { buildStatus } from './agent-status.ts'
import { AgentTelemetry } from './agent-telemetry.ts'
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
import { isNodeEligible, readNode } from './model/node.ts'
import { nameKey } from './model/objects.ts'
import type { ProxySettings } from './model/proxy-settings.ts'
import { systemClock, type Clock } from './ops/clock.ts'
import type { Log } from './ops/log.ts'
import type { StatusDocument } from './ops/status.ts'
import type { PassiveHealthRules } from './policy/passive-health.ts'
import { version } from './version.ts'
import { endpointSlices, ownNode, services } from './watched-resources.ts'

export interface AgentOptions {
  readonly nodeName: string
  readonly access: ClusterAccess
  /** What `access` stands for, in status. */
  readonly source: 'apiserver' | 'manifests'
  readonly log: Log
  readonly clock?: Clock
  /** How Services are proxied that have no annotations of ours. */
  readonly defaults: ProxySettings
  readonly passiveHealth: PassiveHealthRules
  readonly earlyRetry: boolean
  readonly nodePortAddresses: NodePortAddresses
  /** The node's primary address instead of what its Node object says; null: as it says. */
  readonly nodeIp: string | null
  /** Where this cluster's pods are; empty: the Node object's pod CIDRs tell. */
  readonly clusterCidrs: readonly string[]
  readonly allowLoopbackEndpoints: boolean
  readonly minSyncIntervalMs: number
  readonly halfClosedTimeoutMs: number
  readonly udp: UdpOptions
  /** Serves /metrics, /status, /configz, /proxyMode. null: not at all. */
  readonly metricsBindAddress: Address | null
  /** Serves /healthz, /livez. null: not at all. */
  readonly healthzBindAddress: Address | null
  /** What /configz answers. */
  readonly configz: Readonly<Record<string, unknown>>
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

export function startAgent(options: AgentOptions): Agent {
  const { nodeName, log, source, nodePortAddresses, clock = systemClock } = options
  const stop = new AbortController()
  const applied = new EventEmitter().setMaxListeners(0)
  let firstApplied = false
  const { promise: synced, resolve: resolveSynced } = Promise.withResolvers<void>()

  const client = new KubeClient(options.access, { version })
  const dataPlane = new LocalDataPlane({ ...options, engine: netEngine, clock, random: Math.random })
  const localIps = localAddresses()
  const desired = new DesiredState({
    ...options,
    localIps,
    onChange: () => {
      // Before everything is listed there is nothing to bring anywhere, so nothing can be late.
      if (!desired.synced) return
      telemetry.queued()
      runner.request()
    },
    onProblem: (service, problem) => telemetry.serviceProblem(service, problem),
  })
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
  const telemetry = new AgentTelemetry({
    ...options,
    client,
    clock,
    status,
    nodePortIps: [
      ...nodePortAddresses.select('IPv4', 'TCP', localIps),
      ...(localIps.some(ip => ip.includes(':')) ? nodePortAddresses.select('IPv6', 'TCP', localIps) : []),
    ],
  })
  const runner = new SyncRunner(
    async () => {
      const ended = telemetry.syncStarts()
      const update = desired.sync()
      if (update !== null) await dataPlane.apply(update)
      ended(desired)
      if (update === null) return
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

  const watch = (resource: WatchedResource, handler: ListWatchHandler): ListWatch => {
    const report = (state: ListWatchState): void => telemetry.watchEntered(resource.plural, state.kind)
    return new ListWatch({ client, resource, handler: { ...handler, status: report }, log, clock })
  }
  const watches = [
    watch(services, {
      set: object => {
        telemetry.serviceChanged(object)
        desired.setService(object)
      },
      delete: name => {
        telemetry.serviceDeleted(nameKey(name))
        desired.deleteService(name)
      },
      synced: () => desired.markListed('services'),
    }),
    watch(endpointSlices, {
      set: object => {
        telemetry.sliceChanged(object)
        desired.setEndpointSlice(object)
      },
      delete: name => {
        telemetry.sliceDeleted(nameKey(name))
        desired.deleteEndpointSlice(name)
      },
      synced: () => desired.markListed('endpointSlices'),
    }),
    watch(ownNode(nodeName), {
      set: object => {
        if (object.metadata.name !== nodeName) return
        const node = readNode(object)
        const { nodeIp } = options
        desired.setNode(nodeIp === null ? node : { ...node, ips: [nodeIp, ...node.ips] })
        telemetry.setNodeEligible(isNodeEligible(object))
      },
      delete: ({ name }) => {
        if (name !== nodeName) return
        desired.setNode(null)
        telemetry.setNodeEligible(false)
      },
      synced: () => {},
    }),
  ]
  const watching = watches.map(each => each.run(stop.signal))
  const stopLocalIps = watchLocalAddresses(clock, ips => desired.setLocalIps(ips))

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
      await telemetry.close()
      await dataPlane.close()
      await Promise.all(watching)
      await client.close()
    },
  }
}

function describeWatch(state: ListWatchState): string {
  return state.kind === 'backing-off' ? `not connected, trying again: ${state.error.message}` : state.kind
}
