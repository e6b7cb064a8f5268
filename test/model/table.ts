// A service port of the proxy table, and fast-check arbitraries for whole tables of them.

import * as fc from 'fast-check'
import { balancePolicies, defaultProxySettings } from '../../lib/model/proxy-settings.ts'
import { servicePortKey, type Frontend, type ServicePort } from '../../lib/model/proxy-table.ts'

export function servicePort(name: string, fields: Partial<ServicePort> = {}): ServicePort {
  return {
    key: servicePortKey('default', name, '', 'TCP', 'IPv4'),
    namespace: 'default',
    name,
    portName: '',
    protocol: 'TCP',
    family: 'IPv4',
    type: 'ClusterIP',
    affinityTimeoutSeconds: null,
    cluster: ['10.1.0.1:8080'],
    local: null,
    serving: ['10.1.0.1:8080'],
    unserving: [],
    settings: defaultProxySettings,
    frontends: [{ kind: 'ClusterIP', ip: '10.96.0.10', port: 80, list: 'cluster' }],
    ...fields,
  }
}

const addresses = fc.subarray(['10.1.0.1:80', '10.1.0.2:80', '10.1.0.3:80'])

const frontend: fc.Arbitrary<Frontend> = fc.record(
  {
    kind: fc.constantFrom('ClusterIP', 'NodePort', 'ExternalIP', 'LoadBalancerIP'),
    ip: fc.constantFrom('10.96.0.1', '10.96.0.2'),
    port: fc.constantFrom(80, 443),
    list: fc.constantFrom('cluster', 'local'),
    shortCircuit: fc.constant(true as const),
    sourceRanges: fc.subarray(['10.0.0.0/8', '192.168.0.1/32']),
    conflict: fc.constantFrom('default/a', 'default/b'),
  },
  { requiredKeys: ['kind', 'ip', 'port', 'list'] },
)

const anyServicePort: fc.Arbitrary<ServicePort> = fc
  .record({
    name: fc.constantFrom('a', 'b', 'c', 'd'),
    type: fc.constantFrom('ClusterIP', 'NodePort', 'LoadBalancer'),
    affinityTimeoutSeconds: fc.constantFrom(null, 10, 10_800),
    cluster: fc.option(addresses),
    local: fc.option(addresses),
    serving: addresses,
    unserving: addresses,
    settings: fc.record({
      balance: fc.constantFrom(...balancePolicies),
      proxyProtocol: fc.constantFrom(null, 'v1', 'v2'),
      maxConnections: fc.constantFrom(null, 5),
      drainTimeoutMs: fc.constantFrom(null, 1000),
      maxConnectionAgeMs: fc.constant(null),
    }),
    frontends: fc.array(frontend, { maxLength: 3 }),
  })
  .map(({ name, ...fields }) => servicePort(name, fields as Partial<ServicePort>))

export type Table = ReadonlyMap<ServicePort['key'], ServicePort>

export const anyTable: fc.Arbitrary<Table> = fc
  .uniqueArray(anyServicePort, { selector: port => port.key, maxLength: 4 })
  .map(tableOf)

export function tableOf(ports: Iterable<ServicePort>): Map<ServicePort['key'], ServicePort> {
  return new Map(Array.from(ports, port => [port.key, port]))
}
