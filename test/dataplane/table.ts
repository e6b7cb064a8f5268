// Builders for tables as the control side sends them. What a test doesn't name has a plain default.

import { familyOf, parseAddress } from '../../lib/model/address.ts'
import { defaultProxySettings } from '../../lib/model/proxy-settings.ts'
import {
  servicePortKey,
  type Frontend,
  type ServicePort,
  type ServicePortKey,
  type TableUpdate,
} from '../../lib/model/proxy-table.ts'

/** A frontend at "ip:port". */
export function frontendAt(address: string, overrides: Partial<Frontend> = {}): Frontend {
  return { kind: 'ClusterIP', ...parseAddress(address), list: 'cluster', ...overrides }
}

/** A TCP service port with one frontend; every endpoint is eligible and serves. */
export function tcpService(
  frontend: string,
  endpoints: readonly string[],
  overrides: Partial<ServicePort> = {},
): ServicePort {
  const name = overrides.name ?? 'web'
  const protocol = overrides.protocol ?? 'TCP'
  const family = familyOf(parseAddress(frontend).ip)
  return {
    key: servicePortKey('default', name, '', protocol, family),
    namespace: 'default',
    name,
    portName: '',
    protocol,
    family,
    type: 'ClusterIP',
    affinityTimeoutSeconds: null,
    cluster: endpoints,
    local: null,
    serving: endpoints,
    unserving: [],
    settings: defaultProxySettings,
    frontends: [frontendAt(frontend)],
    ...overrides,
  }
}

export function udpService(
  frontend: string,
  endpoints: readonly string[],
  overrides: Partial<ServicePort> = {},
): ServicePort {
  return tcpService(frontend, endpoints, { name: 'dns', protocol: 'UDP', ...overrides })
}

export function snapshot(generation: number, ...servicePorts: readonly ServicePort[]): TableUpdate {
  return { type: 'snapshot', generation, localSources: [], servicePorts }
}

export function delta(
  generation: number,
  changed: readonly ServicePort[],
  removed: readonly ServicePortKey[] = [],
): TableUpdate {
  return { type: 'delta', generation, localSources: [], changed, removed }
}
