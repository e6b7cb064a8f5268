import dnsPacket from 'dns-packet'
import * as fc from 'fast-check'
import { test } from 'tap'
import {
  maxUdpBytes,
  readQuery,
  rcodes,
  udpLimitOf,
  writeReply,
  type DnsRecord,
  type Query,
} from '../../../lib/standalone/dns/dns-message.ts'

const name = 'web.default.svc.cluster.local'

function queryBytes(options: Partial<dnsPacket.Packet> = {}): Buffer {
  return dnsPacket.encode({ type: 'query', id: 7, questions: [{ type: 'A', name }], ...options })
}

function edns(udpPayloadSize: number, ednsVersion = 0): dnsPacket.OptAnswer {
  return {
    type: 'OPT',
    name: '.',
    udpPayloadSize,
    ednsVersion,
    extendedRcode: 0,
    flags: 0,
    flag_do: false,
    options: [],
  }
}

function read(bytes: Buffer): Query {
  const reading = readQuery(bytes)
  if (reading.kind !== 'query') throw new Error(reading.kind)
  return reading.query
}

const addresses = (count: number, owner = name): readonly DnsRecord[] =>
  Array.from({ length: count }, (_, i) => ({
    name: owner,
    type: 'A',
    ttl: 5,
    data: `10.0.${i >> 8}.${i & 255}`,
  }))

void test('what is a query, and what goes back to what is none', async t => {
  const patched = (bytes: Buffer, at: number, value: number): Buffer => {
    const copy = Buffer.from(bytes)
    copy.writeUInt16BE(value, at)
    return copy
  }
  const plain = queryBytes()
  for (const [what, bytes, expected] of [
    ['a query', plain, 'query'],
    ['one with EDNS', queryBytes({ additionals: [edns(4096)] }), 'query'],
    ['nothing', Buffer.alloc(0), 'ignored'],
    ['less than a header', plain.subarray(0, 11), 'ignored'],
    ['a response', patched(plain, 2, 0x8000), 'ignored'],
    ['an update', patched(plain, 2, 5 << 11), rcodes.NOTIMP],
    ['a header alone', plain.subarray(0, 12), rcodes.FORMERR],
    ['no question', patched(plain, 4, 0), rcodes.FORMERR],
    ['two questions', queryBytes({ questions: [1, 2].map(() => ({ type: 'A', name })) }), rcodes.FORMERR],
    ['65535 additional records', patched(plain, 10, 65_535), rcodes.FORMERR],
    ['one that isn’t there', patched(plain, 10, 1), rcodes.FORMERR],
    ['a label that ends after the message', plain.subarray(0, 20), rcodes.FORMERR],
    ['a name that points to itself', patched(plain, 12, 0xc00c), rcodes.FORMERR],
    ['a label of a reserved sort', patched(plain, 12, 0x8001), rcodes.FORMERR],
    ['a name that never ends', Buffer.concat([plain.subarray(0, 12), Buffer.alloc(300, 1)]), rcodes.FORMERR],
    ['no type', plain.subarray(0, -3), rcodes.FORMERR],
    ['two OPT records', queryBytes({ additionals: [edns(512), edns(512)] }), rcodes.FORMERR],
    ['a very long one', Buffer.concat([plain, Buffer.alloc(2000)]), rcodes.FORMERR],
    ['EDNS 1', queryBytes({ additionals: [edns(512, 1)] }), rcodes.BADVERS],
  ] as const) {
    const reading = readQuery(bytes)
    if (reading.kind !== 'refused') {
      t.equal(reading.kind, expected, what)
      continue
    }
    const response = dnsPacket.decode(reading.response)
    const [option] = response.additionals ?? []
    const upper = option?.type === 'OPT' ? option.extendedRcode << 4 : 0
    t.equal((reading.response.readUInt16BE(2) & 0xf) | upper, expected, what)
    t.match(response, { id: 7, type: 'response', flag_aa: false }, `${what}: the answer is a response`)
    t.ok(reading.response.length <= Math.max(bytes.length, 12) + 11, `${what}: it isn't amplified`)
  }
})

void test('property: no bytes are too strange to be read', async t => {
  const whole = queryBytes({ additionals: [edns(1232)] })
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), bytes => void readQuery(Buffer.from(bytes))),
    { numRuns: 2000 },
  )
  const change = fc.tuple(fc.nat({ max: whole.length - 1 }), fc.nat({ max: 255 }))
  fc.assert(
    fc.property(fc.array(change, { maxLength: 6 }), fc.nat({ max: whole.length }), (changes, length) => {
      const bytes = Buffer.from(whole)
      for (const [at, value] of changes) bytes[at] = value
      const reading = readQuery(bytes.subarray(0, length))
      if (reading.kind !== 'query') return
      dnsPacket.decode(writeReply(reading.query, { rcode: 0, authoritative: true, answers: [] }, 512))
    }),
    { numRuns: 3000 },
  )
  t.pass()
})

void test('the question goes back as it came, and the records under its name', async t => {
  const query = read(queryBytes({ questions: [{ type: 'A', name: 'wEb.DEFAULT.svc.Cluster.local' }] }))
  t.equal(query.question.labels.join('.'), name)
  const response = dnsPacket.decode(
    writeReply(query, { rcode: 0, authoritative: true, answers: addresses(2) }, 512),
  )
  t.match(response.questions, [{ name: 'wEb.DEFAULT.svc.Cluster.local', type: 'A', class: 'IN' }])
  t.match(response.answers, [
    { name: 'wEb.DEFAULT.svc.Cluster.local', type: 'A', data: '10.0.0.0', ttl: 5 },
    { name: 'wEb.DEFAULT.svc.Cluster.local', type: 'A', data: '10.0.0.1' },
  ])
})

void test('of the flags, those that a client sets come back, and no others', async t => {
  const bytes = queryBytes()
  bytes.writeUInt16BE(0x07ff & ~0x0200, 2) // every flag of a query, and some of a response
  const response = dnsPacket.decode(
    writeReply(read(bytes), { rcode: rcodes.NXDOMAIN, authoritative: true, answers: [] }, 512),
  )
  t.match(response, {
    flag_aa: true,
    flag_tc: false,
    flag_rd: true,
    flag_ra: false,
    flag_ad: false,
    flag_cd: true,
    flag_z: false,
    rcode: 'NXDOMAIN',
  })
})

void test('how large an answer over UDP may be', async t => {
  for (const [said, limit] of [
    [null, 512],
    [1, 512],
    [511, 512],
    [800, 800],
    [1232, 1232],
    [65_535, 1232],
  ] as const) {
    const query = read(queryBytes(said === null ? {} : { additionals: [edns(said)] }))
    t.equal(udpLimitOf(query), limit, `the client says ${said}`)
  }
})

void test('an answer that is too large is cut between records and says so', async t => {
  const query = read(queryBytes({ additionals: [edns(4096)] }))
  const other = addresses(200, 'other.default.svc.cluster.local')
  for (const [what, limit] of [
    ['UDP', 512],
    ['EDNS', maxUdpBytes],
    ['TCP', 65_535],
  ] as const) {
    for (const count of [1, 10, 28, 29, 100, 5000]) {
      const bytes = writeReply(
        query,
        { rcode: 0, authoritative: true, answers: addresses(count), additionals: other },
        limit,
      )
      const { answers = [], additionals = [], flag_tc } = dnsPacket.decode(bytes)
      t.ok(bytes.length <= limit, `${what}: ${bytes.length} bytes for ${count} addresses`)
      t.equal(flag_tc, answers.length < count, `${what}: ${answers.length} of ${count} are there`)
      t.ok(additionals.some(({ type }) => type === 'OPT'))
      if (flag_tc) t.ok(bytes.length > limit - 16 && additionals.length === 1, 'as many as fit')
    }
  }
})
