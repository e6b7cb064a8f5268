// The status of a service port is the same object for as long as it says the same.

import t from 'tap'
import { defaultPassiveHealth } from '../../lib/policy/passive-health.ts'
import { freeAddress, refusingAddress } from './addresses.ts'
import { engines } from './engines.ts'
import { TestPlane } from './plane.ts'
import { delta, frontendAt, tcpService } from './table.ts'
import { ask, open, startManual, startNamed } from './tcp.ts'
import { until } from './until.ts'

for (const engine of engines) {
  void t.test(`status of service ports (${engine.name})`, async t => {
    void t.test('what nothing happens to is told as before; what something happens to, anew', async t => {
      const [quiet, busy] = [freeAddress(), freeAddress()]
      const plane = new TestPlane(t, { engine })
      const endpoints = [await startNamed(t, 'a')]
      await plane.serve(
        tcpService(quiet, endpoints, { name: 'quiet' }),
        tcpService(busy, endpoints, { name: 'busy' }),
      )
      const before = [await plane.service('quiet'), await plane.service('busy')]
      await ask(t, busy)
      await plane.idle()
      t.equal(await plane.service('quiet'), before[0])
      const after = await plane.service('busy')
      t.match(before[1], { connections: { total: 0, bytesOut: 0 } }, 'what was told stays as it was')
      t.match(after, { connections: { total: 1, active: 0, bytesOut: 1 } })
      t.equal(await plane.service('busy'), after)
    })

    void t.test('bytes of connections that are still open', async t => {
      const frontend = freeAddress()
      const server = await startManual(t)
      const plane = new TestPlane(t, { engine })
      await plane.serve(tcpService(frontend, [server.address]))
      const client = open(t, frontend)
      const upstream = await server.accept()
      upstream.write('abc')
      await until(async () => (await plane.counters()).bytesOut === 3, 'three bytes')
      const told = await plane.service()
      t.equal(await plane.service(), told)
      client.write('ab')
      await until(async () => (await plane.counters()).bytesIn === 2, 'two bytes')
    })

    void t.test('endpoints and frontends that change', async t => {
      const frontend = freeAddress()
      const plane = new TestPlane(t, { engine, passiveHealth: { ...defaultPassiveHealth, failures: 1 } })
      const [good, bad] = [await startNamed(t, 'a'), refusingAddress(t)]
      const web = tcpService(frontend, [good, bad])
      await plane.serve(web)
      await until(async () => {
        await ask(t, frontend)
        return (await plane.service()).setAside.length === 1
      }, 'an endpoint to be set aside')
      t.strictSame((await plane.service()).setAside, [bad])
      t.equal(await plane.service(), await plane.service())
      await plane.apply(delta(2, [{ ...web, cluster: [], serving: [] }]))
      t.match(await plane.service(), { setAside: [], frontends: [{ address: frontend, state: 'refusing' }] })
      const other = freeAddress()
      await plane.apply(delta(3, [{ ...web, frontends: [frontendAt(other)] }]))
      t.strictSame((await plane.service()).frontends, [{ address: other, state: 'listening' }])
    })
  })
}
