// The servers of a test pod, TCP and UDP. Each answer says which server it is and where it saw the client; what follows
// the line "echo" on a TCP connection, and every UDP datagram other than "who", comes back as it is.

import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import type { ServeOptions } from './place-protocol.ts'
import { readProxyHeader } from './proxy-header.ts'

export interface RunningServer {
  /** Its port refuses once this resolves; connections are reset, as when a pod is killed. */
  stop(): Promise<void>
}

/** A server's answer: one line of JSON. */
export interface Who {
  readonly server: string
  readonly clientIp: string
  readonly clientPort: number
}

export const whoRequest = 'who'
export const echoRequest = 'echo'

export async function startServer(options: ServeOptions): Promise<RunningServer> {
  return options.protocol === 'TCP' ? startTcp(options) : startUdp(options)
}

async function startTcp(options: ServeOptions): Promise<RunningServer> {
  const { ip, port } = options
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true, noDelay: true }, socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    answerLines(socket, options)
  })
  server.listen({ host: ip, port, ipv6Only: ip.includes(':') })
  await once(server, 'listening')
  return {
    stop: async () => {
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.resetAndDestroy()
      await closed
    },
  }
}

function answerLines(socket: Socket, { server, proxyProtocol = false }: ServeOptions): void {
  const { remoteAddress = '', remotePort = 0 } = socket
  let client = proxyProtocol ? null : { clientIp: remoteAddress, clientPort: remotePort }
  let rest: Buffer = Buffer.alloc(0)
  const readClient = (): typeof client => {
    const header = readProxyHeader(rest)
    if (header === null) return null
    const { clientIp, clientPort, bytes } = header
    rest = rest.subarray(bytes)
    return { clientIp, clientPort }
  }
  const onEnd = (): void => {
    socket.end()
  }
  const onData = (chunk: Buffer): void => {
    rest = Buffer.concat([rest, chunk])
    try {
      client ??= readClient()
    } catch (error) {
      // The client sees a reset, whoever looks at the output sees why.
      process.stderr.write(`${server}: ${String(error)}\n`)
      socket.resetAndDestroy()
      return
    }
    if (client === null) return
    for (let end = rest.indexOf('\n'); end !== -1; end = rest.indexOf('\n')) {
      const line = rest.toString('latin1', 0, end)
      rest = rest.subarray(end + 1)
      socket.write(`${JSON.stringify({ server, ...client } satisfies Who)}\n`)
      if (line !== echoRequest) continue
      socket.off('data', onData).off('end', onEnd)
      socket.write(rest)
      socket.pipe(socket)
      return
    }
  }
  socket.on('data', onData).on('end', onEnd)
}

async function startUdp({ server: name, ip, port }: ServeOptions): Promise<RunningServer> {
  const ipv6 = ip.includes(':')
  const socket = createSocket({ type: ipv6 ? 'udp6' : 'udp4', ipv6Only: ipv6 })
  socket.on('message', (message, peer) => {
    const who: Who = { server: name, clientIp: peer.address, clientPort: peer.port }
    const asked = message.toString('latin1') === whoRequest
    // A client that is gone by now is no error of the server's.
    socket.send(asked ? JSON.stringify(who) : message, peer.port, peer.address, () => {})
  })
  socket.bind(port, ip)
  await once(socket, 'listening')
  socket.on('error', () => {})
  return {
    stop: async () => {
      const closed = once(socket, 'close')
      socket.close()
      await closed
    },
  }
}
