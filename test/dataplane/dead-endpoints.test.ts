// A dead endpoint among live ones costs no client anything; where all are dead, clients learn it by a RST.

import t from 'tap'
import { dialLadderMs } from '../../lib/dataplane/tcp-connection.ts'
import { freeAddress, refusingAddress } from './addresses.ts'
import { startBlackHole } from './black-hole.ts'
import { engines } from './engines.ts'
import { ManualClock } from '../manual-clock.ts'
import { TestPlane } from './plane.ts'
import { tcpService } from './table.ts'
import { ask, startManual, startNamed, open, outcome } from './tcp.ts'
import { until } from './until.ts'

const ladderMs = dialLadderMs.reduce((sum, rung) => sum + rung, 0)

for (const engine of engines) {
  void t.test(`dead endpoints (${engine.name})`, async t => {
    void t.test('one refuses: no client sees it, every retry is counted', async t => {
      const frontend = freeAddress()
      const plane = new TestPlane(t, { engine })
      await plane.serve(
        tcpService(frontend, [await startNamed(t, 'a'), refusingAddress(t), await startNamed(t, 'b')]),
      )
      const answers = await Promise.all(Array.from({ length: 30 }, () => ask(t, frontend, 'hello')))
      t.ok(answers.every(({ text, end }) => (text === 'a' || text === 'b') && end === 'end'))
      await plane.idle()
      const { total, dialRetries, dialFailures } = await plane.counters()
      // In turn: two of three connections find a live one at once, and a retry takes a turn as well.
      t.same({ total, dialFailures }, { total: 30, dialFailures: 0 })
      t.ok(dialRetries >= 10 && dialRetries <= 15, `${dialRetries} retries`)
    })

    void t.test('bytes sent before the endpoint answered are not lost', async t => {
      const frontend = freeAddress()
      const server = await startManual(t)
      const plane = new TestPlane(t, { engine })
      await plane.serve(tcpService(frontend, [await startBlackHole(t), server.address]))
      const question = 'q'.repeat(200_000)
      open(t, frontend).end(question)
      t.strictSame(await outcome(await server.accept()), { text: question, end: 'end' })
      t.match(await plane.counters(), { dialRetries: 1, dialFailures: 0 })
    })

    void t.test('31 refuse, one lives: everyone is served, without delay', async t => {
      const frontend = freeAddress()
      const plane = new TestPlane(t, { engine })
      const dead = Array.from({ length: 31 }, () => refusingAddress(t))
      await plane.serve(tcpService(frontend, [...dead, await startNamed(t, 'alive')]))
      for (let round = 0; round < 10; round++) t.equal((await ask(t, frontend)).text, 'alive')
      t.match(await plane.counters(), { dialFailures: 0 })
    })

    void t.test('all refuse: a reset, counted as refused', async t => {
      const frontend = freeAddress()
      const clock = new ManualClock() // No time passes: a refusal needs none.
      const plane = new TestPlane(t, { engine, clock })
      await plane.serve(tcpService(frontend, [refusingAddress(t), refusingAddress(t)]))
      t.strictSame(await ask(t, frontend, 'hello'), { text: '', end: 'ECONNRESET' })
      t.match(await plane.counters(), {
        active: 0,
        total: 1,
        dialRetries: 1,
        dialFailures: 1,
        failures: { refused: 1, timeout: 0 },
      })
    })

    void t.test("all are black holes: a reset after the ladder's time, counted as timeout", async t => {
      const frontend = freeAddress()
      const plane = new TestPlane(t, { engine })
      await plane.serve(tcpService(frontend, [await startBlackHole(t), await startBlackHole(t)]))
      const startedAt = performance.now()
      t.strictSame(await ask(t, frontend, 'hello'), { text: '', end: 'ECONNRESET' })
      const tookMs = performance.now() - startedAt
      t.ok(tookMs >= ladderMs - 50 && tookMs < ladderMs + 5000, `${tookMs} ms`)
      t.match(await plane.counters(), {
        active: 0,
        dialRetries: 3,
        dialFailures: 1,
        failures: { refused: 0, timeout: 1 },
      })
    })

    void t.test('a black hole delays nobody but those it was picked for', async t => {
      const frontend = freeAddress()
      const plane = new TestPlane(t, { engine })
      await plane.serve(tcpService(frontend, [await startBlackHole(t), await startNamed(t, 'alive')]))
      const finished: string[] = []
      const run = async (name: string): Promise<void> => {
        t.equal((await ask(t, frontend)).text, 'alive')
        finished.push(name)
      }
      const slow = run('picked for the black hole')
      await until(async () => (await plane.counters()).active === 1, 'the first to be dialing')
      // The next turns are: alive, black hole, alive. A second slow one goes alongside.
      await run('behind it')
      const alsoSlow = run('picked for it, too')
      await until(async () => (await plane.counters()).active === 2, 'both to be dialing')
      await run('behind both')
      t.strictSame(finished.slice(0, 2), ['behind it', 'behind both'])
      await Promise.all([slow, alsoSlow])
      t.match(await plane.counters(), { dialRetries: 2, dialFailures: 0 })
    })

    void t.test('closing ends a dial that is on its way', async t => {
      const frontend = freeAddress()
      const plane = new TestPlane(t, { engine })
      await plane.serve(tcpService(frontend, [await startBlackHole(t)]))
      const client = open(t, frontend)
      await until(async () => (await plane.plane.status()).activeConnections === 1, 'the dial')
      await plane.plane.close()
      t.equal((await outcome(client)).end, 'ECONNRESET')
      t.equal((await plane.plane.status()).activeConnections, 0)
    })
  })
}
