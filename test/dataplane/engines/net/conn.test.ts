// Resetting a socket closes its descriptor in every state that it can be in.

import { once } from 'node:events'
import type net from 'node:net'
import t, { type Test } from 'tap'
import { resetAfterWrites, resetSocket } from '../../../../lib/dataplane/engines/net/conn.ts'
import { open, outcome, startManual } from '../../tcp.ts'

const cases: Readonly<Record<string, (socket: net.Socket) => void>> = {
  'an idle socket': () => {},
  'a socket with something to send': socket => void socket.write('last words'),
  'a socket whose FIN is on the way': socket => void socket.end(),
  'a socket that has data and a FIN to send': socket => void socket.end('last words'),
}

for (const [name, reset] of Object.entries({ resetSocket, resetAfterWrites })) {
  for (const [state, prepare] of Object.entries(cases)) {
    void t.test(`${name}: ${state}`, async t => {
      const { client, socket } = await connected(t)
      const closed = once(socket, 'close')
      prepare(socket)
      reset(socket)
      reset(socket)
      await closed
      t.ok(socket.destroyed)
      await outcome(client)
      reset(socket)
    })
  }
}

void t.test('resetAfterWrites: what was written arrives before the reset', async t => {
  const { client, socket } = await connected(t)
  const received = outcome(client)
  // More than the kernel takes at once, and the rest of it stays with the socket.
  while (socket.writableLength === 0) socket.write(Buffer.alloc(1 << 20))
  const written = socket.bytesWritten
  const buffered = socket.writableLength
  resetAfterWrites(socket)
  const { text, end } = await received
  t.equal(end, 'ECONNRESET')
  t.ok(text.length >= written - (4 << 20), `${text.length} of ${written}, ${buffered} were not sent yet`)
})

async function connected(t: Test): Promise<{ client: net.Socket; socket: net.Socket }> {
  const server = await startManual(t)
  const client = open(t, server.address)
  await once(client, 'connect')
  return { client, socket: await server.accept() }
}
