// The generators against the benchmark's own server, and against servers that misbehave.

import dgram from 'node:dgram'
import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { test, type Test } from 'tap'
import type { Address } from '../../lib/model/address.ts'
import type { Load } from '../../bench/load/counters.ts'
import { holdIdle } from '../../bench/load/idle.ts'
import { mergeLatencies } from '../../bench/latency.ts'
import { serverCalls, type ServeOptions, type ServerMark } from '../../bench/load/server.ts'
import { runCrr } from '../../bench/load/tcp-crr.ts'
import { runRr } from '../../bench/load/tcp-rr.ts'
import { runStream } from '../../bench/load/tcp-stream.ts'
import { runUdpRr } from '../../bench/load/udp-rr.ts'

const ip = '127.0.0.1'

async function serve(
  t: Test,
  options: Partial<ServeOptions> & Pick<ServeOptions, 'kind'>,
): Promise<{ readonly target: Address; readonly mark: () => ServerMark }> {
  const calls = serverCalls() as unknown as {
    serve(options: ServeOptions): Promise<number>
    close(options: { readonly port: number }): Promise<void>
    mark(): ServerMark
  }
  const port = await calls.serve({ host: ip, requestBytes: 64, responseBytes: 64, ...options })
  t.teardown(() => calls.close({ port }))
  return { target: { ip, port }, mark: () => calls.mark() }
}

/** A TCP server that does what it is told with each connection. */
async function serveWith(t: Test, onConnection: (socket: net.Socket) => void): Promise<Address> {
  const server = net.createServer(socket => {
    socket.on('error', () => {})
    onConnection(socket)
  })
  server.listen(0, ip)
  await once(server, 'listening')
  t.teardown(() => server.close())
  return { ip, port: (server.address() as AddressInfo).port }
}

async function closedPort(): Promise<Address> {
  const server = net.createServer().listen(0, ip)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return { ip, port }
}

async function untilCounted(load: Load, count: number): Promise<void> {
  while (load.counters.operations < count) await delay(5)
}

const sizes = { requestBytes: 64, responseBytes: 64 }

void test('tcp-rr in a closed loop counts each response once', async t => {
  for (const [requestBytes, responseBytes] of [
    [64, 64],
    [1, 200_000],
    [200_000, 1],
  ] as const) {
    const { target } = await serve(t, { kind: 'rr', requestBytes, responseBytes })
    const load = await runRr({ target, connections: 3, requestBytes, responseBytes })
    t.teardown(() => load.stop())
    await untilCounted(load, 50)
    const marked = load.counters.mark()
    t.ok(marked.operations >= 50)
    t.strictSame(marked.errors, {})
    t.equal(load.counters.operations, 0, 'counted from anew')
    await untilCounted(load, 5)
    await load.stop()
  }
})

void test('tcp-rr in an open loop keeps to its rate, and counts latency from when a request was due', async t => {
  // A server that stops to answer for a while: what was due meanwhile has waited.
  const pauseMs = 400
  let paused = false
  const target = await serveWith(t, socket => {
    const answer = (chunk: Buffer): void => void socket.write(Buffer.alloc(chunk.length))
    socket.on('data', (chunk: Buffer) => {
      if (paused) setTimeout(answer, pauseMs, chunk)
      else answer(chunk)
    })
  })
  const load = await runRr({ target, connections: 2, ...sizes })
  t.teardown(() => load.stop())
  await untilCounted(load, 10)
  load.openLoop(500)
  load.counters.mark()
  await untilCounted(load, 100)
  const { operations, elapsedMs } = load.counters.mark()
  t.ok(operations / elapsedMs < 1, 'not faster than half a request per millisecond, by far')
  paused = true
  load.counters.mark()
  await untilCounted(load, 20)
  const { latency } = load.counters.mark()
  const slowest = mergeLatencies([latency])?.maxValue ?? 0
  t.ok(slowest >= (pauseMs - 20) * 1000, `${slowest} µs`)
})

void test('tcp-rr: nobody listens', async t => {
  await t.rejects(runRr({ target: await closedPort(), connections: 2, ...sizes }), { code: 'ECONNREFUSED' })
})

void test('tcp-rr: connections that end are counted, and opened anew', async t => {
  const seen = { connections: 0 }
  const target = await serveWith(t, socket => {
    seen.connections++
    socket.once('data', () => socket.resetAndDestroy())
  })
  const load = await runRr({ target, connections: 1, ...sizes })
  t.teardown(() => load.stop())
  while (seen.connections < 3) await delay(5)
  t.ok((load.counters.mark().errors['ECONNRESET'] ?? 0) >= 2)
})

void test('tcp-crr opens a connection for each operation', async t => {
  const { target } = await serve(t, { kind: 'rr' })
  const load = await runCrr({ target, concurrency: 4, ...sizes })
  t.teardown(() => load.stop())
  await untilCounted(load, 50)
  const marked = load.counters.mark()
  t.strictSame(marked.errors, {})
  const latencies = mergeLatencies([marked.latency])
  t.ok((latencies?.totalCount ?? 0) >= 50)
})

void test('tcp-crr counts what fails by its reason', async t => {
  for (const [reason, target] of [
    ['ECONNREFUSED', await closedPort()],
    ['closed before the response', await serveWith(t, socket => socket.resume().end())],
  ] as const) {
    const load = await runCrr({ target, concurrency: 2, ...sizes })
    let seen = 0
    while (seen === 0) {
      await delay(5)
      const { errors, operations } = load.counters.mark()
      t.equal(operations, 0)
      seen = errors[reason] ?? 0
    }
    await load.stop()
    t.pass(reason)
  }
})

void test('tcp-stream in both directions, counted where it arrives', async t => {
  const { target, mark } = await serve(t, { kind: 'stream' })
  const up = await runStream({ target, connections: 2, direction: 'up' })
  t.teardown(() => up.stop())
  let arrived = 0
  while (arrived < 1_000_000) {
    await delay(5)
    arrived += mark().bytes
  }
  t.equal(up.counters.mark().bytes, 0)
  await up.stop()
  const down = await runStream({ target, connections: 2, direction: 'down' })
  t.teardown(() => down.stop())
  while (down.counters.bytes < 1_000_000) await delay(5)
  t.strictSame(down.counters.mark().errors, {})
})

void test('tcp-stream: nobody listens', async t => {
  const target = await closedPort()
  await t.rejects(runStream({ target, connections: 2, direction: 'up' }), { code: 'ECONNREFUSED' })
})

void test('udp-rr: each answer counts once, also where sizes differ', async t => {
  for (const responseBytes of [64, 1000]) {
    const { target } = await serve(t, { kind: 'udp', responseBytes })
    const load = await runUdpRr({ target, flows: 5, requestBytes: 64, lostAfterMs: 5000 })
    t.teardown(() => load.stop())
    await untilCounted(load, 50)
    const marked = load.counters.mark()
    t.equal(marked.lost, 0)
    t.ok(mergeLatencies([marked.latency])?.totalCount === marked.operations)
    await load.stop()
  }
})

void test('udp-rr: what is not answered is lost, and the flow goes on', async t => {
  const server = dgram.createSocket('udp4')
  t.teardown(() => server.close())
  let datagrams = 0
  server.on('message', (message, from) => {
    if (++datagrams % 3 !== 0) server.send(message, from.port, from.address)
  })
  server.bind(0, ip)
  await once(server, 'listening')
  const target = { ip, port: server.address().port }
  const load = await runUdpRr({ target, flows: 2, requestBytes: 64, lostAfterMs: 40 })
  t.teardown(() => load.stop())
  while (load.counters.lost < 5) await delay(5)
  const { lost, operations } = load.counters.mark()
  t.ok(operations >= lost, `${operations} answered, ${lost} lost`)
})

void test('idle connections stay open, and are counted', async t => {
  const { target } = await serve(t, { kind: 'rr' })
  const idle = holdIdle(target, 64, 64)
  t.teardown(() => idle.close())
  await idle.add(30)
  await idle.add(120)
  t.equal(idle.open, 150)
  idle.close()
  while (idle.open > 0) await delay(5)
  const nobody = holdIdle(await closedPort(), 64, 64)
  await t.rejects(nobody.add(3), { code: 'ECONNREFUSED' })
})

void test('the server speaks HTTP to generators of others', async t => {
  const { target } = await serve(t, { kind: 'http', responseBytes: 5 })
  const socket = net.connect(target.port, target.ip)
  t.teardown(() => socket.destroy())
  let text = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk))
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHo')
  socket.write('st: x\r\n\r\n')
  const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nrrrrr'
  while (text.length < 2 * answer.length) await delay(5)
  t.equal(text, answer + answer)
})
