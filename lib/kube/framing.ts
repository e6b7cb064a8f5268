// The framing of a watch stream: one JSON document per line. Chunks are cut anywhere, inside a UTF-8 sequence
// or between \r and \n; the values that come out never depend on where. A newline byte never occurs inside a
// UTF-8 sequence nor raw inside JSON, so the search for it works on bytes and only whole lines are decoded.

import { RelayError, reasonOf } from '../model/error.ts'

/**
 * The longest line taken. An object in etcd is at most 1.5 MiB by default; what is longer than this isn't a
 * watch event, and must not fill the memory.
 */
export const defaultMaxLineBytes = 64 * 1024 * 1024

const newline = 0x0a

export class LineFramer {
  readonly #maxLineBytes: number
  // The pieces of a line that hasn't ended yet. They are joined once, at its end: joining at every chunk would
  // make the cost of a long line quadratic.
  #pieces: Buffer[] = []
  #pendingBytes = 0

  constructor(maxLineBytes: number = defaultMaxLineBytes) {
    this.#maxLineBytes = maxLineBytes
  }

  /** Bytes of the unfinished line. What is left at the end of a stream was cut off and is to be discarded. */
  get pendingBytes(): number {
    return this.#pendingBytes
  }

  /**
   * Takes the next chunk and calls back with the value of each line that it completes, in order; blank lines have
   * none. Keeps a reference to the chunk's end, so the caller must not reuse its memory. After an error, from here
   * or from the callback, the framer can't be used any more.
   * @throws RelayError (API) on a line that isn't JSON or is too long
   */
  push(chunk: Uint8Array, onValue: (value: unknown) => void): void {
    const bytes = Buffer.isBuffer(chunk)
      ? chunk
      : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    let start = 0
    for (let end = bytes.indexOf(newline); end !== -1; end = bytes.indexOf(newline, start)) {
      this.#checkLength(end - start)
      const line = this.#take(bytes.subarray(start, end))
      start = end + 1
      if (!isBlank(line)) onValue(parse(line))
    }
    if (start < bytes.length) {
      this.#checkLength(bytes.length - start)
      this.#pieces.push(bytes.subarray(start))
      this.#pendingBytes += bytes.length - start
    }
  }

  #take(last: Buffer): string {
    if (this.#pendingBytes === 0) return last.toString('utf8')
    const line = Buffer.concat([...this.#pieces, last], this.#pendingBytes + last.length).toString('utf8')
    this.#pieces = []
    this.#pendingBytes = 0
    return line
  }

  #checkLength(more: number): void {
    if (this.#pendingBytes + more <= this.#maxLineBytes) return
    throw new RelayError('API', `the watch stream has a line of more than ${this.#maxLineBytes} bytes`)
  }
}

// \r is blank to JSON.parse as well, so \r\n needs no care of its own.
function isBlank(line: string): boolean {
  return line.length === 0 || /^[ \t\r]*$/.test(line)
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line) as unknown
  } catch (error) {
    throw new RelayError('API', `the watch stream has a line that isn't JSON: ${reasonOf(error)}`, {
      cause: error,
    })
  }
}
