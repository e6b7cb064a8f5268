// An endpoint that dies between accepting a connection and its first byte is replaced, where nothing can be done twice.

import type { Socket } from 'node:net'
import t from 'tap'
import { freeAddress } from './addresses.ts'
import { engines } from './engines.ts'
import { TestPlane } from './plane.ts'
import { tcpService } from './table.ts'
import { open, outcome, startManual, startServer } from './tcp.ts'

const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'

/** How an endpoint goes without a word, once it has got something (or at once). */
const deaths: Readonly<Record<string, (socket: Socket) => void>> = {
  'reset at once': socket => void socket.resetAndDestroy(),
  'reset after the request': socket => void socket.once('data', () => socket.resetAndDestroy()),
  'closed after the request': socket => void socket.once('data', () => socket.end()),
}

for (const engine of engines) {
  void t.test(`early retry (${engine.name})`, async t => {
    const served: string[] = []
    const alive = await startServer(t, socket => {
      socket.on('data', chunk => served.push(String(chunk)))
      socket.once('data', () => socket.end('answer'))
    })
    const serve = async (dying: (socket: Socket) => void, earlyRetry = true) => {
      const frontend = freeAddress()
      const dead = await startServer(t, dying)
      const plane = new TestPlane(t, { engine, earlyRetry })
      // Round-robin: the first connection meets the endpoint that dies.
      const endpoints = [dead, alive]
      await plane.serve(tcpService(frontend, endpoints))
      await plane.plane.status()
      return { frontend, plane, endpoints }
    }

    for (const [name, death] of Object.entries(deaths)) {
      void t.test(`a safe request whose endpoint is ${name} is answered by another`, async t => {
        const { frontend, plane } = await serve(death)
        for (let i = 0; i < 4; i++) {
          const client = open(t, frontend)
          client.write(get)
          t.same(await outcome(client), { text: 'answer', end: 'end' })
          client.end()
        }
        await plane.idle()
        t.match(await plane.counters(), { total: 4, dialFailures: 0, active: 0, bytesIn: 4 * get.length })
        t.ok((await plane.counters()).dialRetries >= 2)
        t.ok(
          served.splice(0).every(request => request === get),
          'the request arrived whole, once',
        )
      })
    }

    void t.test('a client that has ended its side is answered by another endpoint, too', async t => {
      const { frontend } = await serve(deaths['reset after the request']!)
      for (let i = 0; i < 2; i++) {
        const client = open(t, frontend)
        client.end(get)
        t.same(await outcome(client), { text: 'answer', end: 'end' })
      }
      served.splice(0)
    })

    void t.test('what is not known to be safe is not sent twice', async t => {
      const { frontend } = await serve(deaths['reset after the request']!)
      const ends: string[] = []
      for (let i = 0; i < 2; i++) {
        const client = open(t, frontend)
        client.write('POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n')
        ends.push((await outcome(client)).end)
      }
      t.same(ends.sort(), ['ECONNRESET', 'end'])
      t.equal(served.splice(0).length, 1)
    })

    void t.test('an endpoint that has begun to answer is not replaced', async t => {
      const { frontend } = await serve(socket =>
        socket.once('data', () => socket.write('ans', () => setImmediate(() => socket.resetAndDestroy()))),
      )
      const texts: string[] = []
      for (let i = 0; i < 2; i++) {
        const client = open(t, frontend)
        client.write(get)
        texts.push((await outcome(client)).text)
      }
      t.same(texts.sort(), ['ans', 'answer'])
      served.splice(0)
    })

    void t.test('an endpoint that closes before a word was said is replaced', async t => {
      const { frontend } = await serve(socket => void socket.end())
      for (let i = 0; i < 2; i++) {
        const client = open(t, frontend)
        const end = outcome(client)
        client.write(get)
        t.same(await end, { text: 'answer', end: 'end' })
      }
      served.splice(0)
    })

    void t.test('a client that ends without a word gets the end that it asked for', async t => {
      const { frontend, plane } = await serve(socket => void socket.resume().once('end', () => socket.end()))
      const dying = await outcome(open(t, frontend).end())
      t.same(dying, { text: '', end: 'end' })
      await plane.idle()
      t.match(await plane.counters(), { dialRetries: 0, dialFailures: 0 })
    })

    void t.test('the only endpoint is not replaced: its end is passed on as it was', async t => {
      for (const [end, die] of [
        ['end', (socket: Socket) => void socket.end()],
        ['ECONNRESET', (socket: Socket) => void socket.once('data', () => socket.resetAndDestroy())],
      ] as const) {
        const frontend = freeAddress()
        const plane = new TestPlane(t, { engine })
        await plane.serve(tcpService(frontend, [await startServer(t, die)]))
        const client = open(t, frontend)
        client.write(get)
        t.same(await outcome(client), { text: '', end })
      }
    })

    void t.test('a request that kills its endpoint reaches two of them at most', async t => {
      const hits: number[] = []
      const killers = await Promise.all(
        [0, 1, 2, 3].map(each =>
          startServer(t, socket => socket.once('data', () => (hits.push(each), socket.resetAndDestroy()))),
        ),
      )
      const frontend = freeAddress()
      const plane = new TestPlane(t, { engine })
      await plane.serve(tcpService(frontend, killers))
      const client = open(t, frontend)
      client.write(get)
      t.equal((await outcome(client)).end, 'ECONNRESET')
      t.equal(hits.length, 2)
    })

    void t.test('a client that goes during the second try takes everything with it', async t => {
      const second = await startManual(t)
      const first = await startServer(t, deaths['reset after the request']!)
      const frontend = freeAddress()
      const plane = new TestPlane(t, { engine })
      await plane.serve(tcpService(frontend, [first, second.address]))
      for (let i = 0; i < 2; i++) {
        const client = open(t, frontend)
        client.write(get)
        const upstream = await second.accept()
        const end = outcome(upstream)
        client.resetAndDestroy()
        t.equal((await end).end, 'ECONNRESET')
      }
      await plane.idle()
    })

    void t.test('switched off, a reset is passed on', async t => {
      const { frontend } = await serve(deaths['reset after the request']!, false)
      const ends: string[] = []
      for (let i = 0; i < 2; i++) {
        const client = open(t, frontend)
        client.write(get)
        ends.push((await outcome(client)).end)
      }
      t.same(ends.sort(), ['ECONNRESET', 'end'])
      served.splice(0)
    })
  })
}
