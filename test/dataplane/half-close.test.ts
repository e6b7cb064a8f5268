// Each direction of a connection ends on its own: a FIN is passed on as a FIN and nothing after it is lost.

import { once } from 'node:events'
import t from 'tap'
import { freeAddress } from './addresses.ts'
import { engines } from './engines.ts'
import { TestPlane } from './plane.ts'
import { tcpService } from './table.ts'
import { open, outcome, startManual } from './tcp.ts'

const long = 'x'.repeat(300_000)

for (const engine of engines) {
  void t.test(`half-close (${engine.name})`, async t => {
    const server = await startManual(t)
    const frontend = freeAddress()
    const plane = new TestPlane(t, { engine })
    await plane.serve(tcpService(frontend, [server.address]))

    void t.test('the client ends first and still gets the whole answer', async t => {
      const client = open(t, frontend)
      const answer = outcome(client)
      client.end('question')
      const upstream = await server.accept()
      t.strictSame(await outcome(upstream), { text: 'question', end: 'end' })
      upstream.write('first,')
      upstream.end(long)
      t.strictSame(await answer, { text: `first,${long}`, end: 'end' })
    })

    void t.test('the server ends first and still gets what the client sends later', async t => {
      const client = open(t, frontend)
      const upstream = await server.accept()
      const question = outcome(upstream)
      upstream.end('banner')
      t.strictSame(await outcome(client), { text: 'banner', end: 'end' })
      client.write('later,')
      client.end(long)
      t.strictSame(await question, { text: `later,${long}`, end: 'end' })
    })

    void t.test('both end at once', async t => {
      const client = open(t, frontend)
      const upstream = await server.accept()
      const both = Promise.all([outcome(client), outcome(upstream)])
      client.end('to the server')
      upstream.end('to the client')
      t.strictSame(await both, [
        { text: 'to the client', end: 'end' },
        { text: 'to the server', end: 'end' },
      ])
    })

    void t.test('a connection without a byte', async t => {
      const client = open(t, frontend)
      const upstream = await server.accept()
      client.end()
      t.strictSame(await outcome(upstream), { text: '', end: 'end' })
      upstream.end()
      t.strictSame(await outcome(client), { text: '', end: 'end' })
    })

    void t.test('both directions carry data while one is half-closed', async t => {
      const client = open(t, frontend)
      const upstream = await server.accept()
      const received = outcome(client)
      upstream.resume()
      client.end('done')
      await once(upstream, 'end')
      for (let part = 0; part < 20; part++) {
        await new Promise(resolve => upstream.write(`${part};`, resolve))
      }
      upstream.end()
      t.equal((await received).text, Array.from({ length: 20 }, (_, part) => `${part};`).join(''))
    })

    void t.test('nothing stays open', async t => {
      await plane.idle()
      const { active, total, failures } = await plane.counters()
      t.equal(active, 0)
      t.equal(total, 5)
      t.ok(Object.values(failures).every(count => count === 0))
    })
  })
}
