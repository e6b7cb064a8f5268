// The composition root of one agent: list-watches feed the desired state, a sync runner brings its changes to the
// data plane (worker processes, or this one), and telemetry tells how it is going. It may begin with a table from
// elsewhere, which is served until everything has been listed; and it ends in two ways, with its clients or without.

import { EventEmitter, once } from 'node:events'
import path from 'node:path'
import { createInspection } from './agent-inspection.ts'
import { buildStatus } from './agent-status.ts'
import { AgentTelemetry } from './agent-telemetry.ts'
import { DesiredState } from './control/desired-state.ts'
import { localAddresses, watchLocalAddresses } from './control/local-addresses.ts'
import type { NodePortAddresses } from './control/node-port-addresses.ts'
import { SyncRunner } from './control/sync-runner.ts'
import { openTableFile } from './control/table-file.ts'
import type { DataPlane } from './dataplane/data-plane.ts'
import { createNetEngine } from './dataplane/engines/net/net-engine.ts'
import { LocalDataPlane } from './dataplane/local-data-plane.ts'
import type { SharedFact } from './dataplane/shared-facts.ts'
import type { UdpOptions } from './dataplane/udp-proxy.ts'
import { KubeClient } from './kube/client.ts'
import type { ClusterAccess } from './kube/cluster-access.ts'
import type { ListWatchHandler, ListWatchState } from './kube/list-watch-state.ts'
import { ListWatch } from './kube/list-watch.ts'
import type { WatchedResource } from './kube/resource.ts'
import { canonicalIp, type Address } from './model/address.ts'
import type { Cidr } from './model/cidr.ts'
import { reasonOf } from './model/error.ts'
import { isNodeEligible, readNode } from './model/node.ts'
import { nameKey } from './model/objects.ts'
import type { ProxySettings } from './model/proxy-settings.ts'
import type { TableSnapshot, TableUpdate } from './model/proxy-table.ts'
import type { VipMode } from './model/vip-mode.ts'
import { openAccessLog, type AccessLog, type AccessLogSettings } from './ops/access-log.ts'
import { pause, systemClock, type Clock } from './ops/clock.ts'
import type { Log } from './ops/log.ts'
import type { Readiness } from './ops/observability-routes.ts'
import type { AgentProcess, StatusDocument, WorkerStatus } from './ops/status.ts'
import type { PassiveHealthRules } from './policy/passive-health.ts'
import { version } from './version.ts'
import type { VipUser, Vips } from './vip/vips.ts'
import type { WorkerOptions } from './workers/messages.ts'
import { WorkerPool } from './workers/worker-pool.ts'
import { allNodes, endpointSlices, ownNode, services } from './watched-resources.ts'

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
  /** TCP connections of one client address at a time; null: as many as it likes. */
  readonly maxConnectionsPerClient: number | null
  readonly nodePortAddresses: NodePortAddresses
  /** The node's primary address instead of what its Node object says; null: as it says. */
  readonly nodeIp: string | null
  /** Where this cluster's pods are; empty: the Node object's pod CIDRs tell. */
  readonly clusterCidrs: readonly string[]
  /** Who makes the VIPs local, for the life of the process. */
  readonly vipMode: VipMode
  /** Addresses that must not be made local. */
  readonly vipExclude: readonly Cidr[]
  readonly allowLoopbackEndpoints: boolean
  readonly minSyncIntervalMs: number
  readonly halfClosedTimeoutMs: number
  readonly udp: UdpOptions
  /** The processes that proxy; null: this one does. */
  readonly workers: WorkersOptions | null
  /** Where the last good table is kept for a start without API server; null: nowhere. */
  readonly stateDir: string | null
  /** Serves /metrics, /status, /configz, /proxyMode. null: not at all. */
  readonly metricsBindAddress: Address | null
  /** Serves /healthz, /livez. null: not at all. */
  readonly healthzBindAddress: Address | null
  /** Whether /metrics has series for each service port; unless false, it has. */
  readonly metricsPerService?: boolean
  /** Where each connection and flow has a line when it has ended; absent or null: nowhere. */
  readonly accessLog?: AccessLogSettings | null
  /** What /configz answers. */
  readonly configz: Readonly<Record<string, unknown>>
}

export interface WorkersOptions extends Omit<WorkerOptions, 'dataPlane' | 'stateDir' | 'accessLog'> {
  /** How many; at least 1. */
  readonly count: number
  /** How to start one: the program with all its arguments. */
  readonly command: readonly string[]
}

/** What an agent has from outside of its configuration: what was before it, and what is around it. */
export interface AgentContext {
  /** What a predecessor serves: it is served at once, until everything has been listed. */
  readonly seed: TableSnapshot | null
  /** What its workers have found out about clients and endpoints. */
  readonly facts?: Iterable<SharedFact>
  /** Called with each update, for those whose clients stayed with an earlier data plane. */
  readonly onUpdate?: (update: TableUpdate) => void
  /** Who makes the VIPs local, and what this agent says of the ones that it wants; absent: nobody has to. */
  readonly vips?: { readonly all: Vips; readonly user: VipUser }
  /** What status says about the process. */
  readonly process?: () => AgentProcess
  /** Workers of earlier data planes that still have clients. */
  readonly drainingWorkers?: () => Promise<readonly WorkerStatus[]>
}

/** What is known without asking anybody. */
export interface AgentSummary {
  /** Services in the table. */
  readonly services: number
  readonly source: StatusDocument['source']
  /** The processes that proxy; 0: the agent itself does. */
  readonly workers: number
  /** Changes reach the data plane, as /livez has it. */
  readonly keepsUp: boolean
}

export interface Agent {
  /**
   * Resolves when a whole table is served, wherever it is from: each frontend listens, refuses or is known to have
   * failed. Rejects with the reason when the workers can't be started; the agent has to be closed then.
   */
  readonly serving: Promise<void>
  /** Resolves when what is served is what the API server has listed. */
  readonly synced: Promise<void>
  /** What is served now, for a successor; null: nothing yet. */
  table(): TableSnapshot | null
  /** What the workers have found out, for a successor. */
  facts(): Iterable<SharedFact>
  status(): Promise<StatusDocument>
  summary(): AgentSummary
  /** The file of the access log has been renamed, or may have been: goes on with the one that has the name now. */
  reopenAccessLog(): void
  /** What the data plane's processes are doing, for a successor's status. */
  workers(): Promise<readonly WorkerStatus[]>
  /** To be awaited before a successor opens the same addresses in the same machine: UDP flows stay here from then on. */
  prepareHandOver(): Promise<void>
  /** After `stop`: a successor's update, for the endpoints of the connections that are still here. */
  follow(update: TableUpdate): Promise<void>
  /** Resolves with the first status, now or after a later change, that the condition holds for. */
  until(condition: (status: StatusDocument) => boolean): Promise<StatusDocument>
  /**
   * Takes nobody new and tells nothing any more; established connections go on until they end or `drainMs` have passed
   * (null: however long it takes). Resolves when nothing is left.
   */
  stop(drainMs: number | null): Promise<void>
  /** Stops watching, closes every listener and connection. May be called twice, and during `stop`. */
  close(): Promise<void>
}

export function startAgent(options: AgentOptions, context: AgentContext = { seed: null }): Agent {
  const { nodeName, log, source, nodePortAddresses, clock = systemClock } = options
  const { vips } = context
  const stop = new AbortController()
  const applied = new EventEmitter().setMaxListeners(0)
  let firstApplied = false
  const { promise: synced, resolve: resolveSynced } = Promise.withResolvers<void>()
  const { promise: nodeListed, resolve: resolveNodeListed } = Promise.withResolvers<void>()

  const client = new KubeClient(options.access, { version })
  const { dataPlane, started, accessLog } = openDataPlane(options, clock, context)
  const closeDataPlane = async (): Promise<void> => {
    await dataPlane.close()
    await accessLog?.close()
  }
  const tableFile =
    options.stateDir === null ? null : openTableFile(options.stateDir, { node: nodeName, log, clock })
  const localIps = localAddresses()
  const desired = new DesiredState({
    ...options,
    localIps,
    apiServerIp: canonicalIp(options.access.server.hostname.replace(/^\[|\]$/g, '')),
    seed: context.seed ?? tableFile?.load() ?? null,
    wallClock: Date.now,
    onChange: () => {
      // Before everything is listed there is nothing to bring anywhere, so nothing can be late.
      if (!desired.synced) return
      telemetry.queued()
      runner.request()
    },
    onProblem: (service, problem) => telemetry.serviceProblem(service, problem),
  })
  const status = async (): Promise<StatusDocument> => {
    const draining = (await context.drainingWorkers?.()) ?? []
    const document = buildStatus({
      node: nodeName,
      generation: desired.generation,
      source,
      asOf: seedServed ? desired.asOf : null,
      synced: firstApplied,
      watches: Object.fromEntries(watches.map(each => [each.resource.plural, describeWatch(each.state)])),
      servicePorts: desired.servicePorts,
      dataPlane: await dataPlane.status(),
    })
    const agent = context.process?.()
    return {
      ...document,
      ...(agent && { agent }),
      ...(vips && { vips: vips.all.status() }),
      workers: [...document.workers, ...draining],
    }
  }
  let isServing = false
  const readiness = (): Readiness => {
    const agent = context.process?.()
    if (agent === undefined) return { ready: isServing }
    const { pid, pidScope, startedAt } = agent
    return { ready: isServing, agent: { pid, pidScope, startedAt } }
  }
  const telemetry = new AgentTelemetry({
    ...options,
    client,
    clock,
    status,
    dataPlane,
    desired,
    readiness,
    inspection: createInspection({
      nodeName,
      desired,
      dataPlane,
      synced: () => firstApplied,
      vipMode: options.vipMode,
      vips: () => vips?.all.status(),
      maxConnectionsPerClient: options.maxConnectionsPerClient,
      wallClock: Date.now,
    }),
    ...(tableFile !== null && { tableSaves: () => tableFile.saves }),
    nodePortIps: [
      ...nodePortAddresses.select('IPv4', 'TCP', localIps),
      ...(localIps.some(ip => ip.includes(':')) ? nodePortAddresses.select('IPv6', 'TCP', localIps) : []),
    ],
  })
  /** Nothing can be listened on that isn't local, and nobody may be cut off who is still served. */
  const bringNow = async (update: TableUpdate): Promise<void> => {
    await vips?.user.want(update)
    await dataPlane.apply(update)
    vips?.user.applied()
  }
  let brought: Promise<void> = Promise.resolve()
  /** One after the other: an update may wait for its VIPs, and the next one for none. */
  const bring = (update: TableUpdate): Promise<void> => {
    const next = brought.then(() => bringNow(update))
    brought = next.catch(() => {})
    return next
  }
  const { promise: seeded, resolve: resolveSeeded } = Promise.withResolvers<void>()
  let seedServed = false
  /** An update has been lost on its way to the data plane. */
  let missed = false
  const serveSeed = (): void => {
    if (seedServed || desired.asOf === null || stop.signal.aborted) return
    seedServed = true
    telemetry.seeded(desired)
    bring(desired.snapshot()).then(resolveSeeded, (error: unknown) => {
      log.error({ err: error }, `the table of before the start is not served: ${reasonOf(error)}`)
    })
    if (context.seed !== null) return
    const asOf = new Date(desired.asOf).toISOString()
    log.warn({ asOf }, "serving the table of an earlier run until the API server's is known")
  }
  const serving = Promise.all([Promise.race([seeded, synced]), started]).then(() => {})
  serving.then(
    () => (isServing = true),
    () => {},
  )
  const runner = new SyncRunner(
    async () => {
      // A table made without the node's zone and addresses would close what is served, only to open it again.
      if (!firstApplied) await Promise.race([nodeListed, pause(clock, nodePatienceMs, stop.signal)])
      if (stop.signal.aborted) return
      const ended = telemetry.syncStarts()
      const change = desired.sync()
      // A seed that wasn't needed: the data plane has nothing yet. Nor can it be sure of what it had when it failed.
      const whole = missed || (change !== null && !firstApplied && !seedServed)
      const update = whole ? desired.snapshot() : change
      missed = update !== null
      if (update !== null) await bring(update)
      missed = false
      ended(desired)
      if (update === null) return
      context.onUpdate?.(update)
      tableFile?.save(() => desired.snapshot())
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
    const report = (state: ListWatchState): void => {
      telemetry.watchEntered(resource.plural, state.kind)
      if (state.kind === 'backing-off') serveSeed()
    }
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
    watch(options.vipMode === 'none' ? ownNode(nodeName) : allNodes, {
      set: object => {
        const { name } = object.metadata
        if (name !== nodeName) {
          if (name !== undefined && options.vipMode !== 'none') desired.setOtherNode(name, readNode(object))
          return
        }
        const node = readNode(object)
        nodeIps = options.nodeIp === null ? node.ips : [options.nodeIp, ...node.ips]
        desired.setNode({ ...node, ips: nodeIps })
        tellSources()
        telemetry.setNodeEligible(isNodeEligible(object))
      },
      delete: ({ name }) => {
        if (name !== nodeName) return desired.setOtherNode(name, null)
        desired.setNode(null)
        telemetry.setNodeEligible(false)
      },
      synced: () => resolveNodeListed(),
    }),
  ]
  let nodeIps: readonly string[] = []
  const tellSources = (): void => {
    const own = localAddresses().filter(ip => !ip.startsWith('127.') && ip !== '::1')
    vips?.all.setSources([...nodeIps.filter(ip => own.includes(ip)), ...own])
  }
  tellSources()
  const watching = watches.map(each => each.run(stop.signal))
  const stopLocalIps = watchLocalAddresses(clock, ips => {
    desired.setLocalIps(ips)
    tellSources()
  })
  // A table from disk may be old, and its endpoints somebody else's by now: an API server that answers comes first.
  const patience = clock.after(apiPatienceMs, serveSeed)
  if (context.seed !== null) serveSeed()

  const stopWatching = async (): Promise<void> => {
    stop.abort()
    runner.close()
    stopLocalIps()
    patience.cancel()
    await Promise.all([telemetry.close(), tableFile?.close(), ...watching])
    await client.close()
  }

  return {
    serving,
    synced,
    facts: () => (dataPlane instanceof WorkerPool ? dataPlane.facts() : []),
    table: () => (desired.generation === 0 ? null : desired.snapshot()),
    status,
    summary: () => ({
      services: new Set([...desired.servicePorts].map(nameKey)).size,
      source: seedServed && desired.asOf !== null ? 'snapshot' : source,
      workers: options.workers?.count ?? 0,
      keepsUp: telemetry.keepsUp,
    }),
    reopenAccessLog() {
      accessLog?.reopen()
      if (dataPlane instanceof WorkerPool) dataPlane.reopenAccessLog()
    },
    workers: async () => (await dataPlane.status()).workers,
    prepareHandOver: async () => dataPlane.prepareHandOver?.(),
    follow: update => dataPlane.apply(update),
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
    async stop(drainMs) {
      // First, so that nothing that takes its time while it ends (an event to a server that is gone) holds it up.
      const drained = dataPlane.drain(drainMs)
      await Promise.all([drained, stopWatching()])
      await closeDataPlane()
    },
    async close() {
      await Promise.all([closeDataPlane(), stopWatching()])
    },
  }
}

/** For how long the first sync waits for this node's own object, which RBAC may keep from us. */
const nodePatienceMs = 5000

/** For how long an API server may leave us without an answer before the table of an earlier run is served. */
const apiPatienceMs = 2000

interface OpenDataPlane {
  readonly dataPlane: DataPlane
  /** Rejects with the reason where there are processes that can't be started. */
  readonly started: Promise<void>
  /** This process's own; workers have theirs. */
  readonly accessLog: AccessLog | null
}

function openDataPlane(
  options: AgentOptions,
  clock: Clock,
  { facts = [], vips }: AgentContext,
): OpenDataPlane {
  const { workers, stateDir, log } = options
  const { passiveHealth, halfClosedTimeoutMs, earlyRetry, maxConnectionsPerClient, udp } = options
  const shared = { passiveHealth, halfClosedTimeoutMs, earlyRetry, maxConnectionsPerClient, udp }
  const vipNamespace = vips?.all.namespace ?? null
  if (workers === null) {
    const random = Math.random
    const engine = createNetEngine({ vipNamespace })
    const accessLog = options.accessLog
      ? openAccessLog(options.accessLog, { clock, log, random, wallClock: Date.now })
      : null
    const logged = accessLog === null ? {} : { accessLog }
    const dataPlane = new LocalDataPlane({ ...shared, ...logged, engine, clock, log, random })
    return { dataPlane, started: Promise.resolve(), accessLog }
  }
  const { count, command, ...ofWorkers } = workers
  const pool = new WorkerPool({
    workers: count,
    command,
    options: {
      ...ofWorkers,
      stateDir,
      accessLog: options.accessLog ?? null,
      dataPlane: { ...shared, vipNamespace },
    },
    // A worker that is to replace another has no time to compile what its predecessor has compiled.
    env:
      stateDir === null
        ? process.env
        : { NODE_COMPILE_CACHE: path.join(stateDir, 'compiled'), ...process.env },
    facts,
    log,
    clock,
  })
  return { dataPlane: pool, started: pool.started, accessLog: null }
}

function describeWatch(state: ListWatchState): string {
  return state.kind === 'backing-off' ? `not connected, trying again: ${state.error.message}` : state.kind
}
