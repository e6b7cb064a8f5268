// Clients and endpoints that go at any moment, by FIN or RST, while endpoints are dialed, retried and answered: each
// connection is counted out once, and no descriptor stays behind.

import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import type { Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { freeAddress } from './addresses.ts'
import { engines } from './engines.ts'
import { TestPlane } from './plane.ts'
import { tcpService } from './table.ts'
import { open, startServer } from './tcp.ts'
import { until } from './until.ts'

const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
const rounds = 20
const atOnce = 60

const endpointEnds: readonly ((socket: Socket) => void)[] = [
  socket => socket.resetAndDestroy(),
  socket => socket.resume().end(),
  socket => socket.once('data', () => socket.resetAndDestroy()),
  socket => socket.once('data', () => socket.end()),
  socket => socket.once('data', () => socket.end(Buffer.alloc(100_000))),
  socket =>
    socket.once('data', () => {
      socket.write(Buffer.alloc(200_000))
      setImmediate(() => socket.resetAndDestroy())
    }),
]

const clientEnds: readonly ((socket: Socket) => Promise<void> | void)[] = [
  socket => void socket.resetAndDestroy(),
  socket => void socket.resume().end(get),
  socket => void socket.resume().write(get),
  socket => void socket.resume().end('POST'),
  socket => resetAfter(socket, 0),
  socket => resetAfter(socket, 1),
  socket => resetAfter(socket, 2),
  socket => resetAfter(socket, 4),
]

async function resetAfter(socket: Socket, turns: number): Promise<void> {
  socket.resume().write(get)
  for (let i = 0; i < turns; i++) await turn()
  if (!socket.destroyed) socket.resetAndDestroy()
}

async function connectAndGo(t: Test, frontend: string, number: number): Promise<void> {
  const socket = open(t, frontend)
  const closed = new Promise(resolve => socket.once('close', resolve))
  socket.once('end', () => socket.end())
  await once(socket, 'connect')
  await clientEnds[number % clientEnds.length]?.(socket)
  await closed
}

function descriptors(): number {
  return readdirSync('/proc/self/fd').length
}

for (const engine of engines) {
  void t.test(`sudden ends (${engine.name})`, async t => {
    let arrived = 0
    const endpoint = () =>
      startServer(t, socket => endpointEnds[arrived++ % endpointEnds.length]?.(socket.resume()))
    const frontend = freeAddress()
    const plane = new TestPlane(t, { engine, earlyRetry: true })
    await plane.serve(tcpService(frontend, [await endpoint(), await endpoint(), await endpoint()]))
    const before = descriptors()
    const { used } = (await plane.plane.status()).descriptors
    for (let round = 0; round < rounds; round++) {
      await Promise.all(
        Array.from({ length: atOnce }, (_, index) => connectAndGo(t, frontend, round + index)),
      )
    }
    await plane.idle()
    const { active, total, dialRetries } = await plane.counters()
    t.equal(active, 0)
    t.ok(total > atOnce && dialRetries > 0)
    t.equal((await plane.plane.status()).descriptors.used, used)
    await until(() => descriptors() <= before, 'descriptors to be closed')
  })
}
