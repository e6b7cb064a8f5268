// How EndpointSlices are written.

import { canonicalIp } from '../../model/address.ts'
import type { KubeObject } from '../../model/objects.ts'
import type { EndpointSlice } from './api-types.ts'
import { FieldErrors } from './field-errors.ts'
import { checkPublicIp } from './metadata-validation.ts'
import { endpointSlices } from './resources.ts'
import { invalid } from './status.ts'
import type { Strategy } from './strategy.ts'

export const endpointSliceStrategy: Strategy = { prepare }

function prepare(object: KubeObject, stored?: KubeObject): KubeObject {
  const slice = object as EndpointSlice
  const errors = new FieldErrors()
  const types = ['FQDN', 'IPv4', 'IPv6']
  if (slice.addressType === undefined) errors.required('addressType')
  else if (!types.includes(slice.addressType)) errors.unsupported('addressType', slice.addressType, types)
  const before = stored?.['addressType']
  if (before !== undefined && before !== slice.addressType) {
    errors.invalid('addressType', slice.addressType, 'field is immutable')
  }
  slice.endpoints?.forEach((endpoint, i) => checkAddresses(slice.addressType, endpoint.addresses, i, errors))
  const names = new Set<string>()
  slice.ports?.forEach((port, i) => {
    const name = port.name ?? ''
    if (names.has(name)) errors.duplicate(`ports[${i}].name`, name)
    names.add(name)
    if (port.protocol !== undefined && !['TCP', 'UDP', 'SCTP'].includes(port.protocol)) {
      errors.unsupported(`ports[${i}].protocol`, port.protocol, ['SCTP', 'TCP', 'UDP'])
    }
    if (port.port !== undefined && (port.port < 1 || port.port > 65_535)) {
      errors.invalid(`ports[${i}].port`, port.port, 'must be between 1 and 65535, inclusive')
    }
  })
  if (errors.causes.length > 0) throw invalid(endpointSlices, object.metadata.name ?? '', errors.causes)
  return {
    ...object,
    endpoints: slice.endpoints ?? [],
    ...(slice.ports
      ? {
          ports: slice.ports.map(port => ({
            ...port,
            name: port.name ?? '',
            protocol: port.protocol ?? 'TCP',
          })),
        }
      : {}),
  }
}

function checkAddresses(
  addressType: string | undefined,
  addresses: readonly string[] | undefined,
  i: number,
  errors: FieldErrors,
): void {
  if (!addresses?.length) errors.required(`endpoints[${i}].addresses`, 'must contain at least 1 address')
  if (addressType !== 'IPv4' && addressType !== 'IPv6') return
  addresses?.forEach((address, j) => {
    const field = `endpoints[${i}].addresses[${j}]`
    const canonical = canonicalIp(address)
    if (canonical === null || canonical.includes(':') !== (addressType === 'IPv6')) {
      errors.invalid(field, address, `must be a valid ${addressType} address`)
    } else {
      checkPublicIp(address, field, errors)
    }
  })
}
