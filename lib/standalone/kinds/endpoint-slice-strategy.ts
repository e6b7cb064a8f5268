// How EndpointSlices are written, whoever writes them: completed and checked (kubernetes
// pkg/apis/discovery/validation). Slices are large and many, so nothing here is more than linear.

import { isDeepStrictEqual } from 'node:util'
import { canonicalIp } from '../../model/address.ts'
import { asList, asString } from '../../model/fields.ts'
import type { KubeObject } from '../../model/objects.ts'
import type { Endpoint, EndpointPort, EndpointSlice } from './api-types.ts'
import { FieldErrors } from './field-errors.ts'
import { checkDnsLabel, checkDnsSubdomain, checkPublicIp } from './metadata-validation.ts'
import { domainName, labelValue, qualifiedName } from './name-formats.ts'
import { endpointSlices } from './resources.ts'
import { invalid } from './status.ts'
import type { Strategy } from './strategy.ts'

export const endpointSliceStrategy: Strategy = { prepare }

const addressTypes = ['FQDN', 'IPv4', 'IPv6']
const protocols = ['SCTP', 'TCP', 'UDP']
const maxEndpoints = 1000
const maxAddresses = 100
const maxPorts = 20_000
const maxHints = 8

function prepare(object: KubeObject, stored?: KubeObject): KubeObject {
  const slice = completed(object, stored)
  const errors = new FieldErrors()
  const addressType = asString(slice['addressType'])
  const endpoints = asList(slice['endpoints']) as readonly Endpoint[]
  const ports = asList(slice['ports']) as readonly EndpointPort[]
  if (!addressType) errors.required('addressType')
  else if (!addressTypes.includes(addressType)) errors.unsupported('addressType', addressType, addressTypes)
  if (endpoints.length > maxEndpoints) errors.tooMany('endpoints', endpoints.length, maxEndpoints)
  else endpoints.forEach((endpoint, i) => checkEndpoint(endpoint, addressType, `endpoints[${i}]`, errors))
  if (ports.length > maxPorts) errors.tooMany('ports', ports.length, maxPorts)
  else checkPorts(ports, errors)
  if (stored && stored['addressType'] !== addressType) {
    errors.invalid('addressType', addressType, 'field is immutable')
  }
  if (errors.causes.length > 0) throw invalid(endpointSlices, object.metadata.name ?? '', errors.causes)
  return slice
}

/** An empty list and none are the same, null, as on the real server. */
function completed(slice: EndpointSlice, stored: KubeObject | undefined): KubeObject {
  const { endpoints, ports } = slice
  const unchanged = endpoints && isDeepStrictEqual(endpoints, stored?.['endpoints'])
  return {
    ...slice,
    endpoints: !endpoints?.length
      ? null
      : unchanged
        ? endpoints
        : endpoints.map(endpoint => completedEndpoint(endpoint)),
    ports: ports?.length ? ports.map(port => completedPort(port)) : null,
  }
}

/** v1 knows deprecatedTopology only to show what v1beta1 has stored; what is written there is dropped. */
function completedEndpoint(endpoint: Endpoint): Endpoint {
  if (endpoint.conditions && !('deprecatedTopology' in endpoint)) return endpoint
  const { deprecatedTopology: _, ...rest } = endpoint as Endpoint & { readonly deprecatedTopology?: object }
  return { ...rest, conditions: rest.conditions ?? {} }
}

function completedPort(port: EndpointPort): EndpointPort {
  return { ...port, name: port.name ?? '', protocol: port.protocol ?? 'TCP' }
}

function checkEndpoint(
  { addresses = [], nodeName, hostname, hints }: Endpoint,
  addressType: string | undefined,
  at: string,
  errors: FieldErrors,
): void {
  if (addresses.length === 0) errors.required(`${at}.addresses`, 'must contain at least 1 address')
  if (addresses.length > maxAddresses) errors.tooMany(`${at}.addresses`, addresses.length, maxAddresses)
  addresses.forEach((address, i) => checkAddress(address, addressType, `${at}.addresses[${i}]`, errors))
  if (nodeName !== undefined) checkDnsSubdomain(nodeName, `${at}.nodeName`, errors)
  if (hostname !== undefined) checkDnsLabel(hostname, `${at}.hostname`, errors)
  for (const field of ['forZones', 'forNodes'] as const) {
    checkHints(hints?.[field] ?? [], `${at}.hints.${field}`, errors)
  }
}

function checkAddress(
  address: string,
  addressType: string | undefined,
  field: string,
  errors: FieldErrors,
): void {
  if (addressType === 'FQDN') {
    if (address === '') errors.required(field)
    else errors.invalidBy(domainName(address), field, address)
  }
  if (addressType !== 'IPv4' && addressType !== 'IPv6') return
  const canonical = canonicalIp(address)
  if (canonical === null || canonical.includes(':') !== (addressType === 'IPv6')) {
    errors.invalid(field, address, `must be a valid ${addressType} address`)
  }
  checkPublicIp(address, field, errors)
}

function checkHints(hints: readonly { readonly name?: string }[], at: string, errors: FieldErrors): void {
  if (hints.length > maxHints) {
    errors.tooMany(at, hints.length, maxHints)
    return
  }
  const names = new Set<string>()
  hints.forEach(({ name = '' }, i) => {
    if (names.has(name)) errors.duplicate(`${at}[${i}].name`, name)
    names.add(name)
    // A zone is a label's value; a node has a name.
    if (at.endsWith('forZones')) errors.invalidBy(labelValue(name), `${at}[${i}].name`, name)
    else checkDnsSubdomain(name, `${at}[${i}].name`, errors)
  })
}

function checkPorts(ports: readonly EndpointPort[], errors: FieldErrors): void {
  const names = new Set<string>()
  ports.forEach(({ name = '', protocol = '', port, appProtocol }, i) => {
    if (name !== '') checkDnsLabel(name, `ports[${i}].name`, errors)
    if (names.has(name)) errors.duplicate(`ports[${i}].name`, name)
    names.add(name)
    if (!protocols.includes(protocol)) errors.unsupported(`ports[${i}].protocol`, protocol, protocols)
    // The real server takes any number here, and leaves it to everybody who reads the slice to make out what it means.
    if (port !== undefined && (port < 1 || port > 65_535)) {
      errors.invalid(`ports[${i}].port`, port, 'must be between 1 and 65535, inclusive')
    }
    if (appProtocol !== undefined) {
      errors.invalidBy(qualifiedName(appProtocol), `ports[${i}].appProtocol`, appProtocol)
    }
  })
}
