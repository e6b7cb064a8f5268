// Closer looks for tests: one Service with one endpoint, and what becomes of a connection to it; a test overrides what
// it is about.

import { defaultProxySettings } from '../../lib/model/proxy-settings.ts'
import { explainedEndpoint, type Explanation } from '../../lib/ops/explanation.ts'
import type { EndpointDetail } from '../../lib/ops/endpoint-detail.ts'
import type { ServiceDetail } from '../../lib/ops/service-detail.ts'
import { servicePort } from './statuses.ts'

export function endpointDetail(fields: Partial<EndpointDetail> = {}): EndpointDetail {
  return {
    address: '10.1.0.1:8080',
    node: 'node-1',
    zone: 'zone-a',
    conditions: { ready: true, serving: true, terminating: false },
    nodeHints: [],
    zoneHints: [],
    refusal: null,
    cluster: 'eligible',
    local: 'unused',
    connections: { active: 0, total: 0, bytesIn: 0, bytesOut: 0, failures: { refused: 0, timeout: 0 } },
    setAsideUntil: null,
    ...fields,
  }
}

export function serviceDetail(fields: Partial<ServiceDetail> = {}): ServiceDetail {
  return {
    node: 'node-1',
    generation: 7,
    synced: true,
    namespace: 'default',
    name: 'web',
    type: 'ClusterIP',
    settings: {
      ...defaultProxySettings,
      internalTrafficPolicy: 'Cluster',
      externalTrafficPolicy: null,
      affinityTimeoutSeconds: null,
      sourceRanges: null,
      maxConnectionsPerClient: null,
    },
    annotations: {},
    problems: [],
    ports: [{ ...servicePort(), endpointDetails: [endpointDetail()] }],
    ...fields,
  }
}

export function explanation(fields: Partial<Explanation> = {}): Explanation {
  return {
    node: 'node-1',
    generation: 7,
    synced: true,
    address: '10.96.0.10:80',
    protocol: 'TCP',
    client: null,
    outcome: 'proxied',
    summary: 'goes to default/web, 1 eligible endpoint',
    frontend: {
      kind: 'ClusterIP',
      address: '10.96.0.10:80',
      state: 'listening',
      service: 'default/web',
      portName: '',
      type: 'ClusterIP',
      sourceRanges: null,
    },
    rivals: [],
    list: { name: 'cluster', why: 'internalTrafficPolicy is Cluster: endpoints on every node' },
    endpoints: [explainedEndpoint(endpointDetail(), 'cluster')],
    choice: 'round-robin over 1',
    affinity: null,
    nearest: [],
    ...fields,
  }
}
