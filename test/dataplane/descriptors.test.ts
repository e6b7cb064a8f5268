// Out of descriptors: nothing crashes, nothing that was accepted fails, those who wait are served as others leave,
// and the processor has nothing to do meanwhile.

import { setTimeout } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { freeAddress } from './addresses.ts'
import { engines } from './engines.ts'
import { LimitedPlane } from './limited-plane.ts'
import { TestPlane } from './plane.ts'
import { snapshot, tcpService, udpService } from './table.ts'
import { ask, open, outcome, startEcho, type Outcome } from './tcp.ts'
import { askUdp, startUdpServer, udpClient } from './udp.ts'
import { until } from './until.ts'

for (const engine of engines) {
  void t.test(`descriptors (${engine.name})`, async t => {
    void t.test('more clients than fit: the rest waits in the backlog, and all are served', async t => {
      const frontend = freeAddress()
      const plane = new LimitedPlane(t, engine, 300)
      await plane.apply(snapshot(1, tcpService(frontend, [await startEcho(t)])))
      const { limit } = (await plane.status()).descriptors
      t.equal(limit, 300)

      const clients = openClients(t, frontend, 400)
      await until(async () => !(await plane.status()).descriptors.accepting, 'accepting to pause', 10)
      await until(() => clients.answered() >= 100, 'the first to be served', 10)
      const full = await plane.status()
      t.ok(full.activeConnections < limit / 2 && full.descriptors.used < limit)

      // Everyone who is served leaves, which lets the next ones in.
      await clients.leaveWhenAnswered()
      t.strictSame(clients.failures(), [])
      await until(async () => (await plane.status()).activeConnections === 0, 'connections to end', 10)
      const after = await plane.status()
      t.match(after.descriptors, { accepting: true, used: 1 })
      t.match(after.servicePorts[0]?.connections, { total: 400, dialFailures: 0, failures: { overload: 0 } })
      t.equal(plane.exit, null)
    })

    void t.test('something else eats the descriptors', async t => {
      const frontend = freeAddress()
      const plane = new LimitedPlane(t, engine, 300)
      await plane.apply(snapshot(1, tcpService(frontend, [await startEcho(t)])))
      const early = openClients(t, frontend, 20)
      await until(() => early.answered() === 20, 'the first to be served', 10)

      await plane.eatAllBut(10)
      await until(async () => !(await plane.status()).descriptors.accepting, 'it to be noticed', 50)
      const late = openClients(t, frontend, 20)
      const before = await plane.cpuSeconds()
      await setTimeout(1500)
      const spent = (await plane.cpuSeconds()) - before
      t.ok(spent < 0.5, `${spent} s of CPU in 1.5 s`)
      t.equal(late.answered(), 0)
      t.strictSame(late.failures(), [])

      await early.leaveWhenAnswered()
      t.strictSame(early.failures(), [], 'those who were there are untouched')
      await plane.freeEaten()
      await late.leaveWhenAnswered()
      t.strictSame(late.failures(), [], 'and those who came too early are served')
      t.equal(plane.exit, null)
    })

    void t.test('not one descriptor left, from one moment to the next', async t => {
      const frontend = freeAddress()
      const plane = new LimitedPlane(t, engine, 300)
      await plane.apply(snapshot(1, tcpService(frontend, [await startEcho(t)])))
      const early = openClients(t, frontend, 5)
      await until(() => early.answered() === 5, 'the first to be served', 10)

      // One is left: a client can be accepted and then not be connected to anything.
      await plane.eatAllBut(1)
      const late = openClients(t, frontend, 10)
      const before = await plane.cpuSeconds()
      await until(async () => !(await plane.status()).descriptors.accepting, 'it to be noticed', 50)
      await setTimeout(1000)
      const spent = (await plane.cpuSeconds()) - before
      t.ok(spent < 1, `${spent} s of CPU`)
      await early.leaveWhenAnswered()
      t.strictSame(early.failures(), [])

      await plane.freeEaten()
      // libuv has closed those of them that came before it was noticed. Everyone else is served.
      await late.settled()
      t.equal((await ask(t, frontend, 'again')).text, 'again')
      t.equal(plane.exit, null)
    })

    void t.test('the limit may be set lower than the system does', async t => {
      const frontend = freeAddress()
      const plane = new TestPlane(t, { engine, descriptorLimit: 20 })
      await plane.serve(tcpService(frontend, [await startEcho(t)]))
      const clients = openClients(t, frontend, 50)
      await until(() => clients.answered() >= 7, 'the first to be served')
      t.equal((await plane.plane.status()).activeConnections, 7, '15 of 20: one listener, seven clients')
      await clients.leaveWhenAnswered()
      t.strictSame(clients.failures(), [])
      t.match(await plane.counters(), { total: 50, failures: { overload: 0 } })
    })

    void t.test('many listeners leave little room, but it can be used again and again', async t => {
      const frontends = Array.from({ length: 12 }, () => freeAddress())
      const plane = new TestPlane(t, { engine, descriptorLimit: 20 })
      const endpoint = await startEcho(t)
      await plane.serve(
        ...frontends.map((each, index) => tcpService(each, [endpoint], { name: `s${index}` })),
      )
      for (const frontend of frontends) t.equal((await ask(t, frontend, 'hello')).text, 'hello')
    })

    void t.test('a frontend that comes while accepting is paused waits like the others', async t => {
      const [one, two] = [freeAddress(), freeAddress()]
      const plane = new TestPlane(t, { engine, descriptorLimit: 20 })
      const endpoint = await startEcho(t)
      await plane.serve(tcpService(one, [endpoint], { name: 'one' }))
      const clients = openClients(t, one, 7)
      await until(() => clients.answered() === 7, 'the room to be taken')
      const both = [
        tcpService(one, [endpoint], { name: 'one' }),
        tcpService(two, [endpoint], { name: 'two' }),
      ]
      await plane.serve(...both)
      const late = ask(t, two, 'late')
      t.match(await plane.counters('two'), { total: 0 })
      await clients.leaveWhenAnswered()
      t.equal((await late).text, 'late')
    })

    void t.test('a frontend that goes while accepting is paused refuses', async t => {
      const [one, two] = [freeAddress(), freeAddress()]
      const plane = new TestPlane(t, { engine, descriptorLimit: 20 })
      const endpoint = await startEcho(t)
      const web = tcpService(one, [endpoint], { name: 'one' })
      await plane.serve(web, tcpService(two, [endpoint], { name: 'two' }))
      const clients = openClients(t, one, 7)
      await until(() => clients.answered() >= 6, 'the room to be taken')
      await plane.serve(web)
      t.match(await ask(t, two), { end: 'ECONNREFUSED' })
      await clients.leaveWhenAnswered()
      t.strictSame(clients.failures(), [])
    })

    void t.test('UDP: flows make room for flows, and leave some to TCP', async t => {
      const frontend = freeAddress()
      const plane = new TestPlane(t, { engine, descriptorLimit: 40 })
      await plane.serve(
        udpService(frontend, [await startUdpServer(t, data => data)]),
        tcpService(frontend, [await startEcho(t)]),
      )
      for (let count = 0; count < 50; count++) {
        const client = await udpClient(t)
        t.equal((await askUdp(client, frontend, `${count}`)).text, `${count}`)
      }
      t.equal((await plane.plane.status()).udpFlows, 15, 'half of what clients may use')
      t.equal((await ask(t, frontend, 'hello')).text, 'hello')
    })
  })
}

void t.test('an engine that cannot hold connections back resets what it has no room for', async t => {
  const frontend = freeAddress()
  for (const engine of engines) {
    const plane = new LimitedPlane(t, engine, 300, ['--no-experimental-ffi'])
    await plane.apply(snapshot(1, tcpService(frontend, [await startEcho(t)])))
    const clients = openClients(t, frontend, 200)
    await until(
      () => clients.answered() + clients.failures().length === 200,
      'all to be served or turned away',
      10,
    )
    t.ok(clients.answered() >= 100)
    t.ok(clients.failures().every(end => end === 'ECONNRESET'))
    const { servicePorts } = await plane.status()
    t.equal(servicePorts[0]?.connections.failures.overload, clients.failures().length)
    await clients.leaveWhenAnswered()
    await until(async () => (await plane.status()).descriptors.accepting, 'room', 10)
    t.equal((await ask(t, frontend, 'again')).text, 'again')
    t.equal(plane.exit, null)
  }
})

interface Clients {
  /** How many have got their answer. */
  answered(): number
  /** How the failed ones failed. */
  failures(): readonly string[]
  /** Each closes as soon as it has its answer; resolves when all are closed or have failed. */
  leaveWhenAnswered(): Promise<void>
  /** Resolves when all have got an answer or have failed. */
  settled(): Promise<void>
}

/** Clients that each ask one question and then stay. */
function openClients(t: Test, frontend: string, count: number): Clients {
  let answered = 0
  const failures: string[] = []
  const all = Array.from({ length: count }, () => {
    const socket = open(t, frontend)
    const finished = outcome(socket)
    const first = new Promise<void>(resolve => {
      socket.once('data', () => {
        answered++
        resolve()
      })
      void finished.then(({ text, end }: Outcome) => {
        if (text !== 'x' || end !== 'end') failures.push(end)
        resolve()
      })
    })
    socket.write('x')
    return { socket, finished, first }
  })
  return {
    answered: () => answered,
    failures: () => failures,
    async settled() {
      await Promise.all(all.map(({ first }) => first))
    },
    async leaveWhenAnswered() {
      await Promise.all(
        all.map(async ({ socket, finished, first }) => {
          await first
          socket.end()
          await finished
          socket.destroy()
        }),
      )
    },
  }
}
