// The prober says which endpoint a connection came to, and why none came.

import net from 'node:net'
import { once } from 'node:events'
import { test } from 'tap'
import { freeAddress } from '../../../bench/load/free-port.ts'
import { monotonicUs } from '../../../bench/scenarios/monotonic.ts'
import { startProber } from '../../../bench/scenarios/prober.ts'
import { liveEndpoints } from '../../../bench/scenarios/synthetic-cluster.ts'

const limits = { everyMs: 1, limitMs: 60_000, signal: new AbortController().signal }

void test('it reaches each of its endpoints, and knows when', async t => {
  const prober = await startProber()
  t.teardown(() => prober.close())
  for (const [endpoint, ip] of liveEndpoints.entries()) {
    const before = monotonicUs()
    const { arrival, failures } = await prober.until({ ip, port: prober.port }, null, limits)
    t.equal(arrival.endpoint, endpoint)
    t.ok(arrival.atUs >= before && arrival.atUs <= monotonicUs())
    t.same(failures, {})
  }
})

void test('it goes on until the wanted one is reached, and counts what fails until then', async t => {
  const prober = await startProber()
  t.teardown(() => prober.close())
  const target = await freeAddress('TCP')
  const found = prober.until(target, 1, limits)
  let accepted = 0
  // Refused, then reset, then led to the wrong endpoint, and to the right one.
  const proxy = net.createServer(client => {
    accepted++
    if (accepted === 1) {
      client.resetAndDestroy()
      return
    }
    const upstream = net.connect(prober.port, liveEndpoints[accepted === 2 ? 0 : 1])
    client.pipe(upstream).pipe(client)
  })
  t.teardown(() => proxy.close())
  setTimeout(() => proxy.listen(target.port, target.ip), 50)
  const { arrival, failures } = await found
  t.equal(arrival.endpoint, 1)
  t.ok((failures['ECONNREFUSED'] ?? 0) > 0)
  t.equal(failures['ECONNRESET'], 1)
})

void test('what never leads there ends in an error with the reasons, and a signal ends it at once', async t => {
  const prober = await startProber()
  t.teardown(() => prober.close())
  const target = await freeAddress('TCP')
  await t.rejects(prober.until(target, 0, { ...limits, limitMs: 20 }), {
    code: 'BENCH',
    message: /^127\.77\.0\.1:\d+ has not led to the endpoint in 0\.02 s \(ECONNREFUSED \d+ times\)$/,
  })
  const stop = new AbortController()
  const stopped = prober.until(target, 0, { ...limits, signal: stop.signal })
  stop.abort()
  await t.rejects(stopped, { name: 'AbortError' })
})

void test('a service that closes without an answer has failed', async t => {
  const prober = await startProber()
  t.teardown(() => prober.close())
  const silent = net.createServer(client => client.end()).listen(0, '127.77.0.1')
  await once(silent, 'listening')
  t.teardown(() => silent.close())
  const { port } = silent.address() as net.AddressInfo
  await t.rejects(prober.until({ ip: '127.77.0.1', port }, null, { ...limits, limitMs: 20 }), {
    message: /closed without an answer \d+ times/,
  })
})
