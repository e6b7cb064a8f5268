// DNS messages as bytes: what of a datagram is a query that can be answered, and a reply put together within a size.
// The question goes back byte for byte, so that a client which mixes the case of its letters to tell forged answers
// (DNS 0x20) finds what it sent. The records' own wire format is dns-packet's.

import dnsPacket, {
  type Answer,
  type HInfoAnswer,
  type SoaAnswer,
  type SrvAnswer,
  type StringAnswer,
  type TxtAnswer,
} from 'dns-packet'

export const recordTypes = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  HINFO: 13,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
} as const

export const classIn = 1

export const rcodes = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  /** Its upper bits travel in the OPT record (RFC 6891). */
  BADVERS: 16,
} as const

export type Rcode = (typeof rcodes)[keyof typeof rcodes]

/** A record that an answer holds; its name is in lower case and without the root's dot. */
export type DnsRecord =
  | (StringAnswer & { readonly type: 'A' | 'AAAA' | 'CNAME' | 'NS' | 'PTR' })
  | SrvAnswer
  | TxtAnswer
  | SoaAnswer
  | HInfoAnswer

export interface Question {
  /** In lower case, from the host to the root; a label that holds a dot is as it came. */
  readonly labels: readonly string[]
  readonly type: number
  readonly class: number
}

export interface Query {
  readonly id: number
  /** The header's second word, as it came. */
  readonly flags: number
  readonly question: Question
  readonly questionBytes: Buffer
  /** What the client takes over UDP; null without EDNS. */
  readonly ednsBytes: number | null
}

export interface Reply {
  readonly rcode: Rcode
  /** Whether this server has the say on the name. */
  readonly authoritative: boolean
  readonly answers: readonly DnsRecord[]
  readonly authorities?: readonly DnsRecord[]
  readonly additionals?: readonly DnsRecord[]
}

export type Reading =
  | { readonly kind: 'query'; readonly query: Query }
  /** Can't be answered for what it asks: this goes back. */
  | { readonly kind: 'refused'; readonly response: Buffer }
  /** A response, or too short to be anything: an answer could make two servers answer each other for ever. */
  | { readonly kind: 'ignored' }

/** The most that a UDP answer may have, whatever the client says: it passes every network in one piece. */
export const maxUdpBytes = 1232
/** Of UDP without EDNS (RFC 1035, section 4.2.1). */
const plainUdpBytes = 512
/** A question with the longest name, an OPT record and its options are far smaller. */
export const maxQueryBytes = 1232

const headerBytes = 12
const responseFlag = 0x8000
const authoritativeFlag = 0x0400
const truncatedFlag = 0x0200
/** Opcode, RD and CD go back as they came (RFC 1035, section 4.1.1, and RFC 4035, section 3.2.2). */
const echoedFlags = 0x7910

/** Reads a message. It never throws, whatever the bytes are. */
export function readQuery(message: Buffer): Reading {
  if (message.length < headerBytes) return { kind: 'ignored' }
  const id = message.readUInt16BE(0)
  const flags = message.readUInt16BE(2)
  if ((flags & responseFlag) !== 0) return { kind: 'ignored' }
  const refused = (rcode: Rcode): Reading => ({
    kind: 'refused',
    response: header({ id, flags }, rcode, false, [0, 0, 0, 0]),
  })
  if (((flags >> 11) & 0xf) !== 0) return refused(rcodes.NOTIMP)
  const records = message.readUInt16BE(6) + message.readUInt16BE(8) + message.readUInt16BE(10)
  if (message.readUInt16BE(4) !== 1 || records > 8 || message.length > maxQueryBytes) {
    return refused(rcodes.FORMERR)
  }
  const asked = readQuestion(message)
  if (asked === null) return refused(rcodes.FORMERR)
  const options = readOptions(message)
  if (options === 'malformed') return refused(rcodes.FORMERR)
  const query: Query = { id, flags, ...asked, ednsBytes: options?.bytes ?? null }
  if (options !== null && options.version !== 0) {
    const reply: Reply = { rcode: rcodes.BADVERS, authoritative: false, answers: [] }
    return { kind: 'refused', response: writeReply(query, reply, plainUdpBytes) }
  }
  return { kind: 'query', query }
}

function readQuestion(
  message: Buffer,
): { readonly question: Question; readonly questionBytes: Buffer } | null {
  const labels: string[] = []
  let at = headerBytes
  for (;;) {
    const length = message[at]
    // A pointer has nothing before it to point to.
    if (length === undefined || length > 63) return null
    at += 1
    if (length === 0) break
    if (at + length > message.length) return null
    labels.push(message.toString('latin1', at, at + length).toLowerCase())
    at += length
    if (at - headerBytes > 254) return null
  }
  if (at + 4 > message.length) return null
  return {
    question: { labels, type: message.readUInt16BE(at), class: message.readUInt16BE(at + 2) },
    questionBytes: message.subarray(headerBytes, at + 4),
  }
}

function readOptions(
  message: Buffer,
): { readonly bytes: number; readonly version: number } | 'malformed' | null {
  try {
    const { additionals = [] } = dnsPacket.decode(message)
    const found = additionals.filter(record => record.type === 'OPT')
    const [option] = found
    if (option === undefined) return null
    if (found.length > 1 || (option.name !== '.' && option.name !== '')) return 'malformed'
    return { bytes: option.udpPayloadSize, version: option.ednsVersion }
  } catch {
    return 'malformed'
  }
}

/** How large an answer over UDP to this query may be. */
export function udpLimitOf({ ednsBytes }: Query): number {
  return Math.min(maxUdpBytes, Math.max(plainUdpBytes, ednsBytes ?? plainUdpBytes))
}

/**
 * The response, at most `maxBytes` long. Additional records that don't fit are left out. Where the answers themselves
 * don't fit, those that do are there and the response is marked as truncated, so that the client comes back over TCP.
 */
export function writeReply(query: Query, reply: Reply, maxBytes: number): Buffer {
  const option = query.ednsBytes === null ? null : optionRecord(reply.rcode)
  const name = query.question.labels.join('.')
  let left = maxBytes - headerBytes - query.questionBytes.length - (option?.length ?? 0)
  const take = (records: readonly DnsRecord[] = []): Buffer[] => {
    const taken: Buffer[] = []
    for (const record of records) {
      const bytes = recordBytes(record, name)
      if (bytes.length > left) break
      left -= bytes.length
      taken.push(bytes)
    }
    return taken
  }
  const answers = take(reply.answers)
  const truncated = answers.length < reply.answers.length
  const authorities = truncated ? [] : take(reply.authorities)
  const additionals = truncated ? [] : take(reply.additionals)
  if (option !== null) additionals.push(option)
  const counts = [1, answers.length, authorities.length, additionals.length] as const
  return Buffer.concat([
    header(query, reply.rcode, reply.authoritative, counts, truncated),
    query.questionBytes,
    ...answers,
    ...authorities,
    ...additionals,
  ])
}

function header(
  { id, flags }: Pick<Query, 'id' | 'flags'>,
  rcode: Rcode,
  authoritative: boolean,
  counts: readonly [number, number, number, number],
  truncated = false,
): Buffer {
  const bytes = Buffer.alloc(headerBytes)
  const marks = (authoritative ? authoritativeFlag : 0) | (truncated ? truncatedFlag : 0)
  bytes.writeUInt16BE(id, 0)
  bytes.writeUInt16BE(responseFlag | (flags & echoedFlags) | marks | (rcode & 0xf), 2)
  counts.forEach((count, i) => bytes.writeUInt16BE(count, 4 + 2 * i))
  return bytes
}

/** One record; the question's own name is a pointer to it (RFC 1035, section 4.1.4). */
function recordBytes(record: DnsRecord, questionName: string): Buffer {
  if (record.name !== questionName || questionName === '') return encode(record)
  const anonymous = encode({ ...record, name: '.' })
  return Buffer.concat([Buffer.from([0xc0, headerBytes]), anonymous.subarray(1)])
}

function optionRecord(rcode: Rcode): Buffer {
  return encode({
    type: 'OPT',
    name: '.',
    udpPayloadSize: maxUdpBytes,
    extendedRcode: rcode >> 4,
    ednsVersion: 0,
    flags: 0,
    flag_do: false,
    options: [],
  })
}

function encode(record: Answer): Buffer {
  return dnsPacket.encode({ type: 'response', answers: [record] }).subarray(headerBytes)
}
