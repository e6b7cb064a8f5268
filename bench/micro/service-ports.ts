// Service ports as the table has them, for the micro-benchmarks: one for each number, with its ClusterIP and as many
// endpoints as are wanted.

import { defaultProxySettings, type BalancePolicy } from '../../lib/model/proxy-settings.ts'
import { servicePortKey, type ServicePort, type ServicePortKey } from '../../lib/model/proxy-table.ts'

export interface PortOptions {
  readonly endpoints: number
  /** One more than that, the same in each Service; null: none. */
  readonly extraEndpoint?: string | null
  readonly balance?: BalancePolicy
  readonly affinityTimeoutSeconds?: number | null
}

export function servicePort(number: number, options: PortOptions): ServicePort {
  const { endpoints, extraEndpoint = null, balance = 'round-robin', affinityTimeoutSeconds = null } = options
  const name = `svc-${number}`
  const addresses = Array.from(
    { length: endpoints },
    (_, index) => `10.${index >> 8}.${index & 255}.${number & 255}:8080`,
  )
  const serving = [...addresses, ...(extraEndpoint === null ? [] : [extraEndpoint])].toSorted()
  return {
    key: servicePortKey('bench', name, 'http', 'TCP', 'IPv4'),
    namespace: 'bench',
    name,
    portName: 'http',
    protocol: 'TCP',
    family: 'IPv4',
    type: 'ClusterIP',
    affinityTimeoutSeconds,
    cluster: serving,
    local: null,
    serving,
    unserving: [],
    settings: { ...defaultProxySettings, balance },
    frontends: [{ kind: 'ClusterIP', ip: `10.96.${number >> 8}.${number & 255}`, port: 80, list: 'cluster' }],
  }
}

export function tableOf(ports: readonly ServicePort[]): Map<ServicePortKey, ServicePort> {
  return new Map(ports.map(port => [port.key, port]))
}
