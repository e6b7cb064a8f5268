// A TCP listener on node:net. It is `open` (a server accepts), `held` (the server is closed, a duplicate
// descriptor keeps the listening socket and its backlog alive) or `closed`.

import { closeSync } from 'node:fs'
import net from 'node:net'
import type { Address } from '../../../model/address.ts'
import { RelayError } from '../../../model/error.ts'
import type { Conn, TcpListener } from '../../engine.ts'
import { asConn, withoutZone } from './conn.ts'
import { duplicate, keepSpareDescriptor } from './descriptor.ts'
import { inNamespace } from './namespace.ts'

/** Connections that wait in the kernel; it caps this at net.core.somaxconn. */
const backlog = 4096

export interface TcpHandlers {
  readonly onConnection: (client: Conn, peer: Address) => void
  readonly onError: (error: Error) => void
}

type State =
  | { readonly name: 'open'; readonly server: net.Server; readonly fd: number | null }
  | { readonly name: 'held'; readonly fd: number }
  | { readonly name: 'closed' }

export class NetTcpListener implements TcpListener {
  readonly address: Address
  readonly #handlers: TcpHandlers
  #state: State

  private constructor(address: Address, handlers: TcpHandlers, server: net.Server, fd: number | null) {
    this.address = address
    this.#handlers = handlers
    this.#state = { name: 'open', server, fd }
  }

  /** `namespace`: the path of the network namespace to listen in; null: this process's own. */
  static async open(
    at: Address,
    handlers: TcpHandlers,
    namespace: string | null = null,
  ): Promise<NetTcpListener> {
    keepSpareDescriptor()
    const server = createServer(handlers)
    const options = { host: at.ip, port: at.port, reusePort: true, ipv6Only: at.ip.includes(':') }
    const bound = bind(options, namespace)
    const fd = bound?.fd() ?? null
    await listening(server, () => {
      if (bound) server.listen(bound, backlog)
      else server.listen({ ...options, backlog })
    })
    server.on('error', handlers.onError)
    const { address, port } = server.address() as net.AddressInfo
    return new NetTcpListener({ ip: address, port }, handlers, server, fd)
  }

  pause(): 'held' | 'shedding' {
    if (this.#state.name !== 'open') return 'held'
    const { server, fd } = this.#state
    const copy = fd === null ? null : duplicate(fd)
    if (copy === null) return 'shedding'
    server.close()
    keepSpareDescriptor()
    this.#state = { name: 'held', fd: copy }
    return 'held'
  }

  resume(): void {
    if (this.#state.name !== 'held') return
    const { fd } = this.#state
    const server = createServer(this.#handlers)
    server.on('error', this.#handlers.onError)
    server.listen({ fd }, backlog)
    // The server owns the descriptor now and has closed it if listening failed (which is then reported).
    this.#state = server.listening ? { name: 'open', server, fd } : { name: 'closed' }
  }

  close(): void {
    if (this.#state.name === 'open') this.#state.server.close()
    if (this.#state.name === 'held') closeSync(this.#state.fd)
    this.#state = { name: 'closed' }
  }
}

/**
 * A BoundSocket (Node 26) binds at once, as a namespace needs it, and tells its descriptor, which `pause` needs. Null
 * without it: the listener can only shed then.
 */
function bind(options: net.BoundSocketOptions, namespace: string | null): net.BoundSocket | null {
  if (namespace !== null && !net.BoundSocket) {
    throw new RelayError('VIP', `listening in ${namespace} needs Node.js 26 or later`)
  }
  return net.BoundSocket ? inNamespace(namespace, () => new net.BoundSocket(options)) : null
}

function createServer({ onConnection }: TcpHandlers): net.Server {
  return net.createServer(
    // pauseOnConnect: nothing is read before the relay begins, so a retry on another endpoint loses nothing.
    // TCP_NODELAY and keep-alive are the relay's business, who knows when they are needed.
    { allowHalfOpen: true, pauseOnConnect: true },
    socket => {
      // remoteAddress is undefined when the client was gone before we asked; nobody is left to serve.
      const { remoteAddress, remotePort } = socket
      if (remoteAddress === undefined || remotePort === undefined) socket.destroy()
      else onConnection(asConn(socket), { ip: withoutZone(remoteAddress), port: remotePort })
    },
  )
}

function listening(server: net.Server, start: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.once('listening', () => {
      server.off('error', reject)
      resolve()
    })
    start()
  })
}
