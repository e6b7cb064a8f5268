// Updates of the table: their order, and what clients notice of them, which is nothing.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import t from 'tap'
import { freeAddress } from './addresses.ts'
import { engines } from './engines.ts'
import { TestPlane } from './plane.ts'
import { delta, frontendAt, snapshot, tcpService, udpService } from './table.ts'
import { ask, connectOutcome, open, outcome, startManual, startNamed } from './tcp.ts'
import { askUdp, startUdpServer, udpClient } from './udp.ts'

for (const engine of engines) {
  void t.test(`apply (${engine.name})`, async t => {
    void t.test('updates in quick succession end in the last state', async t => {
      const [one, two] = [freeAddress(), freeAddress()]
      const endpoints = [await startNamed(t, 'a')]
      const plane = new TestPlane(t, { engine })
      const web = tcpService(one, endpoints, { name: 'web' })
      const api = tcpService(two, endpoints, { name: 'api' })
      const order: number[] = []
      await Promise.all(
        [
          snapshot(1, web),
          delta(2, [api]),
          delta(3, [tcpService(one, [], { name: 'web' })]),
          delta(4, [web]),
          delta(5, [], [web.key]),
          delta(6, [web]),
          delta(7, [], [api.key]),
        ].map(update => plane.apply(update).then(() => order.push(update.generation))),
      )
      t.strictSame(order, [1, 2, 3, 4, 5, 6, 7])
      const { generation, servicePorts } = await plane.plane.status()
      t.equal(generation, 7)
      t.strictSame(
        servicePorts.map(({ frontends }) => frontends),
        [[{ address: one, state: 'listening' }]],
      )
      t.equal((await ask(t, one)).text, 'a')
      t.equal(await connectOutcome(t, two), 'ECONNREFUSED')
    })

    void t.test('a generation counts as applied only when the ones before it are', async t => {
      const plane = new TestPlane(t, { engine })
      const first = plane.apply(snapshot(1, tcpService(freeAddress(), ['127.0.0.1:9'])))
      const second = plane.apply(delta(2, []))
      t.equal((await plane.plane.status()).generation, 0)
      await second
      t.equal((await plane.plane.status()).generation, 2)
      await first
      t.equal((await plane.plane.status()).generation, 2)
      t.strictSame((await plane.service()).frontends[0]?.state, 'listening')
    })

    void t.test('a snapshot closes what it does not name, and keeps what it does', async t => {
      const [kept, gone] = [freeAddress(), freeAddress()]
      const server = await startManual(t)
      const plane = new TestPlane(t, { engine })
      await plane.serve(
        tcpService(kept, [server.address], { name: 'kept' }),
        tcpService(gone, [server.address], { name: 'gone' }),
      )
      const client = open(t, kept)
      const upstream = await server.accept()
      await plane.serve(tcpService(kept, [server.address], { name: 'kept' }))
      t.equal(await connectOutcome(t, gone), 'ECONNREFUSED')
      t.match(await plane.counters('kept'), { active: 1, total: 1 }, 'counters go on')
      upstream.end('still here')
      t.equal((await outcome(client)).text, 'still here')
    })

    void t.test('a frontend moves from one service port to another: nobody is refused', async t => {
      const frontend = freeAddress()
      const [blue, green] = [await startNamed(t, 'blue'), await startNamed(t, 'green')]
      const plane = new TestPlane(t, { engine })
      await plane.serve(tcpService(frontend, [blue], { name: 'blue' }))
      const asking = new AbortController()
      const seen = new Set<string>()
      const client = (async () => {
        while (!asking.signal.aborted) {
          const { text, end } = await ask(t, frontend)
          seen.add(`${text} ${end}`)
        }
      })()
      for (let generation = 2; generation < 60; generation++) {
        const [from, to, endpoint] = generation % 2 ? ['green', 'blue', blue] : ['blue', 'green', green]
        await plane.apply(
          delta(
            generation,
            [tcpService(frontend, [endpoint], { name: to })],
            [tcpService(frontend, [], { name: from }).key],
          ),
        )
        t.equal((await ask(t, frontend)).text, to)
      }
      asking.abort()
      await client
      t.strictSame([...seen].sort(), ['blue end', 'green end'])
    })

    void t.test('a UDP frontend moves: the next datagram of an old client goes to the new owner', async t => {
      const frontend = freeAddress()
      const [blue, green] = [await startUdpServer(t, () => 'blue'), await startUdpServer(t, () => 'green')]
      const plane = new TestPlane(t, { engine })
      const client = await udpClient(t)
      const other = [frontendAt(freeAddress())]
      await plane.serve(udpService(frontend, [blue], { name: 'blue' }))
      t.equal((await askUdp(client, frontend, '?')).text, 'blue')
      await plane.serve(
        udpService(frontend, [blue], { name: 'blue', frontends: other }),
        udpService(frontend, [green], { name: 'green' }),
      )
      t.equal((await askUdp(client, frontend, '?')).text, 'green')
      t.match(await plane.counters('blue'), { active: 0 })
    })

    void t.test('close may come twice, and in the middle of an update', async t => {
      const frontend = freeAddress()
      const plane = new TestPlane(t, { engine })
      const web = tcpService(frontend, [await startNamed(t, 'a')])
      const applied = plane.apply(snapshot(1, web))
      await Promise.all([plane.plane.close(), plane.plane.close()])
      await applied
      await plane.apply(delta(2, [web]))
      t.equal(await connectOutcome(t, frontend), 'ECONNREFUSED')
    })

    void t.test('a closed data plane keeps no process alive', async t => {
      const child = spawn(process.execPath, [new URL('./closes-and-exits.ts', import.meta.url).pathname], {
        env: { ...process.env, ENGINE: engine.name, FRONTEND: freeAddress() },
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      t.teardown(() => child.kill('SIGKILL'))
      let output = ''
      child.stdout.on('data', chunk => (output += String(chunk)))
      const [code] = (await once(child, 'close')) as [number]
      t.equal(code, 0)
      t.equal(output, 'served, closed\n')
    })
  })
}
