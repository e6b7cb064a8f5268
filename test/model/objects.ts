// API objects as an API server sends them, each valid on its own; a test overrides what it is about.

import type { KubeObject } from '../../lib/model/objects.ts'

type Fields = Readonly<Record<string, unknown>>

export function service(spec: Fields = {}, metadata: Fields = {}, status: Fields = {}): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      namespace: 'default',
      name: 'web',
      creationTimestamp: '2026-01-01T00:00:00Z',
      ...metadata,
    },
    spec: {
      type: 'ClusterIP',
      clusterIP: '10.96.0.10',
      clusterIPs: ['10.96.0.10'],
      ipFamilies: ['IPv4'],
      sessionAffinity: 'None',
      internalTrafficPolicy: 'Cluster',
      ports: [{ name: '', protocol: 'TCP', port: 80, targetPort: 8080 }],
      ...spec,
    },
    status: { loadBalancer: {}, ...status },
  }
}

/** A slice of the Service "web" with one TCP port without a name, 8080. */
export function endpointSlice(fields: Fields = {}, metadata: Fields = {}): KubeObject {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      namespace: 'default',
      name: 'web-1',
      labels: { 'kubernetes.io/service-name': 'web' },
      ...metadata,
    },
    addressType: 'IPv4',
    ports: [{ name: '', protocol: 'TCP', port: 8080 }],
    endpoints: [endpoint()],
    ...fields,
  }
}

/** A ready endpoint of a slice, at 10.1.0.1. */
export function endpoint(fields: Fields = {}): Fields {
  return {
    addresses: ['10.1.0.1'],
    conditions: { ready: true, serving: true, terminating: false },
    nodeName: 'node-1',
    ...fields,
  }
}

export function node(metadata: Fields = {}, status: Fields = {}, spec: Fields = {}): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'node-1', labels: { 'topology.kubernetes.io/zone': 'zone-a' }, ...metadata },
    spec,
    status: { addresses: [{ type: 'InternalIP', address: '192.168.0.1' }], ...status },
  }
}
