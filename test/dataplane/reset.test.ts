// A RST is passed on as a RST, in either direction, and never swallows what was sent before it.

import type { Socket } from 'node:net'
import t from 'tap'
import { freeAddress } from './addresses.ts'
import { engines } from './engines.ts'
import { TestPlane } from './plane.ts'
import { tcpService } from './table.ts'
import { open, outcome, startManual } from './tcp.ts'
import { until } from './until.ts'

/** What a reset may cost: the kernel's send buffer, tcp_wmem at its largest. */
const kernelBytes = 4 << 20

const answer = 'a'.repeat(100_000)

for (const engine of engines) {
  void t.test(`reset (${engine.name})`, async t => {
    const server = await startManual(t)
    const frontend = freeAddress()
    const plane = new TestPlane(t, { engine })
    await plane.serve(tcpService(frontend, [server.address]))
    t.afterEach(() => plane.idle())

    void t.test('a reset of the client reaches the server', async t => {
      const client = open(t, frontend)
      client.write('question')
      const upstream = await server.accept()
      await new Promise(resolve => upstream.once('data', resolve).resume())
      const end = outcome(upstream)
      client.resetAndDestroy()
      t.equal((await end).end, 'ECONNRESET')
    })

    void t.test('a reset of the server reaches the client', async t => {
      const client = open(t, frontend)
      const end = outcome(client)
      const upstream = await server.accept()
      upstream.resetAndDestroy()
      t.strictSame(await end, { text: '', end: 'ECONNRESET' })
    })

    void t.test('an answer followed by a reset is delivered', async t => {
      const client = open(t, frontend)
      client.write('question')
      const result = outcome(client)
      const upstream = await server.accept()
      await new Promise(resolve => upstream.once('data', resolve).resume())
      await new Promise(resolve => upstream.write(answer, resolve))
      await until(() => client.bytesRead > 0, 'the answer to begin')
      upstream.resetAndDestroy()
      const { text, end } = await result
      t.equal(text.length, answer.length)
      t.equal(end, 'ECONNRESET')
    })

    void t.test('a reset behind a stalled reader waits for it', async t => {
      const client = open(t, frontend)
      const upstream = await server.accept()
      const sent = await fill(upstream)
      const { bytesOut } = await plane.counters()
      t.ok(bytesOut < sent, 'not all has been read by the relay')
      upstream.resetAndDestroy()
      const { text, end } = await outcome(client)
      t.ok(text.length >= bytesOut - kernelBytes, 'what the kernel had not taken was delivered')
      t.equal(end, 'ECONNRESET')
    })

    void t.test('a server that resets after it got the FIN', async t => {
      const client = open(t, frontend)
      client.end('question')
      const upstream = await server.accept()
      await outcome(upstream)
      upstream.resetAndDestroy()
      t.equal((await outcome(client)).end, 'ECONNRESET')
    })

    void t.test('a client that closes with unread data', async t => {
      const client = open(t, frontend)
      const upstream = await server.accept()
      const sent = await fill(upstream)
      t.ok(sent > 0)
      client.destroy()
      t.match((await outcome(upstream)).end, /ECONNRESET|EPIPE/)
    })

    void t.test('a reset in the same moment as the FIN of the other side', async t => {
      // A socket of node:net can't be reset while its FIN is on the way; nothing may be left open by that.
      for (let round = 0; round < 50; round++) {
        const client = open(t, frontend)
        client.on('data', () => client.resetAndDestroy())
        const upstream = await server.accept()
        upstream.resume()
        upstream.end('last words')
        await new Promise(resolve => upstream.once('close', resolve))
      }
    })

    void t.test('both reset at once', async t => {
      const client = open(t, frontend)
      const upstream = await server.accept()
      client.resetAndDestroy()
      upstream.resetAndDestroy()
      await plane.idle()
      t.equal((await plane.counters()).active, 0)
    })
  })
}

/** Writes until the way is full, and returns the number of bytes written. */
async function fill(socket: Socket): Promise<number> {
  const block = Buffer.alloc(1 << 20)
  for (;;) {
    const taken = await new Promise<boolean>(resolve => {
      const stuck = setTimeout(() => resolve(false), 500)
      socket.write(block, () => {
        clearTimeout(stuck)
        resolve(true)
      })
    })
    if (!taken) return socket.bytesWritten
  }
}
