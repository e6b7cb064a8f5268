// A socket towards an endpoint. It reads without allocating: into one buffer that all of them share, from which small
// chunks are copied, and into a buffer of its own while it reads in bulk.
//
// Invariant: nobody reads into a buffer of which something is still to be written: a chunk that was not taken whole
// stops the reading.

import net from 'node:net'

/** Says whether the chunk has been written whole; if not, reading stops until the socket's `resume`. */
export type Take = (chunk: Buffer) => boolean

/** Up to here, copying costs less than a buffer of one's own is worth. */
const smallBytes = 16 * 1024
/** Fewer system calls than with libuv's 64 KiB, and still within a core's cache. */
const ownBytes = 128 * 1024
/** So many small chunks in a row, and it isn't bulk any more. */
const calmAfter = 8
const mostSpare = 32
/** A connection keeps its own while it idles after bulk: so many have one (32 MiB), and the others copy. */
const mostLent = 256

const shared = Buffer.allocUnsafeSlow(64 * 1024)
const spare: Buffer[] = []
let lent = 0

/** What is read of one socket, and into which buffer. */
class Inflow {
  take: Take = () => false
  #buffer: Buffer = shared
  #smallInARow = 0
  /** Of the buffer that is read into, nothing waits to be written. */
  #isFree = true

  /** Where the next read goes to, if that has changed. */
  readonly nextBuffer = (): Buffer => this.#next as Buffer
  #next: Buffer | undefined = shared

  readonly onRead = (bytes: number): boolean => {
    this.#next = undefined
    const small = bytes <= smallBytes
    if (this.#buffer === shared) {
      if (!small && lent < mostLent) this.#readInto(lend())
      return this.take(Buffer.from(shared.subarray(0, bytes)))
    }
    const buffer = this.#buffer
    this.#isFree = this.take(buffer.subarray(0, bytes))
    this.#smallInARow = small ? this.#smallInARow + 1 : 0
    if (this.#smallInARow >= calmAfter && this.#isFree) {
      this.#smallInARow = 0
      this.#readInto(shared)
      takeBack(buffer)
    }
    return this.#isFree
  }

  close(): void {
    if (this.#buffer !== shared) takeBack(this.#isFree ? this.#buffer : null)
    this.#buffer = shared
    this.take = () => false
  }

  #readInto(buffer: Buffer): void {
    this.#buffer = buffer
    this.#next = buffer
  }
}

function lend(): Buffer {
  lent++
  return spare.pop() ?? Buffer.allocUnsafeSlow(ownBytes)
}

/** null: something in it is still to be written, so nobody gets it any more. */
function takeBack(buffer: Buffer | null): void {
  lent--
  if (buffer !== null && spare.length < mostSpare) spare.push(buffer)
}

export class UpstreamSocket extends net.Socket {
  readonly #inflow: Inflow

  constructor() {
    const inflow = new Inflow()
    super({
      allowHalfOpen: true,
      onread: { buffer: inflow.nextBuffer, callback: inflow.onRead },
    })
    this.#inflow = inflow
    this.once('close', () => inflow.close())
  }

  /** From now on, what is read goes to `take`. Nothing is read before the socket is resumed. */
  takeChunks(take: Take): void {
    this.#inflow.take = take
  }
}
