// What a question about the cluster's domain is answered, by the Kubernetes DNS specification
// (github.com/kubernetes/dns, docs/specification.md); where that leaves a choice, as CoreDNS answers. A name that
// exists without records of the asked type is an empty answer, one that doesn't exist NXDOMAIN.

import { randomInt } from 'node:crypto'
import { canonicalIp, familyOf } from '../../model/address.ts'
import { classIn, rcodes, recordTypes, type DnsRecord, type Question, type Reply } from './dns-message.ts'
import type { NamedPort, NamedService, ServiceNames } from './service-names.ts'

export interface Zone {
  answer(question: Question): Reply
}

export interface ZoneOptions {
  readonly names: ServiceNames
  /** "cluster.local" */
  readonly domain: string
  /** Where the server itself is. */
  readonly ip: string
  /** A random whole number from 0 up to, and without, `limit`. */
  readonly pick?: (limit: number) => number
}

/** CoreDNS' default, for what is there and for what isn't. */
export const ttlSeconds = 5
/** Of the specification that is followed. */
const specificationVersion = '1.1.0'
/** An ExternalName may name another Service, which may be one, too. */
const maxAliases = 8

/** What is at a name: its records, none where it only leads to others. */
type Records = readonly DnsRecord[]

/**
 * Answers from the index as it is at each question. Which of several records comes first is left to chance: counting
 * would give a client that asks for A and AAAA in turn the same one each time.
 */
export function createZone({ names, domain, ip, pick = size => randomInt(size) }: ZoneOptions): Zone {
  const suffix = domain.split('.')
  const serverName = `ns.dns.${domain}`

  /** The labels before the cluster's domain, or null for a name that isn't in it. */
  const withinDomain = (labels: readonly string[]): readonly string[] | null => {
    const start = labels.length - suffix.length
    return start >= 0 && suffix.every((label, i) => labels[start + i] === label)
      ? labels.slice(0, start)
      : null
  }
  const soa = (): DnsRecord => ({
    name: domain,
    type: 'SOA',
    ttl: ttlSeconds,
    data: {
      mname: serverName,
      rname: `hostmaster.${domain}`,
      serial: names.version % 2 ** 32,
      refresh: 7200,
      retry: 1800,
      expire: 86_400,
      minimum: ttlSeconds,
    },
  })
  const nameServer = (): DnsRecord => ({ name: domain, type: 'NS', ttl: ttlSeconds, data: serverName })

  /** All records of a name in the domain; null if there is no such name. */
  const lookUp = (path: readonly string[]): Records | null => {
    const name = [...path, domain].join('.')
    const [top, ...below] = path.toReversed()
    switch (top) {
      case undefined:
        return [soa(), nameServer()]
      case 'dns-version':
        return below.length > 0
          ? null
          : [{ name, type: 'TXT', ttl: ttlSeconds, data: [specificationVersion] }]
      case 'dns':
        if (below.length === 0) return []
        return below.length === 1 && below[0] === 'ns' ? [addressRecord(name, ip)] : null
      case 'svc':
        return lookUpService(name, below)
      case 'pod':
        return lookUpPod(name, below)
      default:
        return null
    }
  }
  const lookUpService = (name: string, path: readonly string[]): Records | null => {
    const [namespace, serviceName, ...rest] = path
    if (namespace === undefined) return []
    if (serviceName === undefined) return names.hasNamespace(namespace) ? [] : null
    const service = names.service(namespace, serviceName)
    if (service === undefined || rest.length > 2) return null
    const [below, portLabel] = rest
    if (below === undefined) return recordsOf(name, service)
    if (below.startsWith('_')) {
      return lookUpPort(name, `${serviceName}.${namespace}.svc.${domain}`, service, below, portLabel)
    }
    if (portLabel !== undefined || service.kind !== 'headless') return null
    return service.byHostname.get(below)?.map(endpoint => addressRecord(name, endpoint.ip)) ?? null
  }
  const lookUpPort = (
    name: string,
    serviceName: string,
    service: NamedService,
    protocolLabel: string,
    portLabel: string | undefined,
  ): Records | null => {
    const matches = (port: NamedPort): boolean =>
      `_${port.protocol}` === protocolLabel && (portLabel === undefined || `_${port.name}` === portLabel)
    const targets =
      service.kind === 'cluster-ip'
        ? service.ports.filter(matches).map(({ port }) => ({ port, target: serviceName }))
        : service.kind === 'headless'
          ? service.endpoints.flatMap(({ hostname, ports }) =>
              ports.filter(matches).map(({ port }) => ({ port, target: `${hostname}.${serviceName}` })),
            )
          : []
    if (targets.length === 0) return null
    if (portLabel === undefined) return []
    // An endpoint with an address of each family is one target.
    const unique = [...new Map(targets.map(entry => [`${entry.target} ${entry.port}`, entry])).values()]
    const weight = Math.max(1, Math.floor(100 / unique.length))
    return unique.map(({ target, port }) => ({
      name,
      type: 'SRV',
      ttl: ttlSeconds,
      data: { priority: 0, weight, port, target },
    }))
  }
  const lookUpPod = (name: string, [namespace, dashed, ...rest]: readonly string[]): Records | null => {
    if (namespace === undefined) return []
    if (dashed === undefined) return names.hasNamespace(namespace) ? [] : null
    const podIp = canonicalIp(dashed.replaceAll('-', '.')) ?? canonicalIp(dashed.replaceAll('-', ':'))
    if (podIp === null || rest.length > 0 || !names.hasPod(namespace, podIp)) return null
    return [addressRecord(name, podIp)]
  }

  const answerInDomain = (path: readonly string[], question: Question): Reply => {
    const records = lookUp(path)
    if (records === null) return negative(rcodes.NXDOMAIN, [soa()])
    const answers = rotated(answersTo(records, question.type), pick)
    // A Service elsewhere in the domain can be followed; what else an alias leads to, others know.
    for (let hops = 0; hops < maxAliases; hops++) {
      const last = answers.at(-1)
      if (last?.type !== 'CNAME' || question.type === recordTypes.CNAME) break
      const target = withinDomain(last.data.split('.'))
      if (target === null) break
      const more = answersTo(lookUp(target) ?? [], question.type)
      if (more.length === 0 || more.some(record => answers.some(known => known.name === record.name))) break
      answers.push(...rotated(more, pick))
    }
    if (answers.length === 0) return negative(rcodes.NOERROR, [soa()])
    const additionals = [...new Set(answers.flatMap(targetOf))].flatMap(target => {
      const within = withinDomain(target.split('.'))
      const found = within === null ? null : lookUp(within)
      return (found ?? []).filter(({ type }) => type === 'A' || type === 'AAAA')
    })
    return { rcode: rcodes.NOERROR, authoritative: true, answers, additionals }
  }

  return {
    answer(question) {
      const { labels, type } = question
      const isTransfer = type === recordTypes.AXFR || type === recordTypes.IXFR
      if (question.class !== classIn || isTransfer) return foreign(rcodes.REFUSED)
      const path = withinDomain(labels)
      if (path !== null) return answerInDomain(path, question)
      const reversed = ipOfReverseName(labels)
      const found = reversed === null ? [] : names.namesOf(reversed)
      if (found.length === 0) return foreign(rcodes.NXDOMAIN)
      const pointers = found.map((name): DnsRecord => ({
        name: labels.join('.'),
        type: 'PTR',
        ttl: ttlSeconds,
        data: `${name}.${domain}`,
      }))
      // Without an SOA where there are none: the reverse zone as a whole isn't this server's.
      return {
        rcode: rcodes.NOERROR,
        authoritative: true,
        answers: rotated(answersTo(pointers, type), pick),
      }
    },
  }
}

function recordsOf(name: string, service: NamedService): Records {
  if (service.kind === 'external') {
    return isHostName(service.target) ? [{ name, type: 'CNAME', ttl: ttlSeconds, data: service.target }] : []
  }
  const ips = service.kind === 'cluster-ip' ? service.ips : service.endpoints.map(({ ip }) => ip)
  return [...new Set(ips)].map(ip => addressRecord(name, ip))
}

/** What of a name's records answers a question for a type; an alias answers every question (RFC 1034, 3.6.2). */
function answersTo(records: Records, type: number): Records {
  if (type === recordTypes.ANY) {
    // Asking for everything is asking for something (RFC 8482): an answer that is worth no attacker's while.
    const [record] = records
    return record === undefined
      ? []
      : [{ name: record.name, type: 'HINFO', ttl: ttlSeconds, data: { cpu: 'RFC8482', os: '' } }]
  }
  return records.filter(record => record.type === 'CNAME' || recordTypes[record.type] === type)
}

function rotated(records: Records, pick: (limit: number) => number): DnsRecord[] {
  if (records.length < 2) return [...records]
  const start = pick(records.length)
  return [...records.slice(start), ...records.slice(0, start)]
}

function targetOf(record: DnsRecord): readonly string[] {
  if (record.type === 'SRV') return [record.data.target]
  return record.type === 'NS' ? [record.data] : []
}

function addressRecord(name: string, ip: string): DnsRecord {
  return { name, type: familyOf(ip) === 'IPv4' ? 'A' : 'AAAA', ttl: ttlSeconds, data: ip }
}

function negative(rcode: Reply['rcode'], authorities: Records): Reply {
  return { rcode, authoritative: true, answers: [], authorities }
}

/** About a name that is none of this server's business. */
function foreign(rcode: Reply['rcode']): Reply {
  return { rcode, authoritative: false, answers: [] }
}

/** The address that a name under in-addr.arpa or ip6.arpa stands for. */
export function ipOfReverseName(labels: readonly string[]): string | null {
  const parts = labels.slice(0, -2).toReversed()
  const [family, top] = labels.slice(-2)
  if (top !== 'arpa') return null
  if (family === 'in-addr') return parts.length === 4 ? canonicalIp(parts.join('.')) : null
  if (family !== 'ip6' || parts.length !== 32 || !parts.every(part => /^[0-9a-f]$/.test(part))) return null
  return canonicalIp(parts.join('').replace(/.{4}(?!$)/g, '$&:'))
}

function isHostName(text: string): boolean {
  return text.length <= 253 && text.split('.').every(label => /^[a-z0-9_-]{1,63}$/.test(label))
}
