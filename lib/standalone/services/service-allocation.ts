// Gives a Service its cluster IPs and node ports, in two steps: a claim takes what is new, and is then kept (which gives
// up what is no longer needed) or given back. So no update can leave a Service with half of what it needs, and a dry run
// is a claim given back. After the real server's pkg/registry/core/service/storage/alloc.go.

import { canonicalIp } from '../../model/address.ts'
import { objectKey } from '../../model/objects.ts'
import type { Service, ServicePort, ServiceSpec } from '../kinds/api-types.ts'
import { FieldErrors } from '../kinds/field-errors.ts'
import { services } from '../kinds/resources.ts'
import { internalError, invalid, type StatusError } from '../kinds/status.ts'
import type { AddressAllocator } from './address-allocator.ts'
import type { PortAllocator } from './port-allocator.ts'
import {
  hasClusterIps,
  isHeadless,
  mayHaveNodePorts,
  needsHealthCheckNodePort,
  needsNodePorts,
} from './service-defaults.ts'
import { chooseFamilies, keepsPreferredStack, type ClusterFamilies } from './service-families.ts'

export interface Claim {
  /** The Service with all its addresses and ports. */
  readonly service: Service
  /** The claim is the Service's for good, and what `kept` doesn't have any more of `stored`'s is free. */
  keep(kept: Service): void
  /** Nothing has been taken. */
  giveBack(): void
}

export interface ServiceAllocationOptions {
  /** At least one; the first one's family is the cluster's default. */
  readonly addresses: readonly AddressAllocator[]
  readonly ports: PortAllocator
  /** Told of what a Service of an earlier life has and can't have again. */
  readonly onProblem?: (problem: string) => void
}

/** A canonical IP, or a port. */
type Holding = string | number

export class ServiceAllocation {
  readonly #addresses: readonly AddressAllocator[]
  readonly #families: ClusterFamilies
  readonly #ports: PortAllocator
  readonly #onProblem: (problem: string) => void
  /** The Service that holds it, by "namespace/name". */
  readonly #owners = new Map<Holding, string>()

  constructor({ addresses, ports, onProblem = () => {} }: ServiceAllocationOptions) {
    const [first, ...others] = addresses.map(allocator => allocator.family)
    if (first === undefined) throw new TypeError('a cluster has at least one service CIDR')
    this.#addresses = addresses
    this.#families = [first, ...others]
    this.#ports = ports
    this.#onProblem = onProblem
  }

  /** Takes what a Service needs beyond what `stored` has. Throws a StatusError, with nothing taken, if it can't. */
  claim(service: Service, stored?: Service): Claim {
    const taken: Holding[] = []
    const giveBack = (): void => {
      for (const holding of taken.splice(0)) this.#free(holding)
    }
    try {
      const context: Context = { name: service.metadata.name ?? '', stored: stored?.spec, taken }
      const errors = new FieldErrors()
      const withFamilies = chooseFamilies(service.spec, stored?.spec, this.#families, errors)
      if (errors.causes.length > 0) throw invalid(services, context.name, errors.causes)
      const withIps = this.#withClusterIps(withFamilies, context)
      const withPorts = this.#withNodePorts(withIps, context)
      const claimed = { ...service, spec: this.#withHealthCheckNodePort(withPorts, context) }
      return { service: claimed, keep: kept => this.#keep(kept, stored, taken.splice(0)), giveBack }
    } catch (error) {
      giveBack()
      throw error
    }
  }

  /** Gives back all that a deleted Service held. */
  release(service: Service): void {
    const key = objectKey(service)
    for (const holding of holdingsOf(service.spec)) {
      if (this.#owners.get(holding) === key) this.#free(holding)
    }
  }

  /** Takes what a Service of an earlier life has. What another one has, or no range holds any more, is a problem. */
  adopt(service: Service): void {
    const key = objectKey(service)
    for (const holding of holdingsOf(service.spec)) {
      const owner = this.#owners.get(holding)
      if (owner === key) continue
      const allocation = owner === undefined ? this.#take(holding) : undefined
      if (allocation?.ok) this.#owners.set(holding, key)
      else {
        const why = allocation?.why ?? `Service ${owner} has it`
        this.#onProblem(`Service ${key} keeps ${holding}, which it can't hold: ${why}; write it anew without`)
      }
    }
  }

  #keep(kept: Service, stored: Service | undefined, taken: readonly Holding[]): void {
    const key = objectKey(kept)
    const now = holdingsOf(kept.spec)
    for (const holding of taken) this.#owners.set(holding, key)
    for (const holding of stored ? holdingsOf(stored.spec) : []) {
      if (!now.has(holding) && this.#owners.get(holding) === key) this.#free(holding)
    }
  }

  #withClusterIps(spec: ServiceSpec, context: Context): ServiceSpec {
    const { stored, taken } = context
    if (!hasClusterIps(spec) || isHeadless(spec) || keepsPreferredStack(spec, stored)) return spec
    // Once a Service has addresses, only a second one may be added. Any other change is for validation to refuse.
    const had = stored && hasClusterIps(stored) ? stored : undefined
    if (had && (isHeadless(had) || had.ipFamilies?.length !== 1 || spec.ipFamilies?.length !== 2)) return spec
    const clusterIPs = (spec.ipFamilies ?? []).map((family, i) => {
      const asked = spec.clusterIPs?.[i]
      if (had && i === 0) return asked ?? ''
      const allocator = this.#addresses.find(candidate => candidate.family === family)
      const allocation = asked === undefined ? allocator?.allocateNext() : allocator?.allocate(asked)
      const why = allocation?.ok === false ? allocation.why : `there is no service CIDR of family ${family}`
      if (!allocation?.ok) {
        if (asked === undefined) throw internalError(`failed to allocate a serviceIP: ${why}`)
        throw this.#refused(
          context,
          'spec.clusterIPs',
          spec.clusterIPs,
          `failed to allocate IP ${asked}: ${why}`,
        )
      }
      taken.push(allocation.value)
      return asked ?? allocation.value
    })
    return { ...spec, clusterIP: clusterIPs[0] ?? '', clusterIPs }
  }

  #withNodePorts(spec: ServiceSpec, context: Context): ServiceSpec {
    if (!spec.ports || !mayHaveNodePorts(spec)) return spec
    return { ...spec, ports: context.stored ? this.#updated(spec, context) : this.#created(spec, context) }
  }

  /** Ports of the same number (DNS over TCP and UDP) share one nodePort, unless they ask for different ones. */
  #created(spec: ServiceSpec, context: Context): readonly ServicePort[] {
    const ports = spec.ports ?? []
    const first = new Map<number | undefined, number | undefined>()
    for (const { port, nodePort } of ports) if (!first.get(port)) first.set(port, nodePort)
    const asked = ports.map(
      ({ port, nodePort }) => nodePort ?? (needsNodePorts(spec) ? first.get(port) : undefined),
    )
    // Those that ask come first, lest another port of this Service is given what they ask for.
    const shared = new Set<string>()
    asked.forEach((nodePort, i) => {
      const key = `${ports[i]?.port}:${nodePort}`
      if (nodePort === undefined || shared.has(key)) return
      shared.add(key)
      this.#takePort(nodePort, `spec.ports[${i}].nodePort`, context)
    })
    const given = new Map<number | undefined, number>()
    return ports.map((port, i) => {
      if (asked[i] !== undefined) return { ...port, nodePort: asked[i] }
      if (!needsNodePorts(spec)) return port
      const nodePort = given.get(port.port) ?? this.#takeAnyPort('a nodePort', context)
      given.set(port.port, nodePort)
      return { ...port, nodePort }
    })
  }

  #updated(spec: ServiceSpec, context: Context): readonly ServicePort[] {
    const ports = spec.ports ?? []
    const had = new Set(context.stored?.ports?.map(port => port.nodePort))
    ports.forEach(({ nodePort }, i) => {
      if (nodePort === undefined || had.has(nodePort)) return
      had.add(nodePort)
      this.#takePort(nodePort, `spec.ports[${i}].nodePort`, context)
    })
    return ports.map(port => {
      if (port.nodePort !== undefined || !needsNodePorts(spec)) return port
      return { ...port, nodePort: this.#takeAnyPort('a nodePort', context) }
    })
  }

  #withHealthCheckNodePort(spec: ServiceSpec, context: Context): ServiceSpec {
    const { stored, taken } = context
    if (!needsHealthCheckNodePort(spec) || (stored && needsHealthCheckNodePort(stored))) return spec
    const asked = spec.healthCheckNodePort
    if (asked === undefined) {
      return { ...spec, healthCheckNodePort: this.#takeAnyPort('a HealthCheck NodePort', context) }
    }
    const allocation = this.#ports.allocate(asked)
    // The real server's own words and code, though the request is at fault.
    if (!allocation.ok) {
      throw internalError(`failed to allocate requested HealthCheck NodePort ${asked}: ${allocation.why}`)
    }
    taken.push(asked)
    return spec
  }

  #takePort(nodePort: number, field: string, context: Context): void {
    const allocation = this.#ports.allocate(nodePort)
    if (!allocation.ok) throw this.#refused(context, field, nodePort, allocation.why)
    context.taken.push(nodePort)
  }

  #takeAnyPort(what: string, { taken }: Context): number {
    const allocation = this.#ports.allocateNext()
    if (!allocation.ok) throw internalError(`failed to allocate ${what}: ${allocation.why}`)
    taken.push(allocation.value)
    return allocation.value
  }

  #refused({ name }: Context, field: string, value: unknown, why: string): StatusError {
    const errors = new FieldErrors()
    errors.invalid(field, value, why)
    return invalid(services, name, errors.causes)
  }

  #take(holding: Holding): { readonly ok: true } | { readonly ok: false; readonly why: string } {
    if (typeof holding === 'number') return this.#ports.allocate(holding)
    const family = this.#addresses.find(allocator => allocator.contains(holding))
    return family?.allocate(holding) ?? { ok: false, why: 'no service CIDR has it' }
  }

  #free(holding: Holding): void {
    this.#owners.delete(holding)
    if (typeof holding === 'number') this.#ports.release(holding)
    else for (const allocator of this.#addresses) allocator.release(holding)
  }
}

interface Context {
  readonly name: string
  readonly stored: ServiceSpec | undefined
  /** What this claim has taken so far. */
  readonly taken: Holding[]
}

function holdingsOf(spec: ServiceSpec): ReadonlySet<Holding> {
  const ips = hasClusterIps(spec) ? (spec.clusterIPs ?? []).map(ip => canonicalIp(ip)) : []
  const ports = mayHaveNodePorts(spec) ? (spec.ports ?? []).map(port => port.nodePort) : []
  if (needsHealthCheckNodePort(spec)) ports.push(spec.healthCheckNodePort)
  return new Set([...ips.filter(ip => ip !== null), ...ports.filter(port => port !== undefined)])
}
