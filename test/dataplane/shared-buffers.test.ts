// What is read from endpoints comes by buffers that connections share or pass on to each other. Nobody's bytes may turn
// up with another client, whatever the sizes of the chunks are, however slow the clients, and whoever goes in the middle.

import type { Socket } from 'node:net'
import { setImmediate as turn, setTimeout } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { freeAddress } from './addresses.ts'
import { engines } from './engines.ts'
import { TestPlane } from './plane.ts'
import { tcpService } from './table.ts'
import { open, startServer } from './tcp.ts'

const connections = 30
/** Far more than the kernel takes for a client that doesn't read. */
const bulk = 6 << 20

/** A stream of bytes that is its number's alone: each place in it tells whose it is and how far on. */
function pattern(number: number): Buffer {
  const bytes = Buffer.allocUnsafe(1 << 16)
  for (let at = 0; at < bytes.length; at += 4) bytes.writeUInt32BE(number * 0x10000 + at, at)
  return bytes
}

const patterns = Array.from({ length: 2 * connections }, (_, number) => pattern(number))

/** Yields pieces of a stream, of these sizes. */
function* pieces(number: number, sizes: Iterable<number>): Generator<Buffer> {
  const bytes = patterns[number] ?? Buffer.alloc(0)
  let at = 0
  for (const size of sizes) {
    const piece = Buffer.allocUnsafe(size)
    for (let done = 0; done < size;) {
      const from = (at + done) % bytes.length
      done += bytes.copy(piece, done, from, Math.min(bytes.length, from + size - done))
    }
    at += size
    yield piece
  }
}

/** Tells where a stream goes wrong; null: nowhere so far. */
class Reader {
  readonly #bytes: Buffer
  at = 0
  wrongAt: number | null = null

  constructor(number: number) {
    this.#bytes = patterns[number] ?? Buffer.alloc(0)
  }

  take(chunk: Buffer): void {
    for (let done = 0; done < chunk.length && this.wrongAt === null;) {
      const from = this.at % this.#bytes.length
      const length = Math.min(chunk.length - done, this.#bytes.length - from)
      if (chunk.compare(this.#bytes, from, from + length, done, done + length) !== 0) this.wrongAt = this.at
      this.at += length
      done += length
    }
  }
}

/** Small ones, so that the relay takes them for talk; then bulk; then talk again, by turns of the relay. */
function* sizesFor(number: number): Generator<number> {
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 12; i++) yield 1 + ((number * 131 + i * 977) % 3000)
    for (const size of [16_384, 16_385, 65_536, 65_537, 131_072, 131_073, 300_000]) yield size
    yield round === 1 ? bulk : 200_000 + number
  }
  for (let i = 0; i < 12; i++) yield 1 + i * 50
}

function total(sizes: Iterable<number>): number {
  let sum = 0
  for (const size of sizes) sum += size
  return sum
}

/** Small pieces only, or such that each ninth makes the relay read in bulk, and the eighth after it ends that. */
function* talkFor(number: number): Generator<number> {
  const small = 13_000 + number * 37
  for (let sent = 0; sent < bulk; sent += 9 * small) {
    yield number % 2 === 0 ? small : 20_000
    for (let i = 0; i < 8; i++) yield small
  }
}

/** Sends a stream; after each piece that isn't bulk there are turns of the loop, so that it is read by itself. */
async function send(socket: Socket, number: number, sizes = sizesFor(number)): Promise<void> {
  for (const piece of pieces(number, sizes)) {
    if (socket.destroyed) return
    if (!socket.write(piece)) await drained(socket)
    for (let i = 0; piece.length < 30_000 && i < 3; i++) await turn()
  }
  socket.end()
}

function drained(socket: Socket): Promise<void> {
  return new Promise(resolve => {
    socket.once('drain', resolve).once('close', resolve)
  })
}

/** Reads to the end; now and then it rests, so that what is sent piles up. */
function read(socket: Socket, number: number, restEvery: number): Promise<Reader> {
  const reader = new Reader(number)
  let nextRest = restEvery
  socket.on('data', (chunk: Buffer) => {
    reader.take(chunk)
    if (reader.at < nextRest) return
    nextRest += restEvery
    socket.pause()
    void setTimeout(20).then(() => socket.resume())
  })
  return new Promise(resolve => {
    socket.once('end', () => resolve(reader)).once('close', () => resolve(reader))
    if (socket.closed) resolve(reader)
  })
}

/** An endpoint at which each connection says its number first, in four bytes, and is then given to `serve`. */
function startNumbered(t: Test, serve: (socket: Socket, number: number) => void): Promise<string> {
  return startServer(t, socket => {
    socket.once('readable', () => {
      const head = socket.read(4) as Buffer | null
      if (head !== null) serve(socket, head.readUInt32BE())
    })
  })
}

function connect(t: Test, frontend: string, number: number): Socket {
  const socket = open(t, frontend)
  const head = Buffer.alloc(4)
  head.writeUInt32BE(number)
  socket.write(head)
  return socket
}

/** Waits until nothing goes from endpoints to clients any more. */
async function stuck(plane: TestPlane): Promise<void> {
  for (let before = 0; ;) {
    await setTimeout(300)
    const { bytesOut } = await plane.counters()
    if (bytesOut > 0 && bytesOut === before) return
    before = bytesOut
  }
}

for (const engine of engines) {
  void t.test(`buffers that are shared (${engine.name})`, async t => {
    void t.test('streams both ways, with clients and endpoints of every pace', async t => {
      const frontend = freeAddress()
      const received: Promise<Reader>[] = []
      const endpoint = await startNumbered(t, (socket, number) => {
        received.push(read(socket, connections + number, number % 3 === 0 ? 1_000_000 : Infinity))
        void send(socket, number)
      })
      const plane = new TestPlane(t, { engine })
      await plane.serve(tcpService(frontend, [endpoint]))
      const readers = await Promise.all(
        Array.from({ length: connections }, (_, number) => {
          const socket = connect(t, frontend, number)
          void send(socket, connections + number)
          return read(socket, number, [Infinity, 500_000, 2_000_000][number % 3] ?? 0)
        }),
      )
      for (const [number, { at, wrongAt }] of readers.entries()) {
        if (wrongAt !== null || at !== total(sizesFor(number))) {
          t.fail(`to client ${number}: ${at} bytes, wrong from ${wrongAt}`)
        }
      }
      const answers = await Promise.all(received)
      const expected = total(readers.flatMap((_, number) => total(sizesFor(connections + number))))
      t.equal(total(answers.map(({ at }) => at)), expected)
      t.ok(answers.every(({ wrongAt }) => wrongAt === null))
      await plane.idle()
    })

    void t.test('endpoints that are gone while their clients have much to read', async t => {
      const frontend = freeAddress()
      const sockets = new Map<number, Socket>()
      const endpoint = await startNumbered(t, (socket, number) => {
        sockets.set(number, socket)
        void send(socket, number)
      })
      const plane = new TestPlane(t, { engine })
      await plane.serve(tcpService(frontend, [endpoint]))
      const clients = Array.from({ length: connections }, (_, number) => {
        const socket = connect(t, frontend, number)
        // Two of three don't read for now.
        const done = number % 3 === 0 ? read(socket, number, Infinity) : null
        return { socket, number, done }
      })
      await stuck(plane)
      // The relay learns of it by its next write.
      for (const socket of sockets.values()) socket.resetAndDestroy()
      for (const { socket, number } of clients) {
        if (number % 3 === 1) for (let i = 0; i < 3; i++) socket.write('are you there?')
      }
      await turn()
      // Others read in bulk meanwhile, into whatever buffers there are.
      const next = Array.from({ length: connections }, (_, number) => {
        const socket = connect(t, frontend, number)
        return read(socket, number, Infinity).finally(() => socket.end())
      })
      for (const { at, wrongAt } of await Promise.all(next)) {
        t.ok(wrongAt === null && at > bulk)
      }
      for (const { socket } of clients) socket.end()
      const readers = await Promise.all(
        clients.map(({ socket, number, done }) => done ?? read(socket, number, Infinity)),
      )
      for (const [number, { wrongAt }] of readers.entries()) {
        if (wrongAt !== null) t.fail(`client ${number}: wrong from ${wrongAt}`)
      }
      await plane.idle()
    })

    void t.test('clients whose buffers are full in the midst of talk', async t => {
      const frontend = freeAddress()
      const endpoint = await startNumbered(t, (socket, number) => {
        void send(socket, number, number < connections ? talkFor(number) : sizesFor(number))
      })
      const plane = new TestPlane(t, { engine })
      await plane.serve(tcpService(frontend, [endpoint]))
      const clients = Array.from({ length: connections }, (_, number) => connect(t, frontend, number))
      await stuck(plane)
      const others = Array.from({ length: connections }, (_, index) => {
        const socket = connect(t, frontend, connections + index)
        return read(socket, connections + index, Infinity).finally(() => socket.end())
      })
      for (const { wrongAt } of await Promise.all(others)) t.equal(wrongAt, null)
      for (const [number, socket] of clients.entries()) {
        const { at, wrongAt } = await read(socket.end(), number, Infinity)
        t.ok(wrongAt === null && at === total(talkFor(number)), `client ${number}: ${at}, ${wrongAt}`)
      }
      await plane.idle()
    })
  })
}
