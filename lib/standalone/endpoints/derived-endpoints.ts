// The Endpoints object of a Service, for clients that read nothing newer: derived from its EndpointSlices, of its first
// IP family only, as the API never had more. After the real controller, which derives it from Pods
// (pkg/controller/endpoint/endpoints_controller.go, pkg/api/v1/endpoints/util.go). Pure.

import type {
  Endpoint,
  EndpointAddress,
  EndpointPort,
  Endpoints,
  EndpointSlice,
  EndpointSubset,
  Service,
} from '../kinds/api-types.ts'
import { hasClusterIp, headlessLabel } from './endpoint-slices.ts'

export const overCapacityAnnotation = 'endpoints.kubernetes.io/over-capacity'
export const maxEndpointsAddresses = 1000

interface State {
  readonly address: EndpointAddress
  ready: boolean
}

interface PortAddresses {
  /** Undefined for the endpoints of a headless Service without ports. */
  readonly port: EndpointPort | undefined
  /** By address and Pod. */
  readonly states: Map<string, State>
}

/** What a Service's Endpoints object should say; subsets and annotations are absent where there are none. */
export function endpointsOf(service: Service, slices: readonly EndpointSlice[]): Endpoints {
  const { name = '', namespace = '', labels } = service.metadata
  const { [headlessLabel]: _, ...own } = labels ?? {}
  const ofFamily = slices.filter(isOfFirstFamily(service))
  // Without ports of its own, a headless Service has Pods to tell all the same.
  const withPorts = ofFamily.filter(({ ports }) => ports?.length || !service.spec.ports?.length)
  const { subsets, truncated } = truncate(subsetsOf(withPorts))
  return {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: {
      name,
      namespace,
      labels: {
        ...own,
        'endpoints.kubernetes.io/managed-by': 'endpoint-controller',
        ...(hasClusterIp(service.spec) ? {} : { [headlessLabel]: '' }),
      },
      ...(truncated ? { annotations: { [overCapacityAnnotation]: 'truncated' } } : {}),
    },
    ...(subsets.length > 0 ? { subsets } : {}),
  }
}

function isOfFirstFamily({ spec }: Service): (slice: EndpointSlice) => boolean {
  const family = spec.ipFamilies?.[0] ?? (spec.clusterIP?.includes(':') ? 'IPv6' : 'IPv4')
  return ({ addressType }) => addressType === family
}

/** Ports with the same addresses, in the same state, share a subset. */
function subsetsOf(slices: readonly EndpointSlice[]): readonly EndpointSubset[] {
  const byAddresses = Map.groupBy(addressesByPort(slices), ({ states }) => {
    const parts = [...states].map(([key, { ready }]) => `${key} ${ready}`)
    return parts.sort().join('\n')
  })
  return [...byAddresses.values()].map(group => {
    const states = [...(group[0]?.states ?? [])]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, state]) => state)
    const addresses = states.filter(({ ready }) => ready).map(({ address }) => address)
    const notReadyAddresses = states.filter(({ ready }) => !ready).map(({ address }) => address)
    const ports = group.flatMap(({ port }) => (port ? [port] : []))
    return {
      ...(addresses.length > 0 ? { addresses } : {}),
      ...(notReadyAddresses.length > 0 ? { notReadyAddresses } : {}),
      ...(ports.length > 0 ? { ports } : {}),
    }
  })
}

/** In the order of the ports' names and numbers. */
function addressesByPort(slices: readonly EndpointSlice[]): readonly PortAddresses[] {
  const byPort = new Map<string, PortAddresses>()
  for (const { endpoints, ports } of slices) {
    const served = ports?.length ? ports : [undefined]
    for (const port of served) {
      // A slice's port without a number means every port, which this API can't say.
      if (port && port.port === undefined) continue
      const key = portKey(port)
      const entry = byPort.get(key) ?? {
        port: port && withoutEmptyName(port),
        states: new Map<string, State>(),
      }
      for (const endpoint of endpoints ?? []) addTo(entry.states, endpoint)
      if (entry.states.size > 0) byPort.set(key, entry)
    }
  }
  return [...byPort].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry)
}

function addTo(states: Map<string, State>, endpoint: Endpoint): void {
  const { addresses = [], conditions, hostname, nodeName, targetRef } = endpoint
  const ready = conditions?.ready !== false
  // This API has no word for one that still serves while it terminates.
  if (!ready && conditions?.terminating === true) return
  for (const ip of addresses) {
    const key = `${ip} ${targetRef?.['uid'] ?? ''}`
    const found = states.get(key)
    // Where two slices disagree, the worse one counts.
    if (found) found.ready &&= ready
    else {
      const address = {
        ip,
        ...(hostname === undefined ? {} : { hostname }),
        ...(nodeName === undefined ? {} : { nodeName }),
        ...(targetRef === undefined ? {} : { targetRef }),
      }
      states.set(key, { address, ready })
    }
  }
}

function withoutEmptyName({ name, ...port }: EndpointPort): EndpointPort {
  return name ? { name, ...port } : port
}

function portKey(port: EndpointPort | undefined): string {
  if (!port) return ''
  const { name = '', protocol = 'TCP', port: number = 0, appProtocol = '' } = port
  return `${name}/${String(number).padStart(5, '0')}/${protocol}/${appProtocol}`
}

/**
 * At most 1000 addresses, ready ones first, every subset in proportion. Before this limit, Endpoints of thousands of
 * addresses were what brought API servers down.
 */
function truncate(subsets: readonly EndpointSubset[]): {
  readonly subsets: readonly EndpointSubset[]
  readonly truncated: boolean
} {
  const count = (list: 'addresses' | 'notReadyAddresses'): number =>
    subsets.reduce((sum, subset) => sum + (subset[list]?.length ?? 0), 0)
  const ready = count('addresses')
  const notReady = count('notReadyAddresses')
  if (ready + notReady <= maxEndpointsAddresses) return { subsets, truncated: false }
  const [cut, total, limit] =
    ready > maxEndpointsAddresses
      ? (['addresses', ready, maxEndpointsAddresses] as const)
      : (['notReadyAddresses', notReady, maxEndpointsAddresses - ready] as const)
  let left = limit
  const shortened = subsets.map(subset => {
    const { addresses, notReadyAddresses: _, ...rest } = subset
    const all = subset[cut] ?? []
    const part = all.slice(0, Math.min(left, Math.ceil((all.length / total) * limit)))
    left -= part.length
    const kept = cut === 'addresses' ? [part, []] : [addresses ?? [], part]
    return {
      ...(kept[0]?.length ? { addresses: kept[0] } : {}),
      ...(kept[1]?.length ? { notReadyAddresses: kept[1] } : {}),
      ...rest,
    }
  })
  return { subsets: shortened, truncated: true }
}
