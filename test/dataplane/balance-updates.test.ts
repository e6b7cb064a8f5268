// Balance while the endpoints change: exact where it can be, fair everywhere.

import t from 'tap'
import { defaultProxySettings } from '../../lib/model/proxy-settings.ts'
import { freeAddress } from './addresses.ts'
import { engines } from './engines.ts'
import { TestPlane } from './plane.ts'
import { tcpService } from './table.ts'
import { ask, open, startManual, startNamed } from './tcp.ts'

for (const engine of engines) {
  void t.test(`balance across updates (${engine.name})`, async t => {
    const names = ['a', 'b', 'c', 'd']
    const all = await Promise.all(names.map(name => startNamed(t, name)))

    void t.test('the same list again and again: the turn goes on as if nothing had come', async t => {
      const frontend = freeAddress()
      const plane = new TestPlane(t, { engine })
      let order = ''
      for (let count = 0; count < 12; count++) {
        await plane.serve(tcpService(frontend, all))
        order += (await ask(t, frontend)).text
      }
      t.equal(order, 'abcd'.repeat(3))
    })

    void t.test('an endpoint that flaps takes nothing away from the fairness among the others', async t => {
      const frontend = freeAddress()
      const plane = new TestPlane(t, { engine })
      const met = new Map(names.map(name => [name, 0]))
      for (let count = 0; count < 60; count++) {
        await plane.serve(tcpService(frontend, count % 2 === 0 ? all : all.slice(0, 3)))
        const { text } = await ask(t, frontend)
        met.set(text, (met.get(text) ?? 0) + 1)
      }
      const [a = 0, b = 0, c = 0] = names.map(name => met.get(name))
      t.strictSame([a, b, c], [20, 20, 20], 'it is never there when its turn comes')
    })

    void t.test('least-connections: a new endpoint is filled up to the level of the others', async t => {
      const frontend = freeAddress()
      const servers = [await startManual(t), await startManual(t), await startManual(t)] as const
      const addresses = servers.map(({ address }) => address)
      const plane = new TestPlane(t, { engine })
      const settings = { ...defaultProxySettings, balance: 'least-connections' } as const
      await plane.serve(tcpService(frontend, addresses.slice(0, 2), { settings }))
      const connect = async (...to: readonly (typeof servers)[number][]): Promise<void> => {
        for (const server of to) {
          open(t, frontend)
          await server.accept()
        }
      }
      const [one, two, late] = servers
      await connect(one, two, one, two)
      await plane.serve(tcpService(frontend, addresses, { settings }))
      await connect(late, late)
      // All three are level: in turn from here on.
      const next = [one, two, late].map(server => server.accept())
      for (let count = 0; count < 3; count++) open(t, frontend)
      await Promise.all(next)
      t.equal((await plane.counters()).active, 9)
    })
  })
}
