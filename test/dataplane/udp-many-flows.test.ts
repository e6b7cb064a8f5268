// Thousands of UDP clients at once: each gets its own answers, and none of them costs anything when it has gone.

import type dgram from 'node:dgram'
import { readdirSync } from 'node:fs'
import t, { type Test } from 'tap'
import type { Engine } from '../../lib/dataplane/engine.ts'
import { freeAddress } from './addresses.ts'
import { engines } from './engines.ts'
import { ManualClock } from '../manual-clock.ts'
import { TestPlane } from './plane.ts'
import { udpService } from './table.ts'
import { askUdp, startUdpServer, udpClient } from './udp.ts'
import { until } from './until.ts'

const idleMs = 30_000
const streamIdleMs = 180_000

for (const engine of engines) {
  void t.test(`UDP flows (${engine.name})`, async t => {
    void t.test('5,000 at once, and their expiry', async t => {
      const frontend = freeAddress()
      const clock = new ManualClock()
      const udp = { idleMs, streamIdleMs, maxFlows: 10_000 }
      const plane = new TestPlane(t, { engine, clock, udp })
      await plane.serve(udpService(frontend, [await startUdpServer(t, data => data)]))
      const before = openFiles()
      const clients: dgram.Socket[] = []
      for (let index = 0; index < 5000; index++) clients.push(await udpClient(t))

      await inBatches(clients, async (client, index) => {
        const answer = await askUdp(client, frontend, `question ${index}`)
        if (answer.text !== `question ${index}` || answer.from !== frontend) t.fail(`client ${index}`)
      })
      t.match(await plane.counters(), { active: 5000, total: 5000, failures: { overload: 0, local: 0 } })
      t.equal((await plane.plane.status()).udpFlows, 5000)
      t.ok(openFiles() >= before + 10_000)

      clock.advance(idleMs - 2000)
      // Ten of them go on; they were answered and are older than two seconds, which makes them streams.
      for (const client of clients.slice(0, 10)) await askUdp(client, frontend, 'still here')
      clock.advance(4000)
      t.match(await plane.counters(), { active: 10, total: 5000 })
      clock.advance(streamIdleMs)
      t.match(await plane.counters(), { active: 0, total: 5000 })
      await until(() => openFiles() <= before + 5000, "the flows' descriptors to be closed")
      t.equal((await askUdp(clients[4999] as dgram.Socket, frontend, 'back again')).text, 'back again')
    })

    void t.test('at the limit, the least recently used flow makes room', async t => {
      const { plane, frontend } = await serve(t, engine, 10)
      const clients = await Promise.all(Array.from({ length: 11 }, () => udpClient(t)))
      for (const client of clients.slice(0, 10)) await askUdp(client, frontend, '?')
      const [first, second] = clients as [dgram.Socket, dgram.Socket]
      await askUdp(first, frontend, 'the first is used again')
      await askUdp(clients[10] as dgram.Socket, frontend, 'one too many')
      t.match(await plane.counters(), { active: 10, total: 11 })
      await askUdp(first, frontend, 'was not evicted')
      t.match(await plane.counters(), { active: 10, total: 11 })
      await askUdp(second, frontend, 'was, and comes back as a new one')
      t.match(await plane.counters(), { active: 10, total: 12 })
    })

    void t.test('a flow is cut when its endpoint stops serving, and not before', async t => {
      const [one, two] = [await startUdpServer(t, () => 'one'), await startUdpServer(t, () => 'two')]
      const frontend = freeAddress()
      const plane = new TestPlane(t, { engine })
      await plane.serve(udpService(frontend, [one]))
      const client = await udpClient(t)
      t.equal((await askUdp(client, frontend, '?')).text, 'one')
      await plane.serve(udpService(frontend, [two], { serving: [one, two] }))
      t.equal((await askUdp(client, frontend, '?')).text, 'one', 'not eligible any more, but it serves')
      await plane.serve(udpService(frontend, [two]))
      t.match(await plane.counters(), { active: 0 })
      t.equal((await askUdp(client, frontend, '?')).text, 'two')
      await plane.serve()
      t.equal((await plane.plane.status()).udpFlows, 0)
    })

    void t.test('many flows on many frontends end with the data plane', async t => {
      const { plane, frontend } = await serve(t, engine, 1000)
      const before = openFiles()
      const clients = await Promise.all(Array.from({ length: 100 }, () => udpClient(t)))
      for (const client of clients) await askUdp(client, frontend, '?')
      await plane.plane.close()
      t.equal((await plane.plane.status()).descriptors.used, 0)
      await until(() => openFiles() <= before + 100, "the flows' descriptors to be closed")
    })
  })
}

async function serve(
  t: Test,
  engine: Engine,
  maxFlows: number,
): Promise<{ plane: TestPlane; frontend: string }> {
  const frontend = freeAddress()
  const plane = new TestPlane(t, { engine, udp: { idleMs, streamIdleMs, maxFlows } })
  await plane.serve(udpService(frontend, [await startUdpServer(t, data => data)]))
  return { plane, frontend }
}

/** A hundred at a time: more would overrun the kernel's buffers, and nobody repeats a datagram here. */
async function inBatches<E>(
  items: readonly E[],
  run: (item: E, index: number) => Promise<void>,
): Promise<void> {
  for (let start = 0; start < items.length; start += 100) {
    await Promise.all(items.slice(start, start + 100).map((item, index) => run(item, start + index)))
  }
}

function openFiles(): number {
  return readdirSync('/proc/self/fd').length
}
