// Which buffer a chunk comes in: a copy while there is talk, the socket's own while it reads in bulk, and of the latter
// no more than a bounded number at a time.

import { once } from 'node:events'
import type { Socket } from 'node:net'
import t, { type Test } from 'tap'
import { UpstreamSocket } from '../../../../lib/dataplane/engines/net/upstream-socket.ts'
import { parseAddress } from '../../../../lib/model/address.ts'
import { startManual } from '../../tcp.ts'

const ownBytes = 128 * 1024
const large = 20_000

type Server = Awaited<ReturnType<typeof startManual>>

async function connected(t: Test, server: Server): Promise<readonly [UpstreamSocket, Socket]> {
  const { ip, port } = parseAddress(server.address)
  const socket = new UpstreamSocket()
  socket.on('error', () => {})
  t.teardown(() => socket.destroy())
  socket.connect({ host: ip, port })
  await once(socket, 'connect')
  return [socket.pause(), await server.accept()]
}

/** Sends so much and says whether it came in the socket's own buffer. If it isn't taken, reading stops until the next. */
async function comesInOwn(
  socket: UpstreamSocket,
  peer: Socket,
  bytes: number,
  taken = true,
): Promise<boolean> {
  let left = bytes
  return await new Promise<boolean>(resolve => {
    socket.takeChunks(chunk => {
      left -= chunk.length
      if (left === 0) resolve(chunk.buffer.byteLength === ownBytes)
      return taken
    })
    peer.write(Buffer.alloc(bytes))
    socket.resume()
  })
}

void t.test('bulk has a buffer of its own until eight small chunks came in a row', async t => {
  const [socket, peer] = await connected(t, await startManual(t))
  t.equal(await comesInOwn(socket, peer, 10), false)
  await comesInOwn(socket, peer, large)
  for (let i = 1; i <= 8; i++) t.equal(await comesInOwn(socket, peer, 10), true, `small chunk ${i}`)
  t.equal(await comesInOwn(socket, peer, 10), false)
})

void t.test('the eighth may have to wait: then a later one ends it', async t => {
  const [socket, peer] = await connected(t, await startManual(t))
  await comesInOwn(socket, peer, large)
  for (let i = 1; i <= 7; i++) await comesInOwn(socket, peer, 10)
  t.equal(await comesInOwn(socket, peer, 10, false), true)
  t.equal(await comesInOwn(socket, peer, 10), true)
  t.equal(await comesInOwn(socket, peer, 10), false)
})

void t.test('connections that idle after bulk have a bounded number of them', async t => {
  const server = await startManual(t)
  const readInBulk = async (taken: boolean): Promise<readonly [UpstreamSocket, boolean]> => {
    const [socket, peer] = await connected(t, server)
    await comesInOwn(socket, peer, large)
    return [socket, await comesInOwn(socket, peer, 10, taken)]
  }
  for (const taken of [true, false]) {
    const idle = []
    for (let i = 0; i < 300; i++) idle.push(await readInBulk(taken))
    const own = idle.filter(([, isOwn]) => isOwn).length
    t.ok(own >= 100 && own <= 256, `${own} of 300`)
    await Promise.all(
      idle.map(async ([socket]) => {
        socket.destroy()
        await once(socket, 'close')
      }),
    )
  }
  t.equal((await readInBulk(true))[1], true, 'those of closed connections are given back')
})
