import { test } from 'tap'
import type { KubeObject } from '../../../lib/model/objects.ts'
import { endpointSlices, namespaces, pods, services } from '../../../lib/standalone/kinds/resources.ts'
import { rcodes, recordTypes, type DnsRecord } from '../../../lib/standalone/dns/dns-message.ts'
import { followServiceNames } from '../../../lib/standalone/dns/service-names.ts'
import { createZone, ipOfReverseName } from '../../../lib/standalone/dns/zone.ts'
import { Store } from '../../../lib/standalone/store/store.ts'

const inDefault = (name: string, rest: Record<string, unknown>): KubeObject => ({
  metadata: { name, namespace: 'default' },
  ...rest,
})

const sliceOf = (service: string, name: string, rest: Record<string, unknown>): KubeObject => ({
  metadata: { name, namespace: 'default', labels: { 'kubernetes.io/service-name': service } },
  addressType: 'IPv4',
  ports: [{ name: 'db', protocol: 'TCP', port: 5432 }],
  ...rest,
})

/** A zone over a store with one of everything. */
function exampleZone() {
  const store = new Store()
  for (const name of ['default', 'other']) store.create(namespaces, { metadata: { name } })
  store.create(
    services,
    inDefault('web', {
      spec: {
        type: 'ClusterIP',
        clusterIP: '127.96.0.5',
        clusterIPs: ['127.96.0.5', 'fd00:96::5'],
        ports: [
          { name: 'http', protocol: 'TCP', port: 80 },
          { name: 'DNS', protocol: 'UDP', port: 53 },
        ],
      },
    }),
  )
  store.create(
    services,
    inDefault('plain', { spec: { clusterIP: '127.96.0.6', ports: [{ protocol: 'TCP', port: 80 }] } }),
  )
  const external = (name: string, externalName: string): void => {
    store.create(services, inDefault(name, { spec: { type: 'ExternalName', externalName } }))
  }
  external('far', 'www.Example.com.')
  external('alias', 'web.default.svc.cluster.local')
  external('alias-of-alias', 'alias.default.svc.cluster.local')
  external('loop', 'loop.default.svc.cluster.local')
  external('nowhere', 'none.default.svc.cluster.local')
  external('unusable', 'a..b')
  store.create(
    services,
    inDefault('db', { spec: { clusterIP: 'None', ports: [{ name: 'db', port: 5432 }] } }),
  )
  store.create(services, inDefault('empty', { spec: { clusterIP: 'None' } }))
  store.create(services, inDefault('eager', { spec: { clusterIP: 'None', publishNotReadyAddresses: true } }))
  store.create(
    endpointSlices,
    sliceOf('db', 'db-1', {
      endpoints: [
        { addresses: ['10.0.0.1'], hostname: 'db-0', conditions: { ready: true } },
        { addresses: ['10.0.0.2'], hostname: 'Db-1', conditions: {} },
        { addresses: ['10.0.0.3'], hostname: 'db-2', conditions: { ready: false } },
        { addresses: ['10.0.0.4'] },
        { addresses: ['not an address'] },
        {},
      ],
    }),
  )
  store.create(
    endpointSlices,
    sliceOf('db', 'db-2', {
      addressType: 'IPv6',
      endpoints: [{ addresses: ['fd00::1'], hostname: 'db-0', conditions: { ready: true } }],
    }),
  )
  store.create(
    endpointSlices,
    sliceOf('eager', 'eager-1', { endpoints: [{ addresses: ['10.0.0.9'], conditions: { ready: false } }] }),
  )
  store.create(endpointSlices, sliceOf('web', 'web-1', { endpoints: [{ addresses: ['10.0.0.8'] }] }))
  store.create(pods, inDefault('pod', { status: { podIP: '10.1.0.7', podIPs: [{ ip: 'fd01::7' }] } }))
  const names = followServiceNames(store)
  const zone = createZone({ names, domain: 'cluster.local', ip: '127.0.0.1', pick: () => 0 })
  const ask = (name: string, type: keyof typeof recordTypes = 'A', asClass = 1) =>
    zone.answer({ labels: name === '' ? [] : name.split('.'), type: recordTypes[type], class: asClass })
  return { store, names, zone, ask }
}

/** "A 10.0.0.1", "SRV 0 100 80 web…": what stands behind the name in dig's output. */
function text(record: DnsRecord): string {
  const { type, data } = record
  switch (type) {
    case 'SRV':
      return `SRV ${data.priority} ${data.weight} ${data.port} ${data.target}`
    case 'SOA':
      return `SOA ${data.mname}`
    case 'HINFO':
      return `HINFO ${data.cpu}`
    case 'TXT':
      return `TXT ${String(data)}`
    default:
      return `${type} ${data}`
  }
}

const svc = '.default.svc.cluster.local'

void test('what names are answered', async t => {
  const { ask } = exampleZone()
  const soa = 'SOA ns.dns.cluster.local'
  type Case = readonly [
    name: string,
    type: keyof typeof recordTypes,
    answers: readonly string[] | 'none' | 'no name',
  ]
  const cases: readonly Case[] = [
    [`web${svc}`, 'A', ['A 127.96.0.5']],
    [`web${svc}`, 'AAAA', ['AAAA fd00:96::5']],
    [`web${svc}`, 'TXT', 'none'],
    [`web${svc}`, 'SRV', 'none'],
    [`web${svc}`, 'ANY', ['HINFO RFC8482']],
    [`plain${svc}`, 'AAAA', 'none'],
    [`none${svc}`, 'A', 'no name'],
    ['web.other.svc.cluster.local', 'A', 'no name'],
    ['web.none.svc.cluster.local', 'A', 'no name'],
    [`_http._tcp.web${svc}`, 'SRV', [`SRV 0 100 80 web${svc}`]],
    [`_dns._udp.web${svc}`, 'SRV', [`SRV 0 100 53 web${svc}`]],
    [`_http._udp.web${svc}`, 'SRV', 'no name'],
    [`_http._tcp.web${svc}`, 'A', 'none'],
    [`_tcp.web${svc}`, 'SRV', 'none'],
    [`_sctp.web${svc}`, 'SRV', 'no name'],
    [`_tcp.plain${svc}`, 'SRV', 'no name'],
    [`_x._http._tcp.web${svc}`, 'SRV', 'no name'],
    [`10-0-0-8.web${svc}`, 'A', 'no name'],
    [`db${svc}`, 'A', ['A 10.0.0.1', 'A 10.0.0.2', 'A 10.0.0.4']],
    [`db${svc}`, 'AAAA', ['AAAA fd00::1']],
    [`db-0.db${svc}`, 'A', ['A 10.0.0.1']],
    [`db-0.db${svc}`, 'AAAA', ['AAAA fd00::1']],
    [`db-1.db${svc}`, 'A', ['A 10.0.0.2']],
    [`db-2.db${svc}`, 'A', 'no name'],
    [`10-0-0-4.db${svc}`, 'A', ['A 10.0.0.4']],
    [`10-0-0-1.db${svc}`, 'A', 'no name'],
    [`a.db-0.db${svc}`, 'A', 'no name'],
    [
      `_db._tcp.db${svc}`,
      'SRV',
      [`db-0.db${svc}`, `db-1.db${svc}`, `10-0-0-4.db${svc}`].map(target => `SRV 0 33 5432 ${target}`),
    ],
    [`empty${svc}`, 'A', 'none'],
    [`eager${svc}`, 'A', ['A 10.0.0.9']],
    [`far${svc}`, 'A', ['CNAME www.example.com']],
    [`far${svc}`, 'CNAME', ['CNAME www.example.com']],
    [`alias${svc}`, 'A', [`CNAME web${svc}`, 'A 127.96.0.5']],
    [`alias${svc}`, 'CNAME', [`CNAME web${svc}`]],
    [`alias-of-alias${svc}`, 'AAAA', [`CNAME alias${svc}`, `CNAME web${svc}`, 'AAAA fd00:96::5']],
    [`loop${svc}`, 'A', [`CNAME loop${svc}`]],
    [`nowhere${svc}`, 'A', [`CNAME none${svc}`]],
    [`unusable${svc}`, 'A', 'none'],
    ['10-1-0-7.default.pod.cluster.local', 'A', ['A 10.1.0.7']],
    ['fd01--7.default.pod.cluster.local', 'AAAA', ['AAAA fd01::7']],
    ['10-1-0-7.other.pod.cluster.local', 'A', 'no name'],
    ['10-1-0-8.default.pod.cluster.local', 'A', 'no name'],
    ['default.svc.cluster.local', 'A', 'none'],
    ['none.svc.cluster.local', 'A', 'no name'],
    ['svc.cluster.local', 'A', 'none'],
    ['default.pod.cluster.local', 'A', 'none'],
    ['none.pod.cluster.local', 'A', 'no name'],
    ['cluster.local', 'SOA', [soa]],
    ['cluster.local', 'NS', ['NS ns.dns.cluster.local']],
    ['cluster.local', 'A', 'none'],
    ['ns.dns.cluster.local', 'A', ['A 127.0.0.1']],
    ['dns.cluster.local', 'A', 'none'],
    ['dns-version.cluster.local', 'TXT', ['TXT 1.1.0']],
    ['x.dns-version.cluster.local', 'TXT', 'no name'],
    ['other.cluster.local', 'A', 'no name'],
    ['__proto__.default.svc.cluster.local', 'A', 'no name'],
  ]
  for (const [name, type, expected] of cases) {
    const { rcode, authoritative, answers, authorities = [] } = ask(name, type)
    const what = `${name} ${type}`
    t.ok(authoritative, what)
    t.equal(rcode, expected === 'no name' ? rcodes.NXDOMAIN : rcodes.NOERROR, what)
    t.strictSame(answers.map(text), Array.isArray(expected) ? expected : [], what)
    t.strictSame(authorities.map(text), answers.length > 0 ? [] : [soa], what)
  }
})

void test('addresses come with the names that an answer leads to', async t => {
  const { ask } = exampleZone()
  const additional = (name: string, type: keyof typeof recordTypes): readonly string[] =>
    (ask(name, type).additionals ?? []).map(record => `${record.name} ${text(record)}`)
  t.strictSame(additional(`_http._tcp.web${svc}`, 'SRV'), [
    `web${svc} A 127.96.0.5`,
    `web${svc} AAAA fd00:96::5`,
  ])
  t.strictSame(additional(`_db._tcp.db${svc}`, 'SRV'), [
    `db-0.db${svc} A 10.0.0.1`,
    `db-0.db${svc} AAAA fd00::1`,
    `db-1.db${svc} A 10.0.0.2`,
    `10-0-0-4.db${svc} A 10.0.0.4`,
  ])
  t.strictSame(additional('cluster.local', 'NS'), ['ns.dns.cluster.local A 127.0.0.1'])
})

void test('addresses have names', async t => {
  const { ask } = exampleZone()
  const nibbles = '5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.0.d.f.ip6.arpa'
  for (const [name, expected] of [
    ['5.0.96.127.in-addr.arpa', [`PTR web${svc}`]],
    [nibbles, [`PTR web${svc}`]],
    ['1.0.0.10.in-addr.arpa', [`PTR db-0.db${svc}`]],
    ['4.0.0.10.in-addr.arpa', [`PTR 10-0-0-4.db${svc}`]],
  ] as const) {
    const { rcode, authoritative, answers } = ask(name, 'PTR')
    t.match({ rcode, authoritative }, { rcode: rcodes.NOERROR, authoritative: true }, name)
    t.strictSame(answers.map(text), expected, name)
  }
  t.match(ask('5.0.96.127.in-addr.arpa', 'A'), { rcode: rcodes.NOERROR, answers: [] })
  // Not ready; an endpoint of a Service with a ClusterIP; nobody's.
  for (const name of ['3.0.0.10', '8.0.0.10', '1.1.1.1']) {
    t.match(ask(`${name}.in-addr.arpa`, 'PTR'), { rcode: rcodes.NXDOMAIN, authoritative: false }, name)
  }
})

void test('what isn’t the cluster’s doesn’t exist here, and nobody is told that it is so elsewhere', async t => {
  const { ask } = exampleZone()
  for (const name of [
    '',
    'local',
    'example.com',
    'web.default',
    'xcluster.local',
    'web.default.svc.cluster.local.lan',
  ]) {
    t.match(
      ask(name),
      { rcode: rcodes.NXDOMAIN, authoritative: false, answers: [], authorities: undefined },
      `"${name}"`,
    )
  }
  t.equal(ask('cluster.local', 'AXFR').rcode, rcodes.REFUSED)
  t.equal(ask('cluster.local', 'IXFR').rcode, rcodes.REFUSED)
  t.equal(ask('cluster.local', 'TXT', 3).rcode, rcodes.REFUSED, 'class CHAOS')
})

void test('answers follow every change', async t => {
  const { store, names, ask } = exampleZone()
  const answers = (name: string, type: keyof typeof recordTypes = 'A'): readonly string[] =>
    ask(name, type).answers.map(text)
  const web = store.get(services, 'default/web')
  if (!web) throw new Error('there is one')
  store.update(services, { ...web, spec: { clusterIP: '127.96.0.7' } })
  t.strictSame(answers(`web${svc}`), ['A 127.96.0.7'])
  t.strictSame(answers('5.0.96.127.in-addr.arpa', 'PTR'), [])
  t.strictSame(answers('7.0.96.127.in-addr.arpa', 'PTR'), [`PTR web${svc}`])
  store.delete(services, 'default/web')
  t.equal(ask(`web${svc}`).rcode, rcodes.NXDOMAIN)
  t.strictSame(answers('7.0.96.127.in-addr.arpa', 'PTR'), [])

  t.equal(answers(`db${svc}`).length, 3)
  store.delete(endpointSlices, 'default/db-1')
  t.strictSame(answers(`db${svc}`), [])
  t.strictSame(answers(`db${svc}`, 'AAAA'), ['AAAA fd00::1'])
  t.strictSame(answers('1.0.0.10.in-addr.arpa', 'PTR'), [])
  const moved = sliceOf('empty', 'db-2', { endpoints: [{ addresses: ['10.0.0.77'] }] })
  store.update(endpointSlices, moved)
  t.strictSame(answers(`db${svc}`, 'AAAA'), [])
  t.strictSame(answers(`empty${svc}`), ['A 10.0.0.77'])
  t.strictSame(answers('77.0.0.10.in-addr.arpa', 'PTR'), [`PTR 10-0-0-77.empty${svc}`])
  store.delete(pods, 'default/pod')
  t.equal(ask('10-1-0-7.default.pod.cluster.local').rcode, rcodes.NXDOMAIN)
  store.create(services, inDefault('late', { spec: { clusterIP: '127.96.0.9' } }))
  t.strictSame(answers(`late${svc}`), ['A 127.96.0.9'])
  names.close()
})

void test('the addresses of a name take turns at being first, also for who asks for A and AAAA by turns', async t => {
  const { store, names } = exampleZone()
  const zone = createZone({ names, domain: 'cluster.local', ip: '127.0.0.1' })
  store.update(
    endpointSlices,
    sliceOf('db', 'db-2', { endpoints: [{ addresses: ['fd00::1'] }, { addresses: ['fd00::2'] }] }),
  )
  const labels = `db${svc}`.split('.')
  const first = new Map<string, number>()
  for (let i = 0; i < 600; i++) {
    for (const type of ['A', 'AAAA'] as const) {
      const [record] = zone.answer({ labels, type: recordTypes[type], class: 1 }).answers
      const key = record ? text(record) : 'none'
      first.set(key, (first.get(key) ?? 0) + 1)
    }
  }
  t.equal(first.size, 5)
  for (const [key, count] of first) t.ok(count > 100, `${key} was first ${count} times`)
})

void test('names that stand for addresses', async t => {
  for (const [name, expected] of [
    ['4.3.2.1.in-addr.arpa', '1.2.3.4'],
    [`${'0.'.repeat(31)}f.ip6.arpa`, 'f000::'],
    ['3.2.1.in-addr.arpa', null],
    ['5.4.3.2.1.in-addr.arpa', null],
    ['256.3.2.1.in-addr.arpa', null],
    ['04.3.2.1.in-addr.arpa', null],
    [`${'0.'.repeat(30)}f.ip6.arpa`, null],
    [`${'0.'.repeat(31)}g.ip6.arpa`, null],
    [`${'0.'.repeat(31)}ff.ip6.arpa`, null],
    ['arpa', null],
    ['', null],
  ] as const) {
    t.equal(ipOfReverseName(name.split('.')), expected, name)
  }
})
