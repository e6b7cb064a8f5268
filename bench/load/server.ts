// The server behind every contestant: answers requests of a fixed size with responses of a fixed size, takes or gives
// bytes in bulk, and echoes datagrams. It counts nothing per request but what framing needs, and allocates nothing.

import dgram from 'node:dgram'
import net, { type AddressInfo } from 'node:net'
import type { PartCalls } from './part-process.ts'

/** What the first byte of a connection for bulk says: the client gives, or the client takes. */
export const streamUp = 0x55
export const streamDown = 0x44

export interface ServeOptions {
  readonly kind: 'rr' | 'stream' | 'udp' | 'http'
  readonly host: string
  readonly requestBytes: number
  readonly responseBytes: number
}

/** Bytes that came in bulk, since the last time that was asked. */
export interface ServerMark {
  readonly elapsedMs: number
  readonly bytes: number
}

interface Server {
  readonly port: number
  close(): Promise<void>
}

/** Responses to several requests that came in one read go out in one write. */
const responsesAtOnce = 64

const chunkBytes = 256 * 1024
const backlog = 16_384

/** What the part "server" can be asked for. */
export function serverCalls(): PartCalls {
  const servers = new Map<number, Server>()
  let markedMs = performance.now()
  return {
    mark: (): ServerMark => {
      const nowMs = performance.now()
      const mark = { elapsedMs: nowMs - markedMs, bytes: bulkBytes }
      markedMs = nowMs
      bulkBytes = 0
      return mark
    },
    serve: async (options: ServeOptions): Promise<number> => {
      const server = options.kind === 'udp' ? await serveUdp(options) : await serveTcp(options)
      servers.set(server.port, server)
      return server.port
    },
    close: async ({ port }: { readonly port: number }): Promise<void> => {
      const server = servers.get(port)
      servers.delete(port)
      await server?.close()
    },
  }
}

async function serveTcp(options: ServeOptions): Promise<Server> {
  const sockets = new Set<net.Socket>()
  const handle = handlerFor(options)
  const server = net.createServer({ noDelay: true }, socket => {
    sockets.add(socket)
    // A client that resets is the client's business: it counts its errors itself.
    socket.on('error', () => {}).on('close', () => sockets.delete(socket))
    handle(socket)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host: options.host, port: 0, backlog }, resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        // By RST: nothing of it stays in TIME_WAIT.
        for (const socket of sockets) socket.resetAndDestroy()
      }),
  }
}

function handlerFor({ kind, requestBytes, responseBytes }: ServeOptions): (socket: net.Socket) => void {
  if (kind === 'stream') return handleStream
  if (kind === 'http') return handleHttp(responseBytes)
  const responses = Buffer.alloc(responseBytes * responsesAtOnce, 'r')
  // Made once: what most reads are answered with.
  const one = responses.subarray(0, responseBytes)
  return socket => {
    let got = 0
    socket.on('data', (chunk: Buffer) => {
      got += chunk.length
      if (got === requestBytes) {
        got = 0
        socket.write(one)
        return
      }
      let due = Math.floor(got / requestBytes)
      got %= requestBytes
      for (; due > 0; due -= responsesAtOnce) {
        socket.write(responses.subarray(0, responseBytes * Math.min(due, responsesAtOnce)))
      }
    })
  }
}

const bulk = Buffer.alloc(chunkBytes, 'd')

/** Taken by all servers of this process; there is one at a time. */
let bulkBytes = 0

const countBytes = (chunk: Buffer): void => {
  bulkBytes += chunk.length
}

function handleStream(socket: net.Socket): void {
  socket.once('data', (chunk: Buffer) => {
    if (chunk[0] === streamUp) {
      socket.on('data', countBytes)
      return
    }
    if (chunk[0] !== streamDown) {
      socket.destroy()
      return
    }
    const pump = (): void => {
      while (!socket.destroyed && socket.write(bulk));
    }
    socket.on('drain', pump)
    pump()
  })
}

/** For generators that speak HTTP only. A request without a body, which ends with an empty line. */
function handleHttp(responseBytes: number): (socket: net.Socket) => void {
  const response = Buffer.from(
    `HTTP/1.1 200 OK\r\nContent-Length: ${responseBytes}\r\n\r\n${'r'.repeat(responseBytes)}`,
  )
  return socket => {
    let tail = ''
    socket.on('data', (chunk: Buffer) => {
      const parts = (tail + chunk.toString('latin1')).split('\r\n\r\n')
      tail = parts.pop() ?? ''
      for (let due = parts.length; due > 0; due--) socket.write(response)
    })
  }
}

async function serveUdp({ host, responseBytes }: ServeOptions): Promise<Server> {
  const socket = udpSocket()
  const response = Buffer.alloc(responseBytes)
  // What can't be sent is lost, as datagrams are; the client counts what it misses.
  const sent = (): void => {}
  socket.on('error', sent)
  socket.on('message', (message, from) => {
    // The whole answer of a small request is the request: its number is in its first bytes.
    if (message.length === responseBytes) socket.send(message, from.port, from.address, sent)
    else {
      const answer = Buffer.from(response)
      message.copy(answer, 0, 0, Math.min(8, responseBytes))
      socket.send(answer, from.port, from.address, sent)
    }
  })
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject)
    socket.bind(0, host, () => resolve())
  })
  return {
    port: socket.address().port,
    close: () => new Promise(resolve => void socket.close(() => resolve())),
  }
}

/** Addresses are IP addresses here: nothing is looked up, not even with a turn of the event loop. */
export function udpSocket(): dgram.Socket {
  return dgram.createSocket({
    type: 'udp4',
    recvBufferSize: 4 * 1024 * 1024,
    sendBufferSize: 4 * 1024 * 1024,
    lookup: (host, _options, callback) => {
      callback(null, host, 4)
    },
  })
}
