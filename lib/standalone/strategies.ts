// What each kind adds to the writes that all kinds share: defaults, validation and, for Services, allocation. A
// strategy changes nothing but its own allocations, and those only if it doesn't throw.

import { isDeepStrictEqual } from 'node:util'
import { canonicalIp } from '../model/address.ts'
import type { KubeObject } from '../model/objects.ts'
import type { EndpointSlice, Pod, Service } from './api-types.ts'
import { FieldErrors } from './field-errors.ts'
import { endpointSlices, pods, services, type ResourceType } from './resources.ts'
import type { ServiceAllocation } from './service-allocation.ts'
import { withServiceDefaults, withStoredAllocations } from './service-defaults.ts'
import { validateService } from './service-validation.ts'
import { invalid } from './status.ts'
import { checkPublicIp } from './metadata-validation.ts'

export interface Strategy {
  /** Completes and checks an object to create, or to put in `stored`'s place. Throws a StatusError. */
  readonly prepare: (object: KubeObject, stored?: KubeObject) => KubeObject
  /** The object is gone from the store. */
  readonly released?: (object: KubeObject) => void
  /** The status that a new object starts with; what its author wrote there is ignored, as on the real server. */
  readonly initialStatus?: Readonly<Record<string, unknown>>
}

export function strategiesFor(allocation: ServiceAllocation): (type: ResourceType) => Strategy {
  const strategies = new Map<string, Strategy>([
    ['Service', serviceStrategy(allocation)],
    ['EndpointSlice', { prepare: prepareEndpointSlice }],
    ['Pod', { prepare: preparePod, initialStatus: { phase: 'Pending' } }],
    ['Namespace', { prepare: object => ({ ...object, status: { phase: 'Active' } }) }],
  ])
  const plain: Strategy = { prepare: object => object }
  return type => strategies.get(type.kind) ?? plain
}

function serviceStrategy(allocation: ServiceAllocation): Strategy {
  return {
    initialStatus: { loadBalancer: {} },
    prepare(object, stored) {
      const given: Service = { ...object, spec: (object['spec'] as Service['spec'] | undefined) ?? {} }
      const before = stored as Service | undefined
      const completed = withServiceDefaults(before ? withStoredAllocations(given, before) : given)
      const causes = validateService(completed)
      if (causes.length > 0) throw invalid(services, completed.metadata.name ?? '', causes)
      if (before) checkImmutable(completed, before)
      return allocation.allocate(completed, before)
    },
    released: object => allocation.release(object as Service),
  }
}

/** A Service keeps its first cluster IP for as long as its type has one. */
function checkImmutable(service: Service, stored: Service): void {
  const was = stored.spec.clusterIP
  const is = service.spec.clusterIPs?.[0] ?? service.spec.clusterIP
  if (service.spec.type === 'ExternalName' || stored.spec.type === 'ExternalName' || !was || is === was)
    return
  if (is !== undefined && canonicalIp(is) === was) return
  const errors = new FieldErrors()
  errors.invalid('spec.clusterIPs[0]', service.spec.clusterIPs ?? [is], 'may not change once set')
  throw invalid(services, service.metadata.name ?? '', errors.causes)
}

/** A Pod stays on its node, and its spec but for the images is settled once it exists. */
function preparePod(object: KubeObject, stored?: KubeObject): KubeObject {
  if (!stored) return object
  const before = (stored as Pod).spec
  const given = (object as Pod).spec
  const nodeName = given?.nodeName ?? before?.nodeName
  const spec = { ...given, ...(nodeName === undefined ? {} : { nodeName }) }
  const settled = { ...withoutImages(spec), nodeName: before?.nodeName ?? nodeName }
  if (!isDeepStrictEqual(settled, { ...withoutImages(before), nodeName: before?.nodeName ?? nodeName })) {
    const errors = new FieldErrors()
    errors.forbidden('spec', 'pod updates may not change fields other than `spec.containers[*].image`')
    throw invalid(pods, object.metadata.name ?? '', errors.causes)
  }
  return { ...object, spec }
}

function withoutImages(spec: Pod['spec']): Pod['spec'] {
  return { ...spec, containers: (spec?.containers ?? []).map(container => ({ ...container, image: '' })) }
}

function prepareEndpointSlice(object: KubeObject, stored?: KubeObject): KubeObject {
  const slice = object as EndpointSlice
  const errors = new FieldErrors()
  const types = ['FQDN', 'IPv4', 'IPv6']
  if (slice.addressType === undefined) errors.required('addressType')
  else if (!types.includes(slice.addressType)) errors.unsupported('addressType', slice.addressType, types)
  const before = stored?.['addressType']
  if (before !== undefined && before !== slice.addressType) {
    errors.invalid('addressType', slice.addressType, 'field is immutable')
  }
  slice.endpoints?.forEach((endpoint, i) => checkAddresses(slice.addressType, endpoint.addresses, i, errors))
  const names = new Set<string>()
  slice.ports?.forEach((port, i) => {
    const name = port.name ?? ''
    if (names.has(name)) errors.duplicate(`ports[${i}].name`, name)
    names.add(name)
    if (port.protocol !== undefined && !['TCP', 'UDP', 'SCTP'].includes(port.protocol)) {
      errors.unsupported(`ports[${i}].protocol`, port.protocol, ['SCTP', 'TCP', 'UDP'])
    }
    if (port.port !== undefined && (port.port < 1 || port.port > 65_535)) {
      errors.invalid(`ports[${i}].port`, port.port, 'must be between 1 and 65535, inclusive')
    }
  })
  if (errors.causes.length > 0) throw invalid(endpointSlices, object.metadata.name ?? '', errors.causes)
  return {
    ...object,
    endpoints: slice.endpoints ?? [],
    ...(slice.ports
      ? {
          ports: slice.ports.map(port => ({
            ...port,
            name: port.name ?? '',
            protocol: port.protocol ?? 'TCP',
          })),
        }
      : {}),
  }
}

function checkAddresses(
  addressType: string | undefined,
  addresses: readonly string[] | undefined,
  i: number,
  errors: FieldErrors,
): void {
  if (!addresses?.length) errors.required(`endpoints[${i}].addresses`, 'must contain at least 1 address')
  if (addressType !== 'IPv4' && addressType !== 'IPv6') return
  addresses?.forEach((address, j) => {
    const field = `endpoints[${i}].addresses[${j}]`
    const canonical = canonicalIp(address)
    if (canonical === null || canonical.includes(':') !== (addressType === 'IPv6')) {
      errors.invalid(field, address, `must be a valid ${addressType} address`)
    } else {
      checkPublicIp(address, field, errors)
    }
  })
}
