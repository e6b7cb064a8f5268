// The embedded control plane as a whole: store, registry, endpoint slices and HTTP API, made to fit each other. This
// is what `kube-relay dev`, `run --manifests` and the tests start.

import type { IpFamily } from '../model/address.ts'
import { RelayError } from '../model/error.ts'
import { objectKey, type KubeObject } from '../model/objects.ts'
import { systemClock, type Clock } from '../ops/clock.ts'
import type { Log } from '../ops/log.ts'
import { AddressAllocator } from './services/address-allocator.ts'
import { startApiServer, type ApiServer } from './api/api-server.ts'
import { startEndpointSliceController } from './endpoints/endpoint-slice-controller.ts'
import { startEventExpiry } from './events/event-expiry.ts'
import { startLoadBalancerController } from './services/load-balancer-controller.ts'
import { LoadBalancerPool } from './services/load-balancer-pool.ts'
import { PortAllocator, type PortRange } from './services/port-allocator.ts'
import { Registry, type Applied, type Deletion } from './store/registry.ts'
import {
  apiVersionOf,
  namespaces,
  nodes,
  resourceOfKind,
  resourceTypes,
  type ResourceType,
} from './kinds/resources.ts'
import { restoreObjects } from './restore.ts'
import { ServiceAllocation } from './services/service-allocation.ts'
import { badRequest } from './kinds/status.ts'
import { openDataFile, type DataFile } from './store/data-file.ts'
import { Store } from './store/store.ts'
import { nodeObject } from './node-object.ts'
import { strategiesFor } from './strategies.ts'
import type { WatchLimits } from './api/watch-stream.ts'

export interface ControlPlaneOptions extends Partial<WatchLimits> {
  readonly host: string
  /** 0 for a free one. */
  readonly port: number
  /** One or two CIDRs, of different families; the first one's family is the default. */
  readonly serviceCidrs: readonly string[]
  readonly nodePortRange?: PortRange
  /** CIDRs from which LoadBalancer Services get their address; none: they stay pending. */
  readonly loadBalancerPool?: readonly string[]
  /** Where objects are kept over restarts; null or absent: they live as long as this process. */
  readonly dataFile?: string | null
  /** Creates a ready Node of this name, with `nodeAddresses` as its internal IPs. */
  readonly nodeName?: string
  readonly nodeAddresses?: readonly string[]
  /** Of this program: what that Node says it runs. */
  readonly programVersion?: string
  /** Events kept for each resource. */
  readonly historyLimit?: number
  readonly log: Log
  readonly clock?: Clock
}

export interface ControlPlane {
  /** "http://127.0.0.1:PORT", without a slash at the end. */
  readonly url: string
  readonly port: number
  /** Direct access: no checks, no defaults. `store.compact()` forces 410s. */
  readonly store: Store
  /** Checked writes, as over HTTP. */
  readonly registry: Registry
  /** The uids of the Pods that something here runs: a deletion gives those time to end, and waits for it. */
  readonly runningPods: Set<string>
  /** Creates an object, or makes it be as given, status included. */
  readonly apply: (object: unknown) => Applied
  /** Deletes an object by its apiVersion, kind, namespace (default "default") and name. Throws 404. */
  readonly delete: (object: KubeObject) => Deletion
  /** Resolves once the endpoint slices reflect all that was written before. */
  readonly settled: () => Promise<void>
  /** Ends all watches: as a restart of the server, a broken network, or (with "expired") a compaction would. */
  readonly dropWatches: (how: Parameters<ApiServer['dropWatches']>[0]) => void
  /** Stops everything. May be called twice. */
  readonly close: () => Promise<void>
}

/**
 * Starts a control plane. Throws INVALID_CONFIG for unusable CIDRs or an unusable data file, and ADDRESS when it can't
 * listen.
 */
export async function startControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const { dataFile: path, log } = options
  const dataFile = path === null || path === undefined ? null : await openDataFile(path, { log })
  try {
    return await startWith(options, dataFile)
  } catch (error) {
    await dataFile?.close()
    throw error
  }
}

async function startWith(options: ControlPlaneOptions, dataFile: DataFile | null): Promise<ControlPlane> {
  const { log, nodeName, nodeAddresses = ['127.0.0.1'], nodePortRange, historyLimit } = options
  const store = new Store({
    // A later life must not reuse an earlier one's versions; without a file, the clock is what comes after it.
    firstResourceVersion: dataFile?.firstResourceVersion ?? Date.now(),
    ...(dataFile === null ? {} : { journal: dataFile }),
    ...(historyLimit === undefined ? {} : { historyLimit }),
  })
  const addresses = addressAllocators(options.serviceCidrs)
  const pool = new LoadBalancerPool(options.loadBalancerPool ?? [], addresses)
  const allocation = new ServiceAllocation({
    addresses,
    ports: new PortAllocator(nodePortRange),
    onProblem: problem => log.warn(problem),
  })
  const runningPods = new Set<string>()
  const strategyOf = strategiesFor(allocation, runningPods)
  const registry = new Registry({ store, strategyOf })
  restoreObjects(store, dataFile?.restored ?? [], strategyOf)
  registry.resumeDeletions()
  for (const name of ['default', 'kube-system']) {
    if (!store.get(namespaces, name)) registry.create(namespaces, { metadata: { name } })
  }
  if (nodeName !== undefined) {
    const { programVersion = '' } = options
    const node = { name: nodeName, addresses: nodeAddresses, programVersion, now: new Date() }
    announceNode(registry, nodeObject(node))
  }
  const loadBalancers = pool.isEmpty ? null : startLoadBalancerController({ registry, pool, log })
  const server = await startApiServer({ ...options, registry })
  const controller = startEndpointSliceController({ registry, log })
  const stopEventExpiry = startEventExpiry({ store, clock: options.clock ?? systemClock })
  return {
    url: server.url,
    port: server.port,
    store,
    registry,
    runningPods,
    apply: object => registry.apply(object),
    delete(object) {
      const type = typeOf(object)
      const { namespace = type.namespaced ? 'default' : '', name = '' } = object.metadata
      return registry.delete(type, { namespace, name })
    },
    settled: () => controller.settled(),
    dropWatches: how => server.dropWatches(how),
    async close() {
      stopEventExpiry()
      controller.close()
      loadBalancers?.close()
      await server.close()
      await dataFile?.close()
    },
  }
}

/** A node that is known from an earlier life keeps what others wrote to it, and gets a new status. */
function announceNode(registry: Registry, node: KubeObject): void {
  const known = registry.store.get(nodes, objectKey(node))
  registry.apply(known ? { ...known, status: node['status'] } : node)
}

function addressAllocators(cidrs: readonly string[]): readonly AddressAllocator[] {
  const allocators = cidrs.map(cidr => new AddressAllocator(cidr))
  const families = new Set<IpFamily>(allocators.map(allocator => allocator.family))
  if (allocators.length === 0 || families.size !== allocators.length) {
    throw new RelayError(
      'INVALID_CONFIG',
      `service CIDRs "${cidrs.join(',')}": give one, or one of each IP family`,
    )
  }
  return allocators
}

function typeOf(object: KubeObject): ResourceType {
  const type = resourceOfKind(object.apiVersion ?? '', object.kind ?? '')
  if (type) return type
  const known = resourceTypes.map(candidate => `${apiVersionOf(candidate)} ${candidate.kind}`).join(', ')
  throw badRequest(
    `no resource for apiVersion "${object.apiVersion}" and kind "${object.kind}"; there are ${known}`,
  )
}
