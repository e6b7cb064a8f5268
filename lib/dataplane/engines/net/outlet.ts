// The writing side of a socket: TCP_NODELAY only when it makes a difference, and no shutdown(2) before a close(2).

import type { Socket } from 'node:net'

/**
 * Bytes that fit into one segment on any path (RFC 9293, 3.7.1). Nagle's algorithm holds a small segment back only while
 * an earlier one is unacknowledged, so a socket that writes once, and no more than this, needs no TCP_NODELAY.
 */
const oneSegment = 536

export class Outlet {
  readonly #socket: Socket
  #written = false
  #noDelay = false
  #closed = false

  constructor(socket: Socket) {
    this.#socket = socket
  }

  /** False: the socket's buffer is full, and 'drain' comes when it is empty. */
  write(chunk: Uint8Array): boolean {
    if (!this.#noDelay) this.#beforeWrite(chunk.length)
    return this.#socket.write(chunk)
  }

  /** FIN after what was written. Where the peer has ended too, and all is written, the socket is closed at once. */
  end(): void {
    const socket = this.#socket
    if (socket.readableEnded && socket.writableLength === 0 && !socket.writableEnded) {
      this.#closed = true
      socket.destroy()
    } else {
      socket.end()
    }
  }

  /** Nothing more may be written. */
  get ended(): boolean {
    return this.#closed || this.#socket.writableEnded
  }

  /** The socket is closed, and its peer got everything and a FIN, as far as we know. */
  get finished(): boolean {
    return this.#closed || this.#socket.writableFinished
  }

  #beforeWrite(bytes: number): void {
    if (this.#written || bytes > oneSegment) {
      this.#noDelay = true
      this.#socket.setNoDelay(true)
    }
    this.#written = true
  }
}
