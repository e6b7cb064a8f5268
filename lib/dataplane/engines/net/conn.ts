// What an opaque Conn is to this engine: a net.Socket that has been given its error handler.

import type { Socket } from 'node:net'
import type { Conn } from '../../engine.ts'

/** Hands a socket over the seam. From here on a late error on it can't throw, whoever holds it. */
export function asConn(socket: Socket): Conn {
  socket.on('error', ignore)
  return socket as unknown as Conn
}

/** Node tells the zone of a link-local address; an Address has none. */
export function withoutZone(ip: string): string {
  const zone = ip.indexOf('%')
  return zone < 0 ? ip : ip.slice(0, zone)
}

export function asSocket(conn: Conn): Socket {
  return conn as unknown as Socket
}

/**
 * Closes with RST; what was not sent yet is dropped. Between `end()` and 'finish' libuv refuses to reset
 * (uv_tcp_close_reset: EINVAL) and Node then forgets the handle without closing it, which leaks the descriptor:
 * so the reset waits for the FIN, which needs nothing of the peer once our own buffer is empty.
 */
export function resetSocket(socket: Socket): void {
  if (socket.destroyed) return
  const sendingFin = socket.writableEnded && !socket.writableFinished && socket.writableLength === 0
  if (sendingFin) socket.once('finish', () => socket.resetAndDestroy())
  else socket.resetAndDestroy()
}

/**
 * As resetSocket, but after all that was written has left our buffer, however long the peer takes to read it. What
 * the kernel then still holds unsent is lost, as with any reset: node:net doesn't tell how much that is.
 */
export function resetAfterWrites(socket: Socket): void {
  if (socket.writableLength === 0) resetSocket(socket)
  else if (socket.writableEnded) socket.once('finish', () => resetSocket(socket))
  else socket.write('', () => resetSocket(socket))
}

/** The relay listens for errors itself; before and after it there is nothing left to do with one. */
function ignore(): void {}
