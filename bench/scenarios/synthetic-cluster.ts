// Services and endpoints without pods, as many as are wanted. Some of the Services are probed: of their five endpoints
// only one is ready, so that the first connection which obeys a change is seen as such, and not one of the next four.

import type { Address } from '../../lib/model/address.ts'

export interface ClusterSize {
  readonly services: number
  readonly endpointsPerService: number
  /** How many of the services are probed, spread evenly over them. */
  readonly probed: number
  /** Of every Service, and of every endpoint. */
  readonly servicePort: number
  readonly endpointPort: number
}

/** Where ClusterIPs are: all local to every Linux machine. */
export const serviceCidr = '127.64.0.0/10'

/** The two endpoints that really answer; a probed Service has either of them. */
export const liveEndpoints = ['127.200.0.1', '127.200.0.2'] as const

const namespace = 'default'

/** The numbers of the Services that are probed. */
export function probedServices({ services, probed }: ClusterSize): readonly number[] {
  const count = Math.min(services, probed)
  return Array.from({ length: count }, (_, index) => Math.floor(((index + 1) * services) / count) - 1)
}

export function addressOf(service: number, { servicePort }: ClusterSize): Address {
  // The first address of the range is the network's own.
  const host = service + 1
  return { ip: `127.${64 + (host >> 16)}.${(host >> 8) & 255}.${host & 255}`, port: servicePort }
}

export function serviceObject(service: number, size: ClusterSize): object {
  const { ip, port } = addressOf(service, size)
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace, name: nameOf(service) },
    spec: { clusterIP: ip, ports: [{ name: 'main', port }] },
  }
}

/** `live`: which of the live endpoints the Service has; null for one that isn't probed. */
export function sliceObject(service: number, live: number | null, size: ClusterSize): object {
  const endpoints = Array.from({ length: size.endpointsPerService }, (_, index) =>
    live !== null && index === 0
      ? endpoint(liveEndpoints[live] ?? '', true)
      : endpoint(`127.${160 + index}.${(service >> 8) & 255}.${service & 255}`, live === null),
  )
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      namespace,
      name: `${nameOf(service)}-1`,
      labels: { 'kubernetes.io/service-name': nameOf(service) },
    },
    addressType: 'IPv4',
    ports: [{ name: 'main', port: size.endpointPort }],
    endpoints,
  }
}

function endpoint(ip: string, ready: boolean): object {
  return { addresses: [ip], conditions: { ready, serving: ready, terminating: false } }
}

function nameOf(service: number): string {
  return `service-${String(service).padStart(5, '0')}`
}
