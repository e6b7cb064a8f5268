// Without endpoints the port is closed, so that the kernel refuses; what is established stays.

import t from 'tap'
import { freeAddress } from './addresses.ts'
import { engines } from './engines.ts'
import { TestPlane } from './plane.ts'
import { frontendAt, tcpService, udpService } from './table.ts'
import { connectOutcome, ask, open, outcome, startManual, startNamed } from './tcp.ts'
import { askUdp, startUdpServer, udpClient } from './udp.ts'

for (const engine of engines) {
  void t.test(`no endpoints (${engine.name})`, async t => {
    void t.test('TCP: refused, served when endpoints come, refused again', async t => {
      const frontend = freeAddress()
      const endpoint = await startNamed(t, 'here')
      const plane = new TestPlane(t, { engine })

      await plane.serve(tcpService(frontend, []))
      t.equal(await connectOutcome(t, frontend), 'ECONNREFUSED')
      t.strictSame((await plane.service()).frontends, [{ address: frontend, state: 'refusing' }])

      await plane.serve(tcpService(frontend, [endpoint]))
      t.equal((await ask(t, frontend)).text, 'here')
      t.strictSame((await plane.service()).frontends, [{ address: frontend, state: 'listening' }])

      await plane.serve(tcpService(frontend, []))
      t.equal(await connectOutcome(t, frontend), 'ECONNREFUSED')

      await plane.serve(tcpService(frontend, [endpoint]))
      await plane.serve()
      t.equal(await connectOutcome(t, frontend), 'ECONNREFUSED', 'the service is gone')
    })

    void t.test('an established connection outlives its endpoint and its service', async t => {
      const frontend = freeAddress()
      const server = await startManual(t)
      const plane = new TestPlane(t, { engine })
      await plane.serve(tcpService(frontend, [server.address]))
      const client = open(t, frontend)
      const upstream = await server.accept()
      upstream.pipe(upstream)
      const answer = outcome(client)
      client.write('one,')
      await plane.serve(tcpService(frontend, []))
      client.write('two,')
      await plane.serve()
      client.end('three')
      t.strictSame(await answer, { text: 'one,two,three', end: 'end' })
    })

    void t.test('each frontend goes by its own list', async t => {
      const [cluster, local] = [freeAddress(), freeAddress()]
      const plane = new TestPlane(t, { engine })
      const frontends = [frontendAt(cluster), frontendAt(local, { kind: 'NodePort', list: 'local' })]
      const endpoints = [await startNamed(t, 'far')]
      await plane.serve(tcpService(cluster, endpoints, { frontends, local: [] }))
      t.equal((await ask(t, cluster)).text, 'far')
      t.equal(await connectOutcome(t, local), 'ECONNREFUSED')
      await plane.serve(tcpService(cluster, endpoints, { frontends, local: [await startNamed(t, 'near')] }))
      t.equal((await ask(t, local)).text, 'near')
    })

    void t.test('a frontend in conflict is never opened', async t => {
      const frontend = freeAddress()
      const plane = new TestPlane(t, { engine })
      const frontends = [frontendAt(frontend, { conflict: 'default/other' })]
      await plane.serve(tcpService(frontend, [await startNamed(t, 'a')], { frontends }))
      t.equal(await connectOutcome(t, frontend), 'ECONNREFUSED')
    })

    void t.test('UDP: the port is closed, and a client learns it by ICMP', async t => {
      const frontend = freeAddress()
      const endpoint = await startUdpServer(t, data => `echo:${data.toString()}`)
      const plane = new TestPlane(t, { engine })

      await plane.serve(udpService(frontend, []))
      t.equal(await refusedUdp(frontend), 'ECONNREFUSED')

      await plane.serve(udpService(frontend, [endpoint]))
      const client = await udpClient(t)
      t.equal((await askUdp(client, frontend, 'hi')).text, 'echo:hi')

      await plane.serve(udpService(frontend, []))
      t.equal(await refusedUdp(frontend), 'ECONNREFUSED')
      t.match(await plane.counters(), { active: 0 }, 'its flows are gone')

      async function refusedUdp(address: string): Promise<string> {
        const connected = await udpClient(t, address)
        const error = new Promise<string>(resolve =>
          connected.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? '')),
        )
        connected.send('anyone?')
        return error
      }
    })
  })
}
