// TCP servers and clients for tests. Both keep their side half-open, so that a test sees each FIN for itself.

import { once } from 'node:events'
import net from 'node:net'
import type { Test } from 'tap'
import { formatAddress, parseAddress } from '../../lib/model/address.ts'
import { ownIp } from './addresses.ts'

/** Starts a server and returns its address ("ip:port"). Its sockets are destroyed when the test is over. */
export async function startServer(
  t: Test,
  onConnection: (socket: net.Socket) => void,
  options: { readonly host?: string; readonly port?: number; readonly pauseOnConnect?: boolean } = {},
): Promise<string> {
  const { host = ownIp(), port = 0, pauseOnConnect = false } = options
  const sockets = new Set<net.Socket>()
  const server = net.createServer({ allowHalfOpen: true, pauseOnConnect }, socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
    onConnection(socket)
  })
  server.listen({ host, port, backlog: 1024 })
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return formatAddress(host, (server.address() as net.AddressInfo).port)
}

/** A server that sends back what it gets, FIN included. */
export function startEcho(t: Test, host = ownIp()): Promise<string> {
  return startServer(t, socket => void socket.pipe(socket), { host })
}

/** A server that says its name to everyone and closes. */
export function startNamed(t: Test, name: string, host = ownIp()): Promise<string> {
  return startServer(t, socket => void socket.resume().end(name), { host })
}

/** A server whose connections the test gets one by one, with nothing read from them. */
export async function startManual(
  t: Test,
  host = ownIp(),
): Promise<{ readonly address: string; accept(): Promise<net.Socket> }> {
  const arrived: net.Socket[] = []
  const waiting: ((socket: net.Socket) => void)[] = []
  const address = await startServer(
    t,
    socket => {
      const next = waiting.shift()
      if (next) next(socket)
      else arrived.push(socket)
    },
    { host, pauseOnConnect: true },
  )
  return {
    address,
    async accept() {
      return arrived.shift() ?? (await new Promise<net.Socket>(resolve => waiting.push(resolve)))
    },
  }
}

/** A client socket, connecting, from a source address of the test's choice. Errors are for the test to look at (see `outcome`), and don't throw. */
export function open(t: Test, address: string, from?: string): net.Socket {
  const { ip, port } = parseAddress(address)
  const socket = net.connect({ host: ip, port, localAddress: from, allowHalfOpen: true, noDelay: true })
  socket.on('error', () => {})
  t.teardown(() => socket.destroy())
  return socket
}

export interface Outcome {
  /** What arrived until the end, in latin1. */
  readonly text: string
  /** "end" for a FIN, else the code of the error. */
  readonly end: string
}

/** Reads to the end of what the peer sends. */
export function outcome(socket: net.Socket): Promise<Outcome> {
  return new Promise(resolve => {
    const chunks: Buffer[] = []
    const done = (end: string): void => resolve({ text: Buffer.concat(chunks).toString('latin1'), end })
    // Perhaps it has all happened by now.
    if (socket.errored) return done((socket.errored as NodeJS.ErrnoException).code ?? socket.errored.message)
    if (socket.readableEnded) return done('end')
    socket.on('data', (chunk: Buffer) => void chunks.push(chunk))
    socket.on('end', () => done('end'))
    socket.on('error', (error: NodeJS.ErrnoException) => done(error.code ?? error.message))
    socket.resume()
  })
}

/** Connects, sends, closes its direction and reads the whole answer. */
export function ask(t: Test, address: string, question = ''): Promise<Outcome> {
  return askFrom(t, undefined, address, question)
}

/** The same, from this source address. */
export async function askFrom(
  t: Test,
  from: string | undefined,
  address: string,
  question = '',
): Promise<Outcome> {
  const socket = open(t, address, from)
  const answer = outcome(socket)
  socket.end(question)
  const result = await answer
  socket.destroy()
  return result
}

/** The error code of a connect that must fail, or "connected". */
export function connectOutcome(t: Test, address: string): Promise<string> {
  const socket = open(t, address)
  return new Promise(resolve => {
    socket.on('connect', () => resolve('connected'))
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
  })
}
