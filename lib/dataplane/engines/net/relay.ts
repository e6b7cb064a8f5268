// The byte path of a TCP connection: two sockets, each feeding the other. Per chunk there is one write and
// nothing else; handlers are made once per connection, and bytes are counted by the sockets themselves.
//
// Memory per connection is bounded: a socket that can't take more stops the reading on the other side until it has
// drained.

import type { Socket } from 'node:net'
import type { Relay, RelayEnd, RelayOptions } from '../../engine.ts'
import { resetAfterWrites, resetSocket } from './conn.ts'
import { takeChunks } from './inlet.ts'
import { keepAliveLater } from './keep-alive.ts'
import { Outlet } from './outlet.ts'
import { UpstreamSocket } from './upstream-socket.ts'

type Done = (end: RelayEnd, sent: Uint8Array | null) => void

const nothing = Buffer.alloc(0)

/** Of what is kept for another try: a request that dribbles in byte by byte costs far more than its bytes. */
const mostKept = 128

export class NetRelay implements Relay {
  readonly #client: Socket
  readonly #upstream: Socket
  readonly #toClient: Outlet
  readonly #toUpstream: Outlet
  readonly #options: RelayOptions
  readonly #done: Done
  /** The client's bytes so far; null as soon as they are too many or the upstream has answered. */
  #kept: Buffer[] | null = null
  #keptBytes = 0
  #end: RelayEnd = 'closed'
  #open = 2
  readonly #letGoOfClient: () => void
  readonly #forgetKeepAlive: () => void

  constructor(client: Socket, upstream: Socket, options: RelayOptions, done: Done) {
    this.#client = client
    this.#upstream = upstream
    this.#toClient = new Outlet(client)
    this.#toUpstream = new Outlet(upstream)
    this.#options = options
    this.#done = done
    if (options.prefix !== null) this.#toUpstream.write(options.prefix)
    if (options.sent !== null && options.sent.length > 0) this.#toUpstream.write(options.sent)
    if (options.keepBytes > 0) this.#keep(options.sent === null ? [] : [Buffer.from(options.sent)])
    this.#letGoOfClient = this.#followClient()
    this.#followUpstream()
    this.#forgetKeepAlive = keepAliveLater([client, upstream])
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
    this.#toClient.end()
    this.#toUpstream.end()
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
    const to = this.#toUpstream
    const letGo = takeChunks(client, chunk => {
      if (this.#kept !== null) this.#keep([chunk])
      if (!to.ended) return to.write(chunk)
      this.#talksOn(client)
      return false
    })
    const onEnd = (): void => to.end()
    const onError = (): void => {
      if (this.#end === 'closed') this.#end = 'client-reset'
    }
    const onClose = (): void => this.#onClose(client, this.#toClient, this.#upstream)
    client.on('end', onEnd).on('error', onError).on('close', onClose)
    // A client that is here for the second time may have said all it had to say, or be gone; if it went just now, its
    // 'close' is still to come.
    if (client.destroyed) {
      if (client.errored) this.#end = 'client-reset'
      client.off('close', onClose)
      process.nextTick(onClose)
    } else if (client.readableEnded) to.end()
    return () => {
      letGo()
      client.off('end', onEnd).off('error', onError).off('close', onClose)
    }
  }

  #followUpstream(): void {
    const client = this.#client
    const upstream = this.#upstream
    const to = this.#toClient
    const goOn = (): void => void upstream.resume()
    const take = (chunk: Buffer): boolean => {
      this.#kept = null
      if (to.ended) {
        this.#talksOn(upstream)
        return false
      }
      to.write(chunk)
      if (client.writableLength === 0) return true
      // 'drain' comes only of a full buffer; this comes when what is in there has been written.
      client.write(nothing, goOn)
      return false
    }
    if (upstream instanceof UpstreamSocket) upstream.takeChunks(take)
    else takeChunks(upstream, take)
    upstream.on('drain', () => client.resume())
    upstream.on('end', () => {
      if (!this.#offerRetry()) to.end()
    })
    upstream.on('error', () => {
      if (this.#offerRetry()) return
      if (this.#end === 'closed') this.#end = 'upstream-reset'
    })
    upstream.on('close', () => {
      if (this.#end !== 'unanswered') return this.#onClose(upstream, this.#toUpstream, client)
      this.#forgetKeepAlive()
      this.#done('unanswered', Buffer.concat(this.#kept ?? []))
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
    if (this.#keptBytes > this.#options.keepBytes || this.#kept.length > mostKept) this.#kept = null
  }

  /** After `finish`: the peer wasn't between two requests, and must know that its bytes are lost. */
  #talksOn(from: Socket): void {
    if (this.#end === 'closed') this.#end = 'aborted'
    resetSocket(from)
  }

  #onClose(from: Socket, outlet: Outlet, to: Socket): void {
    // Anything but an end of both its directions is a reset, by its peer or by us. What the other side was
    // given before goes out first: a server that answers and resets has a client that wants to read the answer.
    if (!from.readableEnded || !outlet.finished) resetAfterWrites(to)
    if (--this.#open > 0) return
    this.#forgetKeepAlive()
    this.#done(this.#end, null)
  }
}

function hasEnded(socket: Socket): boolean {
  return socket.readableEnded || socket.destroyed
}
