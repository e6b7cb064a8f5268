// The server over real sockets, asked by dig (Debian's package bind9-dnsutils, which .ci/install-peers installs), by
// Node's own resolver, and by clients that do what no honest one does.

import { execFile } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { promises as dns } from 'node:dns'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { promisify } from 'node:util'
import dnsPacket, { type RecordType } from 'dns-packet'
import { test, type Test } from 'tap'
import { silentLog } from '../../../lib/ops/log.ts'
import {
  startDnsServer,
  type DnsServer,
  type DnsServerOptions,
} from '../../../lib/standalone/dns/dns-server.ts'
import { endpointSlices, namespaces, services } from '../../../lib/standalone/kinds/resources.ts'
import { Store } from '../../../lib/standalone/store/store.ts'
import { ManualClock } from '../../manual-clock.ts'

const name = 'myapp-service.default.svc.cluster.local'
const manyEndpoints = 300

async function start(t: Test, options: Partial<DnsServerOptions> = {}): Promise<DnsServer> {
  const store = new Store()
  const inDefault = (serviceName: string): { name: string; namespace: string } => ({
    name: serviceName,
    namespace: 'default',
  })
  store.create(namespaces, { metadata: { name: 'default' } })
  store.create(services, {
    metadata: inDefault('myapp-service'),
    spec: {
      clusterIPs: ['127.96.0.10', 'fd00:96::a'],
      ports: [{ name: 'http', protocol: 'TCP', port: 80 }],
    },
  })
  store.create(services, {
    metadata: inDefault('far'),
    spec: { type: 'ExternalName', externalName: 'example.com' },
  })
  store.create(services, { metadata: inDefault('many'), spec: { clusterIP: 'None' } })
  store.create(endpointSlices, {
    metadata: { ...inDefault('many-1'), labels: { 'kubernetes.io/service-name': 'many' } },
    endpoints: Array.from({ length: manyEndpoints }, (_, i) => ({
      addresses: [`10.0.${i >> 8}.${i & 255}`],
    })),
  })
  const server = await startDnsServer({
    store,
    address: { ip: '127.0.0.1', port: 0 },
    log: silentLog,
    ...options,
  })
  t.teardown(() => server.close())
  return server
}

/** Runs dig; its status is 0 for every answer, whatever that says. */
async function dig({ address }: DnsServer, ...args: readonly string[]): Promise<string> {
  const options = ['+time=5', '+tries=2', `@${address.ip}`, '-p', String(address.port)]
  try {
    return (await promisify(execFile)('dig', [...options, ...args])).stdout
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    throw new Error('dig is missing: install the package bind9-dnsutils (.ci/install-peers does)', {
      cause: error,
    })
  }
}

void test('dig is answered', async t => {
  const server = await start(t)
  const short = async (...args: readonly string[]): Promise<readonly string[]> =>
    (await dig(server, '+short', ...args)).trim().split('\n')
  t.strictSame(await short(name), ['127.96.0.10'])
  t.strictSame(await short('+tcp', name), ['127.96.0.10'])
  t.strictSame(await short('AAAA', name), ['fd00:96::a'])
  t.strictSame(await short('SRV', `_http._tcp.${name}`), [`0 100 80 ${name}.`])
  t.strictSame(await short('CNAME', 'far.default.svc.cluster.local'), ['example.com.'])
  t.strictSame(await short('-x', '127.96.0.10'), [`${name}.`])
  t.strictSame(await short('-x', 'fd00:96::a'), [`${name}.`])
  t.strictSame(await short('TXT', 'dns-version.cluster.local'), ['"1.1.0"'])

  const whole = await dig(server, 'MyApp-Service.default.svc.cluster.local')
  t.match(whole, /status: NOERROR/)
  t.match(whole, /flags: qr aa rd;/)
  t.match(whole, /^MyApp-Service\.default\.svc\.cluster\.local\.\s+5\s+IN\s+A\s+127\.96\.0\.10$/m)
  const missing = await dig(server, 'none.default.svc.cluster.local')
  t.match(missing, /status: NXDOMAIN/)
  t.match(missing, /^cluster\.local\.\s+5\s+IN\s+SOA\s/m)
  const noData = await dig(server, 'MX', name)
  t.match(noData, /status: NOERROR.*\n.*ANSWER: 0, AUTHORITY: 1/)
  t.match(await dig(server, 'example.com'), /status: NXDOMAIN/)
  t.match(await dig(server, 'AXFR', 'cluster.local'), /Transfer failed/)
})

void test('dig comes back over TCP for what UDP has no room for', async t => {
  const server = await start(t)
  const many = 'many.default.svc.cluster.local'
  const cut = await dig(server, '+ignore', many)
  t.match(cut, /flags: qr aa tc rd;/)
  t.match(cut, /MSG SIZE {2}rcvd: 12[0-3]\d/)
  t.match(await dig(server, '+ignore', '+noedns', many), /MSG SIZE {2}rcvd: (?:49\d|50\d|51[0-2])\n/)
  t.equal((await dig(server, '+short', many)).trim().split('\n').length, manyEndpoints)
})

void test('Node’s resolver is answered', async t => {
  const { address } = await start(t)
  const resolver = new dns.Resolver()
  resolver.setServers([`${address.ip}:${address.port}`])
  t.strictSame(await resolver.resolve4(name), ['127.96.0.10'])
  t.strictSame(await resolver.resolve6(name), ['fd00:96::a'])
  t.match(await resolver.resolveSrv(`_http._tcp.${name}`), [{ name, port: 80 }])
  t.strictSame(await resolver.reverse('127.96.0.10'), [name])
  t.equal((await resolver.resolve4('many.default.svc.cluster.local')).length, manyEndpoints)
  await t.rejects(resolver.resolve4('none.default.svc.cluster.local'), { code: 'ENOTFOUND' })
  t.strictSame(await resolver.resolveCname('far.default.svc.cluster.local'), ['example.com'])
})

void test('over IPv6', async t => {
  const server = await start(t, { address: { ip: '::1', port: 0 } })
  t.equal((await dig(server, '+short', name)).trim(), '127.96.0.10')
  t.equal((await dig(server, '+short', '+tcp', name)).trim(), '127.96.0.10')
})

const query = (id: number, asked = name, type: RecordType = 'A'): Buffer =>
  dnsPacket.encode({ type: 'query', id, questions: [{ type, name: asked }] })

void test('datagrams that ask nothing are met with silence, and the next one is answered', async t => {
  const { address } = await start(t)
  const socket = createSocket('udp4')
  t.teardown(() => socket.close())
  const answered: number[] = []
  const done = new Promise<void>(resolve => {
    socket.on('message', (message, peer) => {
      t.equal(`${peer.address}:${peer.port}`, `${address.ip}:${address.port}`)
      answered.push(message.readUInt16BE(0))
      if (answered.at(-1) === 9) resolve()
    })
  })
  const response = query(1)
  response.writeUInt16BE(0x8400, 2)
  for (const bytes of [Buffer.alloc(0), Buffer.from('x'), response, query(9)]) {
    socket.send(bytes, address.port, address.ip)
  }
  await done
  t.strictSame(answered, [9])
})

/** A connection that collects the answers to what it sends. */
async function connected(t: Test, { address }: DnsServer) {
  const socket: Socket = connect(address.port, address.ip)
  t.teardown(() => socket.destroy())
  socket.on('error', () => undefined)
  let bytes = Buffer.alloc(0)
  let seen = (): void => undefined
  socket.on('data', (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk])
    seen()
  })
  await once(socket, 'connect')
  return {
    socket,
    /** The ids of the next answers. */
    ids: async (count: number): Promise<readonly number[]> => {
      const ids: number[] = []
      while (ids.length < count) {
        if (bytes.length >= 2 && bytes.length >= 2 + bytes.readUInt16BE(0)) {
          const end = 2 + bytes.readUInt16BE(0)
          ids.push(dnsPacket.decode(bytes.subarray(2, end)).id ?? -1)
          bytes = bytes.subarray(end)
          continue
        }
        await new Promise<void>(resolve => (seen = resolve))
      }
      return ids
    },
  }
}

/** Also when it is reset, since that is an end as good as another. */
function closeOf(socket: Socket): Promise<void> {
  return new Promise(resolve => socket.once('close', () => resolve()))
}

function framed(...messages: readonly Buffer[]): Buffer {
  return Buffer.concat(
    messages.flatMap(message => {
      const size = Buffer.alloc(2)
      size.writeUInt16BE(message.length)
      return [size, message]
    }),
  )
}

void test('queries over TCP can come many at once or byte by byte', async t => {
  const server = await start(t)
  const { socket, ids } = await connected(t, server)
  socket.setNoDelay(true)
  socket.write(framed(query(1), query(2, 'none.'), query(3, name, 'AAAA')))
  t.strictSame(await ids(3), [1, 2, 3])
  for (const byte of framed(query(4))) {
    socket.write(Buffer.from([byte]))
    await new Promise(resolve => setImmediate(resolve))
  }
  t.strictSame(await ids(1), [4])
})

void test('a TCP client that reads late gets every answer, and others are served meanwhile', async t => {
  const server = await start(t)
  const { socket, ids } = await connected(t, server)
  socket.pause()
  const count = 1000
  for (let i = 0; i < count; i++) socket.write(framed(query(i, 'many.default.svc.cluster.local')))
  t.equal((await dig(server, '+tcp', '+short', name)).trim(), '127.96.0.10')
  socket.resume()
  t.strictSame(
    await ids(count),
    Array.from({ length: count }, (_, i) => i),
  )
})

void test('TCP connections that ask nothing are ended', async t => {
  const clock = new ManualClock()
  const server = await start(t, { clock, idleTimeoutMs: 5000 })
  const { socket, ids } = await connected(t, server)
  const ended = closeOf(socket)
  socket.write(framed(query(1)))
  await ids(1)
  clock.advance(4999)
  socket.write(framed(query(2)))
  await ids(1)
  clock.advance(4999)
  t.notOk(socket.destroyed)
  socket.write(Buffer.from([0])) // half a length is no query
  clock.advance(1)
  await ended

  for (const [what, bytes] of [
    ['a response', framed(Buffer.concat([Buffer.from([0, 1, 0x80, 0]), Buffer.alloc(8)]))],
    ['an empty message', framed(Buffer.alloc(0))],
    ['a length that no query has', Buffer.from([0xff, 0xff, 0])],
  ] as const) {
    const other = await connected(t, server)
    const closed = closeOf(other.socket)
    other.socket.write(bytes)
    await closed
    t.pass(what)
  }
})

void test('of too many TCP connections, the one that is silent for longest makes room', async t => {
  const server = await start(t, { maxConnections: 2 })
  const first = await connected(t, server)
  first.socket.write(framed(query(1)))
  await first.ids(1)
  const second = await connected(t, server)
  second.socket.write(framed(query(2)))
  await second.ids(1)
  first.socket.write(framed(query(3)))
  await first.ids(1)
  const closed = closeOf(second.socket)
  const third = await connected(t, server)
  third.socket.write(framed(query(4)))
  t.strictSame(await third.ids(1), [4])
  await closed
  first.socket.write(framed(query(5)))
  t.strictSame(await first.ids(1), [5])
})

void test('an address that can’t be had is named, with what to do', async t => {
  const { address } = await start(t)
  await t.rejects(start(t, { address }), {
    code: 'ADDRESS',
    message: /^--dns-address 127\.0\.0\.1:\d+ can't be listened on \(.*EADDRINUSE.*\): another program/,
  })
  // Taken for UDP only: nothing of the attempt stays.
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  t.teardown(() => socket.close())
  await once(socket, 'listening')
  const taken = { ip: '127.0.0.1', port: socket.address().port }
  await t.rejects(start(t, { address: taken }), { code: 'ADDRESS' })
  const probe = connect(taken.port, taken.ip)
  await t.rejects(once(probe, 'connect'), { code: 'ECONNREFUSED' })
  await t.rejects(start(t, { address: { ip: '192.0.2.1', port: 53 } }), {
    code: 'ADDRESS',
    message: /this machine has no such address/,
  })
  for (const ip of ['0.0.0.0', '::']) {
    await t.rejects(start(t, { address: { ip, port: 53 } }), {
      code: 'INVALID_CONFIG',
      message: /--dns-address .*: give the one address that clients ask/,
    })
  }
})
