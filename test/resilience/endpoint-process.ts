// All endpoints of a test in one process: it listens on the wildcard address for TCP, so that every local address is
// an endpoint, answers with the address that it was reached at, echoes bulk data, and counts what it has received.
// UDP is bound per address, because a wildcard socket's answers leave from an address of the kernel's choice.

import dgram from 'node:dgram'
import { once } from 'node:events'
import net from 'node:net'
import { addressBytes, datagramPort, echoPort, requestPort, requestSize, responseFrame } from './frames.ts'

export type EndpointCommand =
  { readonly type: 'start'; readonly udp: readonly string[] } | { readonly type: 'report' }

export interface EndpointReport {
  readonly connections: number
  readonly openConnections: number
  readonly requests: number
  readonly echoedBytes: number
  readonly datagrams: number
}

const counts = { connections: 0, openConnections: 0, requests: 0, echoedBytes: 0, datagrams: 0 }
const addresses = new Map<string, Buffer>()

process.on('message', (command: EndpointCommand) => {
  if (command.type === 'start') void start(command.udp).then(report)
  else report()
})
process.on('disconnect', () => process.exit())

async function start(udp: readonly string[]): Promise<void> {
  for (const [port, use] of [
    [requestPort, answerRequests],
    [echoPort, echo],
  ] as const) {
    const server = net.createServer({ allowHalfOpen: true, noDelay: true }, socket => {
      counts.connections += 1
      counts.openConnections += 1
      socket.on('close', () => (counts.openConnections -= 1))
      // A client's reset is the client's business: it counts.
      socket.on('error', () => {})
      use(socket)
    })
    server.listen({ host: '0.0.0.0', port, backlog: 4096 })
    await once(server, 'listening')
  }
  for (const ip of udp) {
    const socket = dgram.createSocket({ type: 'udp4', recvBufferSize: 1 << 20 })
    const address = addressBytes(ip)
    socket.on('message', (request, from) => {
      counts.datagrams += 1
      socket.send(responseFrame(request, address), from.port, from.address)
    })
    socket.bind(datagramPort, ip)
    await once(socket, 'listening')
  }
}

function answerRequests(socket: net.Socket): void {
  const ip = socket.localAddress ?? '0.0.0.0'
  const address = addresses.get(ip) ?? addressBytes(ip)
  addresses.set(ip, address)
  let rest: Buffer = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    while (rest.length >= requestSize) {
      counts.requests += 1
      socket.write(responseFrame(rest.subarray(0, requestSize), address))
      rest = rest.subarray(requestSize)
    }
  })
  socket.on('end', () => socket.end())
}

function echo(socket: net.Socket): void {
  socket.on('data', (chunk: Buffer) => (counts.echoedBytes += chunk.length))
  socket.pipe(socket)
}

function report(): void {
  const message: EndpointReport = { ...counts }
  process.send?.(message)
}
