// Short forms of the objects and paths that the script's chapters write.

export const namespace = 'diff'
export const namespacePath = `/api/v1/namespaces/${namespace}`
export const services = `${namespacePath}/services`
export const pods = `${namespacePath}/pods`
export const events = `${namespacePath}/events`
export const slices = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`

export interface Metadata {
  readonly labels?: Readonly<Record<string, unknown>>
  readonly annotations?: Readonly<Record<string, unknown>>
  readonly [key: string]: unknown
}

export function service(name: string, spec: object, metadata: Metadata = {}): object {
  return { apiVersion: 'v1', kind: 'Service', metadata: { name, ...metadata }, spec }
}

/** A Service with one port, 80, and what `spec` adds. */
export function web(name: string, spec: object = {}, metadata: Metadata = {}): object {
  return service(name, { ports: [{ port: 80 }], ...spec }, metadata)
}

/** An EndpointSlice with one IPv4 address, and what `fields` adds or replaces. */
export function slice(name: string, fields: object = {}, metadata: Metadata = {}): object {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name, ...metadata },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['10.244.1.10'] }],
    ports: [{ name: 'http', port: 80 }],
    ...fields,
  }
}

export function pod(name: string, spec: object = {}, metadata: Metadata = {}): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, ...metadata },
    spec: { containers: [{ name: 'main', image: 'example/web' }], ...spec },
  }
}

export function node(name: string, fields: object = {}, metadata: Metadata = {}): object {
  return { apiVersion: 'v1', kind: 'Node', metadata: { name, ...metadata }, ...fields }
}

/** A core event about Service "web". */
export function event(name: string, fields: object = {}): object {
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name, namespace },
    involvedObject: { kind: 'Service', namespace, name: 'web', apiVersion: 'v1' },
    reason: 'Tested',
    message: 'it was tested',
    source: { component: 'differential' },
    firstTimestamp: '2026-01-02T03:04:05Z',
    lastTimestamp: '2026-01-02T03:04:05Z',
    count: 1,
    type: 'Normal',
    ...fields,
  }
}
