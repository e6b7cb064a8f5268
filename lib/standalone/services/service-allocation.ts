// Gives a Service its cluster IPs and node ports. An allocation happens as a whole or not at all, and takes the new
// ones before it gives up the old ones, so that no update can leave a Service with half of what it needs.

import { canonicalIp, familyOf } from '../../model/address.ts'
import type { AddressAllocator } from './address-allocator.ts'
import type { Service, ServicePort, ServiceSpec } from '../kinds/api-types.ts'
import type { PortAllocator } from './port-allocator.ts'
import { FieldErrors } from '../kinds/field-errors.ts'
import { services } from '../kinds/resources.ts'
import { hasClusterIps, isHeadless, needsHealthCheckNodePort, needsNodePorts } from './service-defaults.ts'
import { chooseFamilies } from './service-families.ts'
import { invalid } from '../kinds/status.ts'

/** What one Service holds. */
interface Holdings {
  readonly ips: ReadonlySet<string>
  readonly ports: ReadonlySet<number>
}

export class ServiceAllocation {
  readonly #addresses: readonly AddressAllocator[]
  readonly #ports: PortAllocator

  /** At least one address allocator; the first one's family is the cluster's default. */
  constructor(addresses: readonly AddressAllocator[], ports: PortAllocator) {
    this.#addresses = addresses
    this.#ports = ports
  }

  /** The Service with all its addresses and ports. Throws 422, with nothing taken, when one can't be had. */
  allocate(service: Service, stored?: Service): Service {
    const held = holdingsOf(stored)
    const taken = { ips: new Set<string>(), ports: new Set<number>() }
    const errors = new FieldErrors()
    const families = chooseFamilies(
      service.spec,
      this.#addresses.map(allocator => allocator.family),
      errors,
    )
    const context: Context = { held, taken, errors }
    const withIps = errors.causes.length === 0 ? this.#withClusterIps(families, context) : families
    const spec = this.#withHealthCheckNodePort(this.#withNodePorts(withIps, context), context)
    if (errors.causes.length > 0) {
      this.#giveBack(taken)
      throw invalid(services, service.metadata.name ?? '', errors.causes)
    }
    const allocated = { ...service, spec }
    const kept = holdingsOf(allocated)
    this.#giveBack({ ips: without(held.ips, kept.ips), ports: without(held.ports, kept.ports) })
    return allocated
  }

  /** Gives back all that a deleted Service held. */
  release(service: Service): void {
    this.#giveBack(holdingsOf(service))
  }

  #withClusterIps(spec: ServiceSpec, { held, taken, errors }: Context): ServiceSpec {
    if (!hasClusterIps(spec)) return spec
    if (isHeadless(spec)) return { ...spec, clusterIP: 'None', clusterIPs: ['None'] }
    const asked = (spec.clusterIPs?.length ? spec.clusterIPs : spec.clusterIP ? [spec.clusterIP] : []).map(
      ip => canonicalIp(ip) ?? ip,
    )
    const ips = (spec.ipFamilies ?? []).map(family => {
      const allocator = this.#addresses.find(candidate => candidate.family === family)
      const wanted = asked.find(ip => familyOf(ip) === family)
      if (wanted !== undefined && held.ips.has(wanted)) return wanted
      const allocation = wanted === undefined ? allocator?.allocateNext() : allocator?.allocate(wanted)
      if (!allocation?.ok) {
        const what =
          wanted === undefined ? 'failed to allocate a serviceIP' : `failed to allocate IP ${wanted}`
        errors.invalid(
          'spec.clusterIPs',
          wanted === undefined ? undefined : [wanted],
          `${what}: ${allocation?.why ?? `no service CIDR of family ${family}`}`,
        )
        return ''
      }
      taken.ips.add(allocation.value)
      return allocation.value
    })
    return { ...spec, clusterIP: ips[0] ?? '', clusterIPs: ips }
  }

  #withNodePorts(spec: ServiceSpec, context: Context): ServiceSpec {
    if (!needsNodePorts(spec) || !spec.ports) return spec
    // Ports of the same number (DNS over TCP and UDP) share one nodePort, as on the real server. Those that ask for
    // a certain one come first, lest another port of this Service is given it.
    const byNumber = new Map<number | undefined, number>()
    const chosen: ServicePort[] = [...spec.ports]
    for (const asking of [true, false]) {
      spec.ports.forEach((port, i) => {
        if ((port.nodePort ?? 0) > 0 !== asking) return
        const shared = byNumber.get(port.port)
        const nodePort =
          shared !== undefined && (!asking || shared === port.nodePort)
            ? shared
            : this.#takePort(port.nodePort || undefined, `spec.ports[${i}].nodePort`, context)
        if (nodePort === undefined) return
        byNumber.set(port.port, nodePort)
        chosen[i] = { ...port, nodePort }
      })
    }
    return { ...spec, ports: chosen }
  }

  #withHealthCheckNodePort(spec: ServiceSpec, context: Context): ServiceSpec {
    if (!needsHealthCheckNodePort(spec)) return spec
    const port = this.#takePort(spec.healthCheckNodePort || undefined, 'spec.healthCheckNodePort', context)
    return port === undefined ? spec : { ...spec, healthCheckNodePort: port }
  }

  #takePort(wanted: number | undefined, field: string, { held, taken, errors }: Context): number | undefined {
    if (wanted !== undefined && held.ports.has(wanted)) return wanted
    const allocation = wanted === undefined ? this.#ports.allocateNext() : this.#ports.allocate(wanted)
    if (!allocation.ok) {
      errors.invalid(field, wanted ?? 0, allocation.why)
      return undefined
    }
    taken.ports.add(allocation.value)
    return allocation.value
  }

  #giveBack({ ips, ports }: Holdings): void {
    for (const ip of ips) this.#addresses.find(allocator => allocator.family === familyOf(ip))?.release(ip)
    for (const port of ports) this.#ports.release(port)
  }
}

interface Context {
  readonly held: Holdings
  readonly taken: { readonly ips: Set<string>; readonly ports: Set<number> }
  readonly errors: FieldErrors
}

function holdingsOf(service: Service | undefined): Holdings {
  if (!service) return { ips: new Set(), ports: new Set() }
  const { spec } = service
  const ips = hasClusterIps(spec) && !isHeadless(spec) ? (spec.clusterIPs ?? []) : []
  const ports = needsNodePorts(spec) ? (spec.ports ?? []).map(port => port.nodePort ?? 0) : []
  if (needsHealthCheckNodePort(spec)) ports.push(spec.healthCheckNodePort ?? 0)
  return { ips: new Set(ips), ports: new Set(ports.filter(port => port > 0)) }
}

function without<T>(all: ReadonlySet<T>, kept: ReadonlySet<T>): ReadonlySet<T> {
  return new Set([...all].filter(item => !kept.has(item)))
}
