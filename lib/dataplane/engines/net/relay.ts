// The byte path of a TCP connection: two sockets, each feeding the other. Per chunk there is one write and
// nothing else; handlers are made once per connection, and bytes are counted by the sockets themselves.
//
// Memory per connection is bounded: a socket that can't take more (its buffer holds a high-water mark's worth)
// stops the reading on the other side until it has drained.

import type { Socket } from 'node:net'
import type { Relay, RelayEnd } from '../../engine.ts'
import { resetAfterWrites, resetSocket } from './conn.ts'

export class NetRelay implements Relay {
  readonly #client: Socket
  readonly #upstream: Socket
  readonly #done: (end: RelayEnd) => void
  #end: RelayEnd = 'closed'
  #open = 2

  constructor(client: Socket, upstream: Socket, head: Uint8Array | null, done: (end: RelayEnd) => void) {
    this.#client = client
    this.#upstream = upstream
    this.#done = done
    if (head !== null) upstream.write(head)
    this.#forward(client, upstream, 'client-reset')
    this.#forward(upstream, client, 'upstream-reset')
    client.resume()
    upstream.resume()
  }

  get bytesIn(): number {
    return this.#client.bytesRead
  }

  get bytesOut(): number {
    return this.#upstream.bytesRead
  }

  get buffered(): number {
    return this.#client.writableLength + this.#upstream.writableLength
  }

  get halfClosed(): boolean {
    return hasEnded(this.#client) || hasEnded(this.#upstream)
  }

  abort(): void {
    if (this.#end === 'closed') this.#end = 'aborted'
    resetSocket(this.#client)
    resetSocket(this.#upstream)
  }

  #forward(from: Socket, to: Socket, reset: RelayEnd): void {
    from.on('data', (chunk: Buffer) => {
      if (!to.write(chunk)) from.pause()
    })
    to.on('drain', () => from.resume())
    from.on('end', () => to.end())
    from.on('error', () => {
      if (this.#end === 'closed') this.#end = reset
    })
    from.on('close', () => {
      // Anything but an end of both its directions is a reset, by its peer or by us. What the other side was
      // given before goes out first: a server that answers and resets has a client that wants to read the answer.
      if (!from.readableEnded || !from.writableFinished) resetAfterWrites(to)
      if (--this.#open === 0) this.#done(this.#end)
    })
  }
}

function hasEnded(socket: Socket): boolean {
  return socket.readableEnded || socket.destroyed
}
