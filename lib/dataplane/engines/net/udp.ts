// UDP on node:dgram: one bound socket per frontend, one connected socket per flow, and one at the frontend's address for
// a client that must keep its flow when the frontend's socket goes or another process opens one there. Binds, connects
// and sends are synchronous, because the addresses are IPs and the `lookup` given to dgram calls back at once.

import dgram from 'node:dgram'
import type { Address } from '../../../model/address.ts'
import type { UdpListener, UdpPeer } from '../../engine.ts'
import { inNamespace } from './namespace.ts'

/** Asked of the kernel, which caps it at net.core.rmem_max: room for a burst while the loop is busy. */
const recvBufferSize = 1 << 20

/** Bytes that may wait in a socket's send queue before datagrams are dropped, as a full kernel buffer would. */
const maxSendQueueBytes = 1 << 20

/** Errors of a send that tell of the endpoint. Any other one (ENOBUFS, EMSGSIZE) has cost this datagram only. */
const unreachable = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH'])

type OnDatagram = (data: Uint8Array, ip: string, port: number) => void

/** `namespace`: the path of the network namespace to bind in; null: this process's own. */
export async function bindUdp(
  at: Address,
  onDatagram: OnDatagram,
  onError: (error: Error) => void,
  namespace: string | null = null,
): Promise<UdpListener> {
  const socket = inNamespace(namespace, () => bound(at, true))
  socket.on('error', onError)
  socket.on('message', (data, from) => onDatagram(data, from.address, from.port))
  const { address, port } = socket.address()
  let open = true
  let retired = false
  return {
    address: { ip: address, port },
    send(data, ip, port) {
      if (open && !retired && socket.getSendQueueSize() < maxSendQueueBytes) socket.send(data, port, ip)
    },
    retire(closed) {
      if (!open || retired) return
      retired = true
      // Connected to itself, it is no listener to anyone any more, but keeps what it has received: closing it at once
      // would lose that.
      socket.connect(port, address)
      whenRead(socket, () => {
        if (!open) return
        open = false
        socket.close()
        closed()
      })
    },
    close() {
      if (open) socket.close()
      open = false
    },
  }
}

export function connectUdp(
  at: Address,
  client: Address,
  onDatagram: OnDatagram,
  onError: (error: Error) => void,
  namespace: string | null = null,
): UdpPeer {
  const socket = inNamespace(namespace, () => bound(at, true))
  // Before it is connected, it is one more listener: what it gets in between is someone else's.
  socket.on('message', (data, from) => onDatagram(data, from.address, from.port))
  socket.on('error', onError)
  socket.connect(client.port, client.ip)
  const connected = isConnected(socket)
  let open = true
  return {
    send(data) {
      if (connected && open && socket.getSendQueueSize() < maxSendQueueBytes) socket.send(data)
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
): UdpPeer {
  // Bound first: dgram's own implicit bind would lose its error (EMFILE) and never close the socket.
  const socket = bound({ ip: to.ip.includes(':') ? '::' : '0.0.0.0', port: 0 }, false)
  let open = true
  const fail = (error: Error): void => {
    if (open) onError(error)
  }
  const sent = (error: NodeJS.ErrnoException | null): void => {
    if (error !== null && unreachable.has(error.code ?? '')) fail(error)
  }
  // An ICMP refusal is handed out once only, to a receive or to the next send; the latter tells it to a callback, which
  // costs. So a send has one where the one before it was not answered: only then there may be a refusal to hear of.
  let answered = true
  socket.on('error', fail)
  socket.on('message', data => {
    answered = true
    onDatagram(data)
  })
  socket.connect(to.port, to.ip)
  const connected = isConnected(socket)
  return {
    send(data) {
      if (!connected || !open || socket.getSendQueueSize() >= maxSendQueueBytes) return
      if (answered) socket.send(data)
      else socket.send(data, sent)
      answered = false
    },
    close() {
      if (open) socket.close()
      open = false
    },
  }
}

/** A bound socket. Throws the system's error, with nothing left open. */
function bound(at: Address, reusePort: boolean): dgram.Socket {
  const v6 = at.ip.includes(':')
  const socket = dgram.createSocket({
    type: v6 ? 'udp6' : 'udp4',
    ipv6Only: v6,
    reusePort,
    recvBufferSize,
    lookup: v6 ? sixLookup : fourLookup,
  })
  let failure: Error | null = null
  const onError = (error: Error): void => void (failure = error)
  socket.on('error', onError)
  socket.bind({ address: at.ip, port: at.port, exclusive: true })
  socket.off('error', onError)
  if (failure !== null) {
    socket.close()
    throw failure
  }
  return socket
}

/** Calls back when a whole turn of the loop has found nothing more to read. */
function whenRead(socket: dgram.Socket, done: () => void): void {
  let seen = 0
  socket.on('message', () => seen++)
  const look = (before: number): void => {
    if (seen === before) done()
    else setImmediate(look, seen)
  }
  setImmediate(() => setImmediate(look, seen))
}

/** A connect that failed (no route) is reported as an 'error' in the next tick; until then nothing may be sent. */
function isConnected(socket: dgram.Socket): boolean {
  try {
    socket.remoteAddress()
    return true
  } catch {
    return false
  }
}

type LookupCallback = (error: NodeJS.ErrnoException | null, address: string, family: number) => void

function fourLookup(hostname: string, _options: object, callback: LookupCallback): void {
  callback(null, hostname, 4)
}

function sixLookup(hostname: string, _options: object, callback: LookupCallback): void {
  callback(null, hostname, 6)
}
