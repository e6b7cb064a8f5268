// The byte path of a TCP connection: two sockets, each feeding the other. Per chunk there is one write and
// nothing else; handlers are made once per connection, and bytes are counted by the sockets themselves.
//
// Memory per connection is bounded: a socket that can't take more (its buffer holds a high-water mark's worth)
// stops the reading on the other side until it has drained.

import type { Socket } from 'node:net'
import type { Relay, RelayEnd } from '../../engine.ts'

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

  get halfClosed(): boolean {
    return this.#client.readableEnded !== this.#upstream.readableEnded
  }

  abort(): void {
    if (this.#open === 2) this.#end = 'aborted'
    this.#client.resetAndDestroy()
    this.#upstream.resetAndDestroy()
  }

  #forward(from: Socket, to: Socket, reset: RelayEnd): void {
    from.on('data', (chunk: Buffer) => {
      if (!to.write(chunk)) from.pause()
    })
    to.on('drain', () => from.resume())
    from.on('end', () => to.end())
    from.on('error', () => {
      if (this.#end === 'closed') this.#end = reset
      passResetOn(to)
    })
    from.on('close', () => {
      // Closed without an error and without an end of its own: destroyed by us, nothing more will come.
      if (!from.readableEnded && !to.destroyed) passResetOn(to)
      if (--this.#open === 0) this.#done(this.#end)
    })
  }
}

/**
 * Resets the other side, after what it was already given has left our buffers: a server that answers and then
 * resets (an upload refused half-way) has a client that wants to read the answer.
 */
function passResetOn(to: Socket): void {
  if (to.destroyed) return
  if (to.writableLength === 0 || to.writableEnded) to.resetAndDestroy()
  else to.write('', () => to.resetAndDestroy())
}
