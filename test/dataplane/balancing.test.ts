// Which endpoint gets a connection, and what is counted of it.

import { once } from 'node:events'
import t from 'tap'
import { defaultProxySettings } from '../../lib/model/proxy-settings.ts'
import { freeAddress, refusingAddress } from './addresses.ts'
import { engines } from './engines.ts'
import { TestPlane } from './plane.ts'
import { tcpService, udpService } from './table.ts'
import { ask, open, startEcho, startManual, startNamed } from './tcp.ts'
import { until } from './until.ts'
import { askUdp, startUdpServer, udpClient } from './udp.ts'

for (const engine of engines) {
  void t.test(`balancing (${engine.name})`, async t => {
    void t.test('round-robin is exact over every period', async t => {
      const frontend = freeAddress()
      const names = ['a', 'b', 'c', 'd', 'e']
      const plane = new TestPlane(t, { engine })
      await plane.serve(tcpService(frontend, await Promise.all(names.map(name => startNamed(t, name)))))
      let order = ''
      for (let count = 0; count < 20; count++) order += (await ask(t, frontend)).text
      t.equal(order, 'abcde'.repeat(4))
      const parallel = await Promise.all(Array.from({ length: 50 }, () => ask(t, frontend)))
      for (const name of names) t.equal(parallel.filter(({ text }) => text === name).length, 10, name)
    })

    void t.test('round-robin for UDP counts flows, not datagrams', async t => {
      const frontend = freeAddress()
      const names = ['a', 'b', 'c']
      const servers = names.map(name => startUdpServer(t, () => name))
      const plane = new TestPlane(t, { engine })
      await plane.serve(udpService(frontend, await Promise.all(servers)))
      let order = ''
      for (let count = 0; count < 6; count++) {
        const client = await udpClient(t)
        const first = (await askUdp(client, frontend, '?')).text
        t.equal((await askUdp(client, frontend, '?')).text, first)
        order += first
      }
      t.equal(order, 'abcabc')
    })

    void t.test('random takes what the random source says', async t => {
      const frontend = freeAddress()
      const draws = [0.99, 0, 0.5]
      const plane = new TestPlane(t, { engine, random: () => draws.shift() ?? 0 })
      const names = ['a', 'b', 'c']
      const settings = { ...defaultProxySettings, balance: 'random' } as const
      const endpoints = await Promise.all(names.map(name => startNamed(t, name)))
      await plane.serve(tcpService(frontend, endpoints, { settings }))
      let order = ''
      for (let count = 0; count < 3; count++) order += (await ask(t, frontend)).text
      t.equal(order, 'cab')
    })

    for (const balance of ['least-connections', 'p2c'] as const) {
      void t.test(`${balance} spares an endpoint that holds its connections`, async t => {
        const frontend = freeAddress()
        const slow = await startManual(t)
        const quick = [await startNamed(t, 'quick'), await startNamed(t, 'quick')]
        const plane = new TestPlane(t, { engine })
        const settings = { ...defaultProxySettings, balance }
        await plane.serve(tcpService(frontend, [slow.address, ...quick], { settings }))
        // Until the slow one has a connection that it doesn't end.
        const held = slow.accept().then(() => 'held')
        const asked = async (): Promise<string> => (await ask(t, frontend)).text
        while ((await Promise.race([held, asked()])) !== 'held');
        // From here on every other endpoint has fewer connections whenever one is picked.
        const answers: string[] = []
        for (let count = 0; count < 30; count++) {
          await until(async () => (await plane.plane.status()).activeConnections === 1, 'the others to end')
          answers.push((await ask(t, frontend)).text)
        }
        t.equal(answers.filter(text => text === 'quick').length, 30)
      })
    }

    void t.test('a change of the policy keeps the connections', async t => {
      const frontend = freeAddress()
      const plane = new TestPlane(t, { engine })
      const endpoints = [await startEcho(t)]
      await plane.serve(tcpService(frontend, endpoints))
      const client = open(t, frontend)
      client.write('one')
      await once(client, 'data')
      const settings = { ...defaultProxySettings, balance: 'p2c' } as const
      await plane.serve(tcpService(frontend, endpoints, { settings }))
      client.write('two')
      t.equal(String((await once(client, 'data'))[0]), 'two')
    })

    void t.test('counters after a mix of good and bad connections', async t => {
      const [good, mixed, bad] = [freeAddress(), freeAddress(), freeAddress()]
      const server = await startManual(t)
      const plane = new TestPlane(t, { engine })
      await plane.serve(
        tcpService(good, [server.address], { name: 'good' }),
        tcpService(mixed, [refusingAddress(t), await startEcho(t)], { name: 'mixed' }),
        tcpService(bad, [refusingAddress(t)], { name: 'bad' }),
      )

      const client = open(t, good)
      client.write('12345')
      const upstream = await server.accept()
      await once(upstream.resume(), 'data')
      upstream.write('123')
      await once(client, 'data')
      for (let count = 0; count < 4; count++) await ask(t, mixed, 'hello')
      for (let count = 0; count < 3; count++) await ask(t, bad)
      const ofGood = { active: 1, total: 1, bytesIn: 5, bytesOut: 3, dialRetries: 0, dialFailures: 0 }
      t.match(await plane.counters('good'), ofGood, 'bytes of an open connection count, too')
      t.match(await plane.counters('mixed'), { total: 4, bytesIn: 20, bytesOut: 20, dialFailures: 0 })
      t.ok((await plane.counters('mixed')).dialRetries >= 2)
      t.match(await plane.counters('bad'), {
        active: 0,
        total: 3,
        bytesIn: 0,
        dialRetries: 0,
        dialFailures: 3,
        failures: { refused: 3 },
      })

      client.end()
      upstream.end()
      await plane.idle()
      t.match(await plane.counters('good'), { ...ofGood, active: 0 })
    })
  })
}
