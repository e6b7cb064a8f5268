// A reader that doesn't read stops the sender, and costs this process a bounded amount of memory while 1 GiB wants
// to go through. Sender and reader are processes of their own: the memory measured here is the data plane's.

import t from 'tap'
import { parseAddress } from '../../lib/model/address.ts'
import { freeAddress, ownIp } from './addresses.ts'
import { engines } from './engines.ts'
import { TestPlane } from './plane.ts'
import { StreamPeer } from './stream-peer-process.ts'
import { tcpService } from './table.ts'

const total = 1 << 30

/** What the kernel may hold on the way: tcp_wmem and tcp_rmem at their largest, on both connections. */
const kernelBytes = 160 << 20

/** Far below what goes through, far above the buffers of one connection: the rest is garbage not yet collected. */
const memoryBytes = 160 << 20

for (const engine of engines) {
  for (const direction of ['to the server', 'to the client'] as const) {
    void t.test(`a slow reader, ${direction} (${engine.name})`, async t => {
      const frontend = freeAddress()
      const server = new StreamPeer(t)
      const host = ownIp()
      server.command({ type: 'listen', host })
      const { port } = await server.next('listening')
      const plane = new TestPlane(t, { engine })
      await plane.serve(tcpService(frontend, [`${host}:${port}`]))
      const client = new StreamPeer(t)
      client.command({ type: 'connect', ...parseAddress(frontend) })
      await Promise.all([client.next('connected'), server.next('connected')])
      const [sender, reader] = direction === 'to the server' ? [client, server] : [server, client]

      const before = process.memoryUsage.rss()
      let highest = before
      const sampler = setInterval(() => (highest = Math.max(highest, process.memoryUsage.rss())), 10)
      t.teardown(() => clearInterval(sampler))

      sender.command({ type: 'send', bytes: total })
      let sent = -1
      for (;;) {
        const progress = await sender.next('progress')
        if (progress.sent === sent) break
        sent = progress.sent
      }
      t.ok(sent > 0 && sent < kernelBytes, `the sender stands still after ${sent >> 20} MiB`)
      const { bytesIn, bytesOut } = await plane.counters()
      t.ok(bytesIn + bytesOut <= sent, 'and the relay with it')
      t.ok(highest - before < memoryBytes, `stalled with ${(highest - before) >> 20} MiB more memory`)

      reader.command({ type: 'receive' })
      const [gave, got] = await Promise.all([sender.next('done'), reader.next('done')])
      t.equal(got.bytes, total)
      t.equal(got.checksum, gave.checksum)
      t.ok(highest - before < memoryBytes, `passed with ${(highest - before) >> 20} MiB more memory`)
    })
  }
}
