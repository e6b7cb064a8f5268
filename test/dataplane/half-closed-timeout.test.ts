// A connection that died half-closed gives its descriptors back (kubernetes#18524), a living one is left alone.

import { once } from 'node:events'
import t from 'tap'
import { freeAddress } from './addresses.ts'
import { engines } from './engines.ts'
import { ManualClock } from '../manual-clock.ts'
import { TestPlane } from './plane.ts'
import { tcpService } from './table.ts'
import { open, outcome, startManual } from './tcp.ts'
import { until } from './until.ts'

const limitMs = 60_000

for (const engine of engines) {
  void t.test(`half-closed connections (${engine.name})`, async t => {
    const server = await startManual(t)
    const frontend = freeAddress()
    const clock = new ManualClock()
    const plane = new TestPlane(t, { engine, clock, halfClosedTimeoutMs: limitMs })
    await plane.serve(tcpService(frontend, [server.address]))
    const connect = async () => ({ client: open(t, frontend), upstream: await server.accept() })
    const advanceBySteps = (ms: number): void => {
      for (let passed = 0; passed < ms; passed += limitMs / 4) clock.advance(limitMs / 4)
    }

    void t.test('idle after the FIN of the client: reset within the limit and a quarter', async t => {
      const { client, upstream } = await connect()
      client.end()
      t.equal((await outcome(upstream)).end, 'end')
      advanceBySteps(limitMs * 0.75)
      t.equal((await plane.counters()).active, 1)
      advanceBySteps(limitMs / 2)
      t.equal((await outcome(client)).end, 'ECONNRESET')
      await plane.idle()
    })

    void t.test('idle after the FIN of the server', async t => {
      const { client, upstream } = await connect()
      upstream.end()
      t.equal((await outcome(client)).end, 'end')
      advanceBySteps(limitMs * 1.25)
      t.equal((await outcome(upstream)).end, 'ECONNRESET')
      await plane.idle()
    })

    void t.test('one that still carries data is left alone', async t => {
      const { client, upstream } = await connect()
      client.end()
      await outcome(upstream)
      client.resume()
      for (let round = 0; round < 8; round++) {
        const arrived = once(client, 'data')
        upstream.write('.')
        await arrived
        advanceBySteps(limitMs * 0.75)
      }
      t.equal((await plane.counters()).active, 1)
      upstream.end()
      await plane.idle()
    })

    void t.test('one that is open both ways may be idle for ever', async t => {
      const { client, upstream } = await connect()
      client.write('?')
      await once(upstream.resume(), 'data')
      advanceBySteps(limitMs * 10)
      t.equal((await plane.counters()).active, 1)
      client.end()
      upstream.end()
      client.resume()
      await plane.idle()
    })

    void t.test('one that ended both ways, but whose client reads nothing', async t => {
      const { client, upstream } = await connect()
      client.end()
      await outcome(upstream)
      upstream.end(Buffer.alloc(64 << 20))
      // The client's kernel and ours are full when nothing moves between two looks.
      let before = -1
      await until(
        async () => {
          const { bytesOut } = await plane.counters()
          const stalled = bytesOut === before
          before = bytesOut
          return stalled
        },
        'the connection to stall',
        300,
      )
      advanceBySteps(limitMs * 1.5)
      await plane.idle()
      t.equal((await outcome(client)).end, 'ECONNRESET')
    })
  })
}
