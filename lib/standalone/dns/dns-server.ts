// Answers for the names of Services over UDP and TCP. It answers at once from what it holds, or not at all: it asks no
// other server, keeps nothing about a client over UDP, and bounds what TCP clients can hold.

import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { familyOf, formatAddress, isHostAddress, type Address } from '../../model/address.ts'
import { reasonOf, RelayError } from '../../model/error.ts'
import { systemClock, type Clock, type Timer } from '../../ops/clock.ts'
import type { Log } from '../../ops/log.ts'
import type { Store } from '../store/store.ts'
import { maxQueryBytes, readQuery, rcodes, udpLimitOf, writeReply, type Query } from './dns-message.ts'
import { followServiceNames } from './service-names.ts'
import { createZone, type Zone } from './zone.ts'

export interface DnsServerOptions {
  readonly store: Store
  /** Of one interface: an answer must leave from the address that was asked. Port 0 for a free one. */
  readonly address: Address
  readonly clusterDomain?: string
  readonly log: Log
  readonly clock?: Clock
  /** A TCP connection without a whole query for this long is closed. */
  readonly idleTimeoutMs?: number
  /** TCP connections at a time; the one that is idle for longest makes room. */
  readonly maxConnections?: number
}

export interface DnsServer {
  readonly address: Address
  /** May be called twice. */
  close(): Promise<void>
}

const maxTcpBytes = 65_535
/** Answers that a TCP client leaves unread; then its queries wait. */
const maxUnreadBytes = 256 * 1024

/** Starts the server on both protocols. Throws ADDRESS when it can't listen, INVALID_CONFIG for a wildcard. */
export async function startDnsServer(options: DnsServerOptions): Promise<DnsServer> {
  const { store, address, log, clusterDomain = 'cluster.local' } = options
  if (!isHostAddress(address.ip)) {
    throw new RelayError(
      'INVALID_CONFIG',
      `--dns-address ${formatAddress(address.ip, address.port)}: give the one address that clients ask, such as 127.0.0.1:53, because answers must come from it`,
    )
  }
  await using opened = new AsyncDisposableStack()
  const names = followServiceNames(store)
  opened.defer(() => names.close())
  const zone = createZone({ names, domain: clusterDomain.toLowerCase(), ip: address.ip })
  const answer = (query: Query, maxBytes: number): Buffer => {
    try {
      return writeReply(query, zone.answer(query.question), maxBytes)
    } catch (error) {
      log.error({ err: error, name: query.question.labels.join('.') }, 'DNS query failed')
      return writeReply(query, failure, maxBytes)
    }
  }
  const listening = await listen(options, answer)
  opened.defer(() => listening.close())
  const running = opened.move()
  return {
    address: { ip: address.ip, port: listening.port },
    close: () => running.disposeAsync(),
  }
}

type Answer = (query: Query, maxBytes: number) => Buffer

const failure: ReturnType<Zone['answer']> = { rcode: rcodes.SERVFAIL, authoritative: false, answers: [] }

interface Listening {
  readonly port: number
  close(): Promise<void>
}

/** Both protocols on one port. A free one for TCP may be taken for UDP: then the next one is tried. */
async function listen(options: DnsServerOptions, answer: Answer): Promise<Listening> {
  const { address } = options
  for (let attempts = address.port === 0 ? 16 : 1; ; attempts--) {
    const tcp = tcpServer(options, answer)
    try {
      await tcp.listen()
      const udp = await listenUdp({ ip: address.ip, port: tcp.port() }, answer)
      return {
        port: tcp.port(),
        close: async () => {
          await Promise.all([tcp.close(), closeSocket(udp)])
        },
      }
    } catch (error) {
      await tcp.close()
      if (attempts > 1 && (error as NodeJS.ErrnoException).code === 'EADDRINUSE') continue
      const at = formatAddress(address.ip, address.port)
      const message = `--dns-address ${at} can't be listened on (${reasonOf(error)}): ${remedyFor(error)}`
      throw new RelayError('ADDRESS', message, { cause: error })
    }
  }
}

function remedyFor(error: unknown): string {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'EACCES':
      return 'a port below 1024 needs CAP_NET_BIND_SERVICE (or root); choose one above, such as 5353'
    case 'EADDRINUSE':
      return 'another program answers there; choose another port, or another address of 127.0.0.0/8'
    case 'EADDRNOTAVAIL':
      return 'this machine has no such address'
    default:
      return 'choose another address'
  }
}

async function listenUdp({ ip, port }: Address, answer: Answer): Promise<UdpSocket> {
  const socket =
    familyOf(ip) === 'IPv4' ? createSocket('udp4') : createSocket({ type: 'udp6', ipv6Only: true })
  socket.on('message', (message, peer) => {
    const reading = readQuery(message)
    if (reading.kind === 'ignored' || peer.port === 0) return
    const response =
      reading.kind === 'refused' ? reading.response : answer(reading.query, udpLimitOf(reading.query))
    // Whatever happens to an answer, the client asks again.
    socket.send(response, peer.port, peer.address, () => undefined)
  })
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject)
    socket.bind({ address: ip, port, exclusive: true }, () => {
      socket.off('error', reject)
      socket.on('error', () => undefined) // of one answer: see above
      resolve()
    })
  }).catch(async (error: unknown) => {
    await closeSocket(socket)
    throw error
  })
  return socket
}

function closeSocket(socket: UdpSocket): Promise<void> {
  return new Promise(resolve => socket.close(() => resolve()))
}

interface TcpServer {
  listen(): Promise<void>
  port(): number
  close(): Promise<void>
}

function tcpServer(options: DnsServerOptions, answer: Answer): TcpServer {
  const { address, clock = systemClock, idleTimeoutMs = 10_000, maxConnections = 256 } = options
  // In the order of their newest query.
  const connections = new Set<Socket>()
  const server: Server = createServer(socket => {
    if (connections.size >= maxConnections) connections.values().next().value?.destroy()
    connections.add(socket)
    const used = (): void => {
      connections.delete(socket)
      connections.add(socket)
    }
    serveConnection(socket, { answer, clock, idleTimeoutMs, used })
    socket.once('close', () => connections.delete(socket))
  })
  return {
    listen: () =>
      new Promise((resolve, reject) => {
        server.once('error', reject)
        server.listen({ host: address.ip, port: address.port, ipv6Only: true }, () => {
          server.off('error', reject)
          server.on('error', () => undefined) // a connection that couldn't be accepted
          resolve()
        })
      }),
    port: () => (server.address() as AddressInfo).port,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        for (const socket of connections) socket.destroy()
      }),
  }
}

/** Answers one connection's queries in their order; each has its length before it (RFC 1035, section 4.2.2). */
function serveConnection(
  socket: Socket,
  options: {
    readonly answer: Answer
    readonly clock: Clock
    readonly idleTimeoutMs: number
    readonly used: () => void
  },
): void {
  const { answer, clock, idleTimeoutMs, used } = options
  let pending: Buffer = Buffer.alloc(0)
  let idle: Timer | undefined
  // From one whole query to the next, so that single bytes don't keep a connection open.
  const waitAgain = (): void => {
    idle?.cancel()
    idle = clock.after(idleTimeoutMs, () => socket.destroy())
  }
  const serve = (): void => {
    while (pending.length >= 2 && !socket.destroyed) {
      const length = pending.readUInt16BE(0)
      if (length > maxQueryBytes) {
        socket.destroy()
        return
      }
      if (pending.length < 2 + length) break
      if (socket.writableLength > maxUnreadBytes) {
        socket.pause()
        return
      }
      const reading = readQuery(pending.subarray(2, 2 + length))
      pending = pending.subarray(2 + length)
      if (reading.kind === 'ignored') {
        socket.destroy()
        return
      }
      used()
      waitAgain()
      const response = reading.kind === 'refused' ? reading.response : answer(reading.query, maxTcpBytes)
      const size = Buffer.alloc(2)
      size.writeUInt16BE(response.length)
      socket.write(Buffer.concat([size, response]))
    }
  }
  waitAgain()
  socket.on('data', (chunk: Buffer) => {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk])
    serve()
  })
  socket.on('drain', () => {
    serve()
    if (socket.writableLength <= maxUnreadBytes) socket.resume()
  })
  socket.on('error', () => undefined) // 'close' follows
  socket.once('close', () => idle?.cancel())
}
