// What is behind the contestants in their tests: a TCP server and a UDP server that answer with their own name, and
// clients that ask them through an address.

import dgram from 'node:dgram'
import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import type { Test } from 'tap'
import type { Contestant, Route, RunningContestant, Setup } from '../../../bench/contestant.ts'
import { freeAddress } from '../../../bench/load/free-port.ts'
import type { Address } from '../../../lib/model/address.ts'

const host = '127.0.0.1'

/** Answers each chunk or datagram with "NAME:" and what it got. */
export async function startServer(t: Test, protocol: Route['protocol'], name: string): Promise<Address> {
  if (protocol === 'UDP') {
    const socket = dgram.createSocket('udp4')
    socket.on('message', (message, { address, port }) =>
      socket.send(`${name}:${message.toString()}`, port, address),
    )
    socket.bind(0, host)
    await once(socket, 'listening')
    t.teardown(() => socket.close())
    return { ip: host, port: socket.address().port }
  }
  const sockets = new Set<net.Socket>()
  const server = net.createServer(socket => {
    sockets.add(socket.on('error', () => {}))
    socket.on('data', chunk => socket.write(`${name}:${chunk.toString()}`))
  })
  server.listen(0, host)
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return { ip: host, port: (server.address() as AddressInfo).port }
}

export async function routeTo(protocol: Route['protocol'], server: Address): Promise<Route> {
  return { protocol, server, listen: await freeAddress(protocol) }
}

/** What comes back for "ping" through this address. */
export function ask(t: Test, protocol: Route['protocol'], at: Address): Promise<string> {
  return protocol === 'TCP' ? askTcp(t, at) : askUdp(t, at)
}

async function askTcp(t: Test, at: Address): Promise<string> {
  const socket = net.connect({ host: at.ip, port: at.port })
  t.teardown(() => socket.destroy())
  socket.write('ping')
  const [chunk] = (await once(socket, 'data')) as [Buffer]
  // Whoever is in between may be ended before it has closed its side.
  socket.on('error', () => {}).destroy()
  return chunk.toString()
}

async function askUdp(t: Test, at: Address): Promise<string> {
  const socket = dgram.createSocket('udp4')
  // A datagram may get lost where a proxy only begins to listen.
  const again = setInterval(() => socket.send('ping', at.port, at.ip), 500)
  t.teardown(() => clearInterval(again))
  socket.send('ping', at.port, at.ip)
  const [message] = (await once(socket, 'message')) as [Buffer]
  clearInterval(again)
  socket.close()
  return message.toString()
}

/** Started for the test, and ended with it. */
export async function startFor(t: Test, contestant: Contestant, setup: Setup): Promise<RunningContestant> {
  const running = await contestant.start(setup)
  t.teardown(() => running.stop())
  return running
}
