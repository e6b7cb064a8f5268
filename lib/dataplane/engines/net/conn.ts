// What an opaque Conn is to this engine: a net.Socket that has been given its error handler.

import type { Socket } from 'node:net'
import type { Conn } from '../../engine.ts'

/** Hands a socket over the seam. From here on a late error on it can't throw, whoever holds it. */
export function asConn(socket: Socket): Conn {
  socket.on('error', ignore)
  return socket as unknown as Conn
}

export function asSocket(conn: Conn): Socket {
  return conn as unknown as Socket
}

/** The relay listens for errors itself; before and after it there is nothing left to do with one. */
function ignore(): void {}
