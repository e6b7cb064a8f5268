// UDP servers and clients for tests.

import dgram from 'node:dgram'
import { once } from 'node:events'
import type { Test } from 'tap'
import { familyOf, formatAddress, parseAddress } from '../../lib/model/address.ts'
import { ownIp } from './addresses.ts'

/** Sends back what `reply` makes of each datagram, or nothing where that is null. Returns its address. */
export async function startUdpServer(
  t: Test,
  reply: (data: Buffer) => Buffer | string | null,
  host = ownIp(),
): Promise<string> {
  const socket = dgram.createSocket({ type: typeOf(host), recvBufferSize: 4 << 20 })
  t.teardown(() => socket.close())
  socket.on('message', (data, from) => {
    const answer = reply(data)
    if (answer !== null) socket.send(answer, from.port, from.address)
  })
  socket.bind(0, host)
  await once(socket, 'listening')
  return formatAddress(host, socket.address().port)
}

/** A client socket, connected where an address is given. */
export async function udpClient(t: Test, connectTo?: string, host?: string): Promise<dgram.Socket> {
  const to = connectTo === undefined ? null : parseAddress(connectTo)
  const socket = dgram.createSocket({ type: typeOf(host ?? to?.ip ?? '127.0.0.1'), recvBufferSize: 4 << 20 })
  t.teardown(() => socket.close())
  socket.bind(0, host)
  await once(socket, 'listening')
  if (to !== null) {
    socket.connect(to.port, to.ip)
    await once(socket, 'connect')
  }
  return socket
}

export interface UdpAnswer {
  readonly data: Buffer
  readonly text: string
  /** Where it came from ("ip:port"). */
  readonly from: string
}

/** Sends a datagram and waits for the next one that arrives. */
export async function askUdp(
  socket: dgram.Socket,
  address: string,
  data: Buffer | string,
): Promise<UdpAnswer> {
  const answer = nextDatagram(socket)
  sendUdp(socket, address, data)
  return answer
}

export function nextDatagram(socket: dgram.Socket): Promise<UdpAnswer> {
  return new Promise(resolve =>
    socket.once('message', (data, from) =>
      resolve({ data, text: data.toString('latin1'), from: formatAddress(from.address, from.port) }),
    ),
  )
}

export function sendUdp(socket: dgram.Socket, address: string, data: Buffer | string): void {
  const { ip, port } = parseAddress(address)
  socket.send(data, port, ip)
}

function typeOf(ip: string): 'udp4' | 'udp6' {
  return familyOf(ip) === 'IPv4' ? 'udp4' : 'udp6'
}
