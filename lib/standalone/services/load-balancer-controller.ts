// Gives LoadBalancer Services their addresses from the pool, as a cloud's controller would: in status.loadBalancer, one
// for each family that both the Service and the pool have. It follows the store synchronously: whoever has written a
// Service finds its address there. A Service for which there is none stays pending, says so in an Event, and gets one
// when one comes free.

import { isDeepStrictEqual } from 'node:util'
import { canonicalIp, familyOf, type IpFamily } from '../../model/address.ts'
import { reasonOf } from '../../model/error.ts'
import { objectKey } from '../../model/objects.ts'
import type { Log } from '../../ops/log.ts'
import type { LoadBalancerIngress, Service } from '../kinds/api-types.ts'
import { events, services } from '../kinds/resources.ts'
import type { Registry } from '../store/registry.ts'
import type { StoreEvent } from '../store/store.ts'
import type { LoadBalancerPool } from './load-balancer-pool.ts'

/** A Service may name it in spec.loadBalancerClass; one that names no class is served as well. */
export const poolClass = 'kube-relay/pool'

const component = 'kube-relay-load-balancer'

export interface LoadBalancerControllerOptions {
  readonly registry: Registry
  readonly pool: LoadBalancerPool
  readonly log: Log
  /** Wall-clock time of events. */
  readonly wallTime?: () => Date
}

/** Starts the controller: Services that have an address of the pool keep it. Ends when `close` is called. */
export function startLoadBalancerController(options: LoadBalancerControllerOptions): { close(): void } {
  const controller = new LoadBalancerController(options)
  const { store } = options.registry
  const { items, resourceVersion } = store.list(services)
  controller.start(items as readonly Service[])
  return { close: store.watch(services, resourceVersion, event => controller.onEvent(event)) }
}

type Addresses = Map<IpFamily, string>

class LoadBalancerController {
  readonly #options: LoadBalancerControllerOptions
  /** By "namespace/name": what each Service holds. */
  readonly #held = new Map<string, Addresses>()
  /** Why a Service has less than it should, the one that waits longest first. */
  readonly #problems = new Map<string, string>()

  constructor(options: LoadBalancerControllerOptions) {
    this.#options = options
  }

  start(known: readonly Service[]): void {
    const createdAt = (service: Service): string => service.metadata.creationTimestamp ?? ''
    const oldestFirst = known.toSorted((a, b) => (createdAt(a) < createdAt(b) ? -1 : 1))
    // Those that have an address keep it, before anyone else is given it.
    for (const service of oldestFirst) if (isServed(service)) this.#adopt(service)
    for (const service of oldestFirst) this.#reconcile(service)
  }

  onEvent({ object }: StoreEvent): void {
    const key = objectKey(object)
    // The event may be about a state that has already passed.
    const freed = this.#reconcileStored(key)
    if (freed) for (const waiting of this.#problems.keys()) this.#reconcileStored(waiting)
  }

  #reconcileStored(key: string): boolean {
    const service = this.#options.registry.store.get(services, key)
    return service ? this.#reconcile(service as Service) : this.#release(key)
  }

  #adopt(service: Service): void {
    const held: Addresses = new Map()
    for (const { ip } of service.status?.loadBalancer?.ingress ?? []) {
      const address = canonicalIp(ip)
      if (address === null || held.has(familyOf(address))) continue
      if (this.#options.pool.allocate(address).ok) held.set(familyOf(address), address)
    }
    if (held.size > 0) this.#held.set(objectKey(service), held)
  }

  /** Makes what a Service holds, and its status, be as its spec says. Whether an address has come free. */
  #reconcile(service: Service): boolean {
    const key = objectKey(service)
    if (!isServed(service)) return this.#release(key)
    const { pool } = this.#options
    const asked =
      service.spec.loadBalancerIP === undefined ? undefined : canonicalIp(service.spec.loadBalancerIP)
    const families = familiesOf(service).filter(family => pool.has(family))
    const held = this.#held.get(key) ?? new Map<IpFamily, string>()
    this.#held.set(key, held)
    let freed = false
    for (const [family, ip] of held) {
      const isOther = asked !== undefined && (asked === null || familyOf(asked) === family) && asked !== ip
      if (families.includes(family) && !isOther) continue
      held.delete(family)
      pool.release(ip)
      freed = true
    }
    const problem = this.#takeMissing(service, asked, families, held)
    this.#writeStatus(
      service,
      families.flatMap(family => held.get(family) ?? []),
    )
    this.#tell(service, problem)
    return freed
  }

  /** What is in the way of giving the Service all that it should have; undefined if nothing is. */
  #takeMissing(
    { spec }: Service,
    asked: string | null | undefined,
    families: readonly IpFamily[],
    held: Addresses,
  ): string | undefined {
    const { pool } = this.#options
    const field = `spec.loadBalancerIP ${spec.loadBalancerIP} can't be had`
    if (asked === null) return `${field}: it is no IP address; correct it, or leave it out`
    if (families.length === 0) {
      const own = spec.ipFamilies?.join(' and ') ?? ''
      return `the load balancer pool (${String(pool)}) has no ${own} addresses; add a range to --load-balancer-pool`
    }
    if (asked !== undefined && !families.includes(familyOf(asked))) {
      return `${field}: it is ${familyOf(asked)}, and the Service gets ${families.join(' and ')}; ask for another one`
    }
    const problems = families.flatMap(family => {
      if (held.has(family)) return []
      const isAsked = asked !== undefined && familyOf(asked) === family
      const allocation = isAsked ? pool.allocate(asked) : pool.allocateNext(family)
      if (allocation.ok) {
        held.set(family, allocation.value)
        return []
      }
      if (isAsked) return [`${field}: ${allocation.why}; ask for another one, or leave the field out`]
      return [`${allocation.why}; the Service gets the next one that comes free`]
    })
    return problems.length === 0 ? undefined : problems.join('; ')
  }

  #release(key: string): boolean {
    const held = this.#held.get(key)
    for (const ip of held?.values() ?? []) this.#options.pool.release(ip)
    this.#held.delete(key)
    this.#problems.delete(key)
    return held !== undefined && held.size > 0
  }

  #writeStatus(service: Service, ips: readonly string[]): void {
    const ingress: readonly LoadBalancerIngress[] = ips.map(ip => ({ ip, ipMode: 'VIP' }))
    if (isDeepStrictEqual(service.status?.loadBalancer?.ingress ?? [], ingress)) return
    const loadBalancer = ingress.length === 0 ? {} : { ingress }
    const { resourceVersion: _, ...metadata } = service.metadata
    try {
      this.#options.registry.updateStatus(services, {
        ...service,
        metadata,
        status: { ...service.status, loadBalancer },
      })
    } catch (error) {
      const key = objectKey(service)
      const text = `the load balancer address of Service ${key} can't be written: ${reasonOf(error)}`
      this.#options.log.error({ err: error }, text)
    }
  }

  /** Logs and records what has changed about a Service's problem, once. */
  #tell(service: Service, problem: string | undefined): void {
    const key = objectKey(service)
    const before = this.#problems.get(key)
    if (problem === undefined) this.#problems.delete(key)
    else this.#problems.set(key, problem)
    if (problem === undefined || problem === before) return
    const { registry, log, wallTime = () => new Date() } = this.#options
    log.warn({ service: key }, `no load balancer address: ${problem}`)
    const { namespace = '', name = '', uid = '', resourceVersion = '' } = service.metadata
    const now = `${wallTime().toISOString().slice(0, 19)}Z`
    try {
      registry.create(events, {
        apiVersion: 'v1',
        kind: 'Event',
        metadata: { namespace, generateName: `${name}.` },
        involvedObject: { apiVersion: 'v1', kind: 'Service', namespace, name, uid, resourceVersion },
        type: 'Warning',
        reason: 'SyncLoadBalancerFailed',
        message: problem,
        source: { component },
        reportingComponent: component,
        firstTimestamp: now,
        lastTimestamp: now,
        count: 1,
      })
    } catch (error) {
      log.debug({ err: error, service: key }, `an event can't be recorded: ${reasonOf(error)}`)
    }
  }
}

function isServed({ spec }: Service): boolean {
  const { type, loadBalancerClass = poolClass } = spec
  return type === 'LoadBalancer' && loadBalancerClass === poolClass
}

function familiesOf({ spec }: Service): readonly IpFamily[] {
  return (spec.ipFamilies ?? []).filter(family => family === 'IPv4' || family === 'IPv6')
}
