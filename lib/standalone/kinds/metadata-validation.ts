// The rules for names, labels and addresses that all kinds share, with the real API server's messages (apimachinery
// pkg/util/validation).

import ipaddr from 'ipaddr.js'
import { canonicalIp } from '../../model/address.ts'
import type { ObjectMeta } from '../../model/objects.ts'
import type { FieldErrors } from './field-errors.ts'
import { namespaces, services, type ResourceType } from './resources.ts'
import { isLabelName, isLabelValue } from './selectors.ts'

const dnsLabel = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/
const dnsSubdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/
const ipText = 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'

/** Checks name, labels and annotations of an object about to be created. */
export function checkMetadata(type: ResourceType, metadata: ObjectMeta, errors: FieldErrors): void {
  const { name } = metadata
  if (!name) errors.required('metadata.name', 'name or generateName is required')
  else if (type === services) checkDns1035Label(name, 'metadata.name', errors)
  else if (type === namespaces) checkDnsLabel(name, 'metadata.name', errors)
  else checkDnsSubdomain(name, 'metadata.name', errors)
  checkLabelMap(metadata.labels ?? {}, 'metadata.labels', errors)
  for (const key of Object.keys(metadata.annotations ?? {})) {
    // Annotation keys may be upper-case in their prefix.
    if (!isLabelName(key.toLowerCase()))
      errors.invalid('metadata.annotations', key, 'name part must be a label name')
  }
}

export function checkLabelMap(
  labels: Readonly<Record<string, string>>,
  field: string,
  errors: FieldErrors,
): void {
  for (const [key, value] of Object.entries(labels)) {
    if (!isLabelName(key)) {
      errors.invalid(field, key, "name part must consist of alphanumeric characters, '-', '_' or '.'")
    }
    if (!isLabelValue(value)) {
      errors.invalid(
        field,
        value,
        "a valid label must be an empty string or at most 63 alphanumeric characters, '-', '_' or '.'",
      )
    }
  }
}

export function checkDnsLabel(text: string, field: string, errors: FieldErrors): void {
  if (text.length > 63 || !dnsLabel.test(text)) {
    errors.invalid(
      field,
      text,
      "a lowercase RFC 1123 label must consist of at most 63 lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
    )
  }
}

export function checkDnsSubdomain(text: string, field: string, errors: FieldErrors): void {
  if (text.length > 253 || !dnsSubdomain.test(text)) {
    errors.invalid(
      field,
      text,
      "a lowercase RFC 1123 subdomain must consist of at most 253 lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
    )
  }
}

/** Service names: a DNS label that starts with a letter. */
function checkDns1035Label(text: string, field: string, errors: FieldErrors): void {
  if (text.length > 63 || !dnsLabel.test(text) || !/^[a-z]/.test(text)) {
    errors.invalid(
      field,
      text,
      "a DNS-1035 label must consist of at most 63 lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
    )
  }
}

/** An address that could belong to some host: not unspecified, multicast or link-local. */
export function checkPublicIp(text: string, field: string, errors: FieldErrors): void {
  const ip = canonicalIp(text)
  if (ip === null) {
    errors.invalid(field, text, ipText)
    return
  }
  // The real server refuses loopback as well; here whole clusters live on it.
  const range: string = ipaddr.parse(ip).range()
  if (range === 'unspecified') errors.invalid(field, text, `may not be unspecified (${ip})`)
  if (range === 'multicast') errors.invalid(field, text, 'may not be in the multicast range')
  if (range === 'linkLocal') errors.invalid(field, text, 'may not be in the link-local range')
}

export function checkCidr(text: string, field: string, errors: FieldErrors): void {
  const [, ip, bits] = /^([^/]+)\/(\d{1,3})$/.exec(text) ?? []
  const base = canonicalIp(ip)
  if (base === null || Number(bits) > (base.includes(':') ? 128 : 32)) {
    errors.invalid(field, text, 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)')
  }
}
