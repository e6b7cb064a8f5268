// UDP on node:dgram: one bound socket per frontend, one connected socket per flow. Sends and connects are
// synchronous, because the addresses are IPs and the `lookup` given to dgram calls back at once.

import dgram from 'node:dgram'
import type { Address } from '../../../model/address.ts'
import type { UdpListener, UdpUpstream } from '../../engine.ts'

/** Asked of the kernel, which caps it at net.core.rmem_max: room for a burst while the loop is busy. */
const recvBufferSize = 1 << 20

/** Bytes that may wait in a socket's send queue before datagrams are dropped, as a full kernel buffer would. */
const maxSendQueueBytes = 1 << 20

type OnDatagram = (data: Uint8Array, ip: string, port: number) => void

export async function bindUdp(
  at: Address,
  onDatagram: OnDatagram,
  onError: (error: Error) => void,
): Promise<UdpListener> {
  const socket = createSocket(at.ip, true)
  await new Promise<void>((resolve, reject) => {
    socket.once('error', error => {
      socket.close()
      reject(error)
    })
    socket.bind({ address: at.ip, port: at.port, exclusive: true }, () => {
      socket.removeAllListeners('error')
      resolve()
    })
  })
  socket.on('error', onError)
  socket.on('message', (data, from) => onDatagram(data, from.address, from.port))
  const { address, port } = socket.address()
  let open = true
  return {
    address: { ip: address, port },
    send(data, ip, port) {
      if (open && socket.getSendQueueSize() < maxSendQueueBytes) socket.send(data, port, ip, ignoreError)
    },
    close() {
      if (open) socket.close()
      open = false
    },
  }
}

export function openUdp(
  to: Address,
  onDatagram: (data: Uint8Array) => void,
  onError: (error: Error) => void,
): UdpUpstream {
  const socket = createSocket(to.ip, false)
  let open = true
  // Before connect: a failure to connect (no descriptor, no route) is emitted, not thrown.
  socket.on('error', onError)
  socket.on('message', onDatagram)
  socket.connect(to.port, to.ip)
  return {
    send(data) {
      if (open && socket.getSendQueueSize() < maxSendQueueBytes) socket.send(data, ignoreError)
    },
    close() {
      if (open) socket.close()
      open = false
    },
  }
}

function createSocket(ip: string, reusePort: boolean): dgram.Socket {
  const v6 = ip.includes(':')
  return dgram.createSocket({
    type: v6 ? 'udp6' : 'udp4',
    ipv6Only: v6,
    reusePort,
    recvBufferSize,
    lookup: v6 ? sixLookup : fourLookup,
  })
}

type LookupCallback = (error: NodeJS.ErrnoException | null, address: string, family: number) => void

function fourLookup(hostname: string, _options: object, callback: LookupCallback): void {
  callback(null, hostname, 4)
}

function sixLookup(hostname: string, _options: object, callback: LookupCallback): void {
  callback(null, hostname, 6)
}

/** A datagram that can't be sent is lost, as datagrams may be; given so that dgram doesn't emit it as an error. */
function ignoreError(): void {}
