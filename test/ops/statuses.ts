// Status documents for tests: one Service with one frontend that listens; a test overrides what it is about.

import { noDialTimes } from '../../lib/ops/dial-times.ts'
import {
  noRestarts,
  type ConnectionCounts,
  type ServiceStatus,
  type StatusDocument,
  type WorkerStatus,
} from '../../lib/ops/status.ts'

export function connections(counts: Partial<ConnectionCounts> = {}): ConnectionCounts {
  return {
    active: 0,
    total: 0,
    bytesIn: 0,
    bytesOut: 0,
    dialRetries: 0,
    dialFailures: 0,
    failures: {},
    ...counts,
  }
}

export function servicePort(
  fields: Partial<ServiceStatus> = {},
  counts: Partial<ConnectionCounts> = {},
): ServiceStatus {
  return {
    namespace: 'default',
    name: 'web',
    portName: '',
    protocol: 'TCP',
    type: 'ClusterIP',
    sessionAffinity: 'None',
    endpoints: { cluster: ['10.1.0.1:8080'], local: null },
    setAside: [],
    frontends: [{ kind: 'ClusterIP', address: '10.96.0.10:80', state: 'listening' }],
    connections: connections(counts),
    ...fields,
  }
}

export function worker(fields: Partial<WorkerStatus> = {}): WorkerStatus {
  return {
    index: 0,
    pid: 1,
    draining: false,
    responding: true,
    engine: 'net',
    generation: 7,
    activeConnections: 3,
    udpFlows: 2,
    descriptors: { used: 6, limit: 900, accepting: true },
    dialTimes: noDialTimes,
    ...fields,
  }
}

export function statusDocument(fields: Partial<StatusDocument> = {}): StatusDocument {
  return {
    node: 'node-1',
    generation: 7,
    source: 'apiserver',
    synced: true,
    watches: { services: 'watching' },
    services: [servicePort()],
    workers: [worker()],
    workerRestarts: noRestarts,
    dialTimes: noDialTimes,
    ...fields,
  }
}
