// Whether a value that was JSON on disk is a service port as the data plane needs it. A checksum only tells that a
// file is as it was written; this tells that it was written by a program that meant the same by it.

import { canonicalIp, familyOf, isPort, parseAddress } from './address.ts'
import { readCidr } from './cidr.ts'
import { describe } from './fields.ts'
import { balancePolicies, type ProxySettings } from './proxy-settings.ts'
import { servicePortKey, type Frontend, type HealthCheckedService, type ServicePort } from './proxy-table.ts'

type Check = (value: unknown) => boolean
/** One check for each property, the optional ones included: the compiler asks for what is added to the type. */
type Checks<T> = { readonly [Property in keyof Required<T>]: Check }

const isText: Check = value => typeof value === 'string' && value !== ''
const isMaybeText: Check = value => typeof value === 'string'
const isTrue: Check = value => value === true
const isCount: Check = value => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
const isTimeout: Check = value => typeof value === 'number' && Number.isFinite(value) && value > 0
const isIp: Check = value => typeof value === 'string' && canonicalIp(value) === value
const isCidr: Check = value => readCidr(value)?.text === value
const oneOf =
  (...values: readonly unknown[]): Check =>
  value =>
    values.includes(value)
const orNull =
  (check: Check): Check =>
  value =>
    value === null || check(value)
const listOf =
  (check: Check): Check =>
  value =>
    Array.isArray(value) && value.every(check)

const isEndpoint: Check = value => {
  if (typeof value !== 'string') return false
  try {
    return parseAddress(value).port > 0
  } catch {
    return false
  }
}

const settings: Checks<ProxySettings> = {
  balance: oneOf(...balancePolicies),
  proxyProtocol: oneOf(null, 'v1', 'v2'),
  maxConnections: orNull(value => isCount(value) && value !== 0),
  drainTimeoutMs: orNull(isTimeout),
  maxConnectionAgeMs: orNull(isTimeout),
}

const frontend: Checks<Frontend> = {
  kind: oneOf('ClusterIP', 'NodePort', 'ExternalIP', 'LoadBalancerIP'),
  ip: isIp,
  port: isPort,
  list: oneOf('cluster', 'local'),
  shortCircuit: isTrue,
  sourceRanges: listOf(isCidr),
  vip: isTrue,
  conflict: isText,
}
const optionalInFrontend = ['shortCircuit', 'sourceRanges', 'vip', 'conflict']

const servicePort: Checks<ServicePort> = {
  key: isText,
  namespace: isText,
  name: isText,
  portName: isMaybeText,
  protocol: oneOf('TCP', 'UDP'),
  family: oneOf('IPv4', 'IPv6'),
  type: oneOf('ClusterIP', 'NodePort', 'LoadBalancer'),
  affinityTimeoutSeconds: orNull(value => isCount(value) && value !== 0),
  cluster: orNull(listOf(isEndpoint)),
  local: orNull(listOf(isEndpoint)),
  serving: listOf(isEndpoint),
  unserving: listOf(isEndpoint),
  settings: value => problemIn(settings, value) === null,
  frontends: listOf(value => problemIn(frontend, value, optionalInFrontend) === null),
}

const healthChecked: Checks<HealthCheckedService> = {
  namespace: isText,
  name: isText,
  uid: isMaybeText,
  port: isPort,
  localEndpoints: isCount,
}

/** Why the value isn't a service port, in a few words; null if it is one. */
export function servicePortProblem(value: unknown): string | null {
  const problem = problemIn(servicePort, value)
  if (problem !== null) return problem
  const port = value as ServicePort
  const { namespace, name, portName, protocol, family, cluster, local, serving, unserving } = port
  if (port.key !== servicePortKey(namespace, name, portName, protocol, family)) return 'key names another'
  const endpoints = [cluster ?? [], local ?? [], serving, unserving].flat()
  if (endpoints.some(each => each.startsWith('[') !== (family === 'IPv6')))
    return `endpoints aren't ${family}`
  if (port.frontends.some(each => familyOf(each.ip) !== family)) return `frontends aren't ${family}`
  const used = port.frontends.flatMap(({ list, shortCircuit }) =>
    shortCircuit ? [list, 'cluster' as const] : [list],
  )
  const missing = used.find(list => port[list] === null)
  return missing === undefined ? null : `${missing} is null, but a frontend takes its connections from it`
}

/** The same for what a health check node port answers. */
export function healthCheckedProblem(value: unknown): string | null {
  return problemIn(healthChecked, value)
}

function problemIn<T>(checks: Checks<T>, value: unknown, optional: readonly string[] = []): string | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return describe(value)
  const found = value as Readonly<Record<string, unknown>>
  const known = Object.entries<Check>(checks)
  const surplus = Object.keys(found).find(key => !Object.hasOwn(checks, key))
  if (surplus !== undefined) return `unknown field ${describe(surplus)}`
  const bad = known.find(([key, check]) =>
    Object.hasOwn(found, key) ? !check(found[key]) : !optional.includes(key),
  )
  return bad === undefined ? null : `${bad[0]} is ${describe(found[bad[0]])}`
}
