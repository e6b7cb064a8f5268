// The byte path of a TCP connection: two sockets, each feeding the other. Per chunk there is one write and
// nothing else; handlers are made once per connection, and bytes are counted by the sockets themselves.
//
// Memory per connection is bounded: a socket that can't take more (its buffer holds a high-water mark's worth)
// stops the reading on the other side until it has drained.

import type { Socket } from 'node:net'
import type { Relay, RelayEnd, RelayOptions } from '../../engine.ts'
import { resetAfterWrites, resetSocket } from './conn.ts'

type Done = (end: RelayEnd, sent: Uint8Array | null) => void

export class NetRelay implements Relay {
  readonly #client: Socket
  readonly #upstream: Socket
  readonly #options: RelayOptions
  readonly #done: Done
  /** The client's bytes so far; null as soon as they are too many or the upstream has answered. */
  #kept: Buffer[] | null = null
  #keptBytes = 0
  #end: RelayEnd = 'closed'
  #open = 2
  readonly #letGoOfClient: () => void

  constructor(client: Socket, upstream: Socket, options: RelayOptions, done: Done) {
    this.#client = client
    this.#upstream = upstream
    this.#options = options
    this.#done = done
    if (options.prefix !== null) upstream.write(options.prefix)
    if (options.sent !== null && options.sent.length > 0) upstream.write(options.sent)
    if (options.keepBytes > 0) this.#keep(options.sent === null ? [] : [Buffer.from(options.sent)])
    this.#letGoOfClient = this.#followClient()
    this.#followUpstream()
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

  finish(): void {
    // The client is on its way to another upstream, and this relay has nothing left to end.
    if (this.#end === 'unanswered') return
    this.#kept = null
    this.#client.end()
    this.#upstream.end()
  }

  abort(): void {
    if (this.#end === 'unanswered') this.#open-- // The client has been let go of: its close isn't seen.
    if (this.#end !== 'client-reset' && this.#end !== 'upstream-reset') this.#end = 'aborted'
    this.#kept = null
    resetSocket(this.#client)
    resetSocket(this.#upstream)
  }

  /** Returns the function that takes the handlers off again, which leaves the client paused and as it was. */
  #followClient(): () => void {
    const client = this.#client
    const upstream = this.#upstream
    const onData = (chunk: Buffer): void => {
      if (this.#kept !== null) this.#keep([chunk])
      if (upstream.writableEnded) this.#talksOn(client)
      else if (!upstream.write(chunk)) client.pause()
    }
    const onDrain = (): void => void upstream.resume()
    const onEnd = (): void => void upstream.end()
    const onError = (): void => {
      if (this.#end === 'closed') this.#end = 'client-reset'
    }
    const onClose = (): void => this.#onClose(client, upstream)
    client.on('data', onData).on('drain', onDrain).on('end', onEnd).on('error', onError).on('close', onClose)
    // A client that is here for the second time may have said all it had to say, or be gone.
    if (client.destroyed) process.nextTick(onClose)
    else if (client.readableEnded) upstream.end()
    return () => {
      client
        .off('data', onData)
        .off('drain', onDrain)
        .off('end', onEnd)
        .off('error', onError)
        .off('close', onClose)
      client.pause()
    }
  }

  #followUpstream(): void {
    const client = this.#client
    const upstream = this.#upstream
    upstream.on('data', (chunk: Buffer) => {
      this.#kept = null
      if (client.writableEnded) this.#talksOn(upstream)
      else if (!client.write(chunk)) upstream.pause()
    })
    upstream.on('drain', () => client.resume())
    upstream.on('end', () => {
      if (!this.#offerRetry()) client.end()
    })
    upstream.on('error', () => {
      if (this.#offerRetry()) return
      if (this.#end === 'closed') this.#end = 'upstream-reset'
    })
    upstream.on('close', () => {
      if (this.#end === 'unanswered') this.#done('unanswered', Buffer.concat(this.#kept ?? []))
      else this.#onClose(upstream, client)
    })
  }

  /** True if the upstream's end goes no further: the client is let go of, and gets another try. */
  #offerRetry(): boolean {
    if (this.#end === 'unanswered') return true
    if (this.#kept === null || this.#client.destroyed || this.#end !== 'closed') return false
    if (!this.#options.mayRetry(Buffer.concat(this.#kept), this.#client.readableEnded)) {
      this.#kept = null
      return false
    }
    this.#end = 'unanswered'
    this.#letGoOfClient()
    this.#upstream.destroy()
    return true
  }

  #keep(chunks: readonly Buffer[]): void {
    this.#kept ??= []
    for (const chunk of chunks) {
      this.#kept.push(chunk)
      this.#keptBytes += chunk.length
    }
    if (this.#keptBytes > this.#options.keepBytes) this.#kept = null
  }

  /** After `finish`: the peer wasn't between two requests, and must know that its bytes are lost. */
  #talksOn(from: Socket): void {
    if (this.#end === 'closed') this.#end = 'aborted'
    resetSocket(from)
  }

  #onClose(from: Socket, to: Socket): void {
    // Anything but an end of both its directions is a reset, by its peer or by us. What the other side was
    // given before goes out first: a server that answers and resets has a client that wants to read the answer.
    if (!from.readableEnded || !from.writableFinished) resetAfterWrites(to)
    if (--this.#open === 0) this.#done(this.#end, null)
  }
}

function hasEnded(socket: Socket): boolean {
  return socket.readableEnded || socket.destroyed
}
