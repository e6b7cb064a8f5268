// Clients that open connections and never read, never write, or both: what each costs in memory is bounded, and others
// are served as if they weren't there.

import { once } from 'node:events'
import type net from 'node:net'
import t from 'tap'
import { defaultProxySettings } from '../../lib/model/proxy-settings.ts'
import { freeAddress } from './addresses.ts'
import { engines } from './engines.ts'
import { LimitedPlane } from './limited-plane.ts'
import { snapshot, tcpService } from './table.ts'
import { ask, open, startEcho, startServer } from './tcp.ts'
import { until } from './until.ts'

const connections = 400

/** What one connection may cost in the data plane's process, whatever its peers do; LIMITS.md gives the figure. */
const mostBytes = 384 * 1024
/** What one costs that just stays open. */
const mostIdleBytes = 48 * 1024

for (const engine of engines) {
  void t.test(`hostile clients (${engine.name})`, async t => {
    const [idle, flood, served] = [freeAddress(), freeAddress(), freeAddress()]
    const plane = new LimitedPlane(t, engine, 4096, ['--expose-gc'])
    // It sends to everyone without end and never reads.
    const flooding = await startServer(
      t,
      socket => {
        const data = Buffer.alloc(1 << 20)
        const send = (): void => void (socket.write(data) && setImmediate(send))
        socket.on('drain', send)
        send()
      },
      { pauseOnConnect: true },
    )
    const silent = await startServer(t, () => {})
    const settings = defaultProxySettings
    await plane.apply(
      snapshot(
        1,
        tcpService(idle, [silent], { name: 'idle', settings }),
        tcpService(flood, [flooding], { name: 'flood', settings }),
        tcpService(served, [await startEcho(t)], { name: 'served', settings }),
      ),
    )
    for (let round = 0; round < 50; round++) await ask(t, served, 'warm')
    const before = await plane.memory()

    await Promise.all(Array.from({ length: connections }, () => connected(open(t, idle))))
    await until(async () => (await plane.status()).activeConnections === connections, 'the idle ones', 20)
    const withIdle = await plane.memory()
    const idleBytes = (withIdle - before) / connections
    t.ok(idleBytes < mostIdleBytes, `an idle connection costs ${Math.round(idleBytes / 1024)} KiB`)

    // These neither read nor stop writing: both directions are stuck with full buffers.
    const stuck = await Promise.all(Array.from({ length: connections }, () => connected(open(t, flood))))
    for (const client of stuck) {
      client.pause()
      client.write(Buffer.alloc(8 << 20))
    }
    let moved = -1
    await until(
      async () => {
        const port = (await plane.status()).servicePorts.find(({ key }) => key.includes('/flood:'))
        const { bytesIn = 0, bytesOut = 0 } = port?.connections ?? {}
        const stands = bytesIn + bytesOut === moved
        moved = bytesIn + bytesOut
        return stands && moved > 0
      },
      'everything to be stuck',
      500,
    )
    const stuckBytes = ((await plane.memory()) - withIdle) / connections
    t.ok(stuckBytes < mostBytes, `a stuck connection costs ${Math.round(stuckBytes / 1024)} KiB`)
    t.comment(
      `KiB per connection: idle ${(idleBytes / 1024).toFixed(1)}, stuck ${(stuckBytes / 1024).toFixed(1)}`,
    )

    for (let round = 0; round < 50; round++) {
      t.strictSame(await ask(t, served, 'me too'), { text: 'me too', end: 'end' })
    }
    const active = async (): Promise<number> => (await plane.status()).activeConnections
    await until(async () => (await active()) <= 2 * connections, 'the served ones to end', 20)
    t.equal(await active(), 2 * connections, 'all of the others are still there')
  })
}

async function connected(socket: net.Socket): Promise<net.Socket> {
  if (socket.connecting) await once(socket, 'connect')
  return socket
}
