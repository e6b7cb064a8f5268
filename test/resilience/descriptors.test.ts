// 9,000 proxied connections on one worker, two descriptors each; then descriptors run out, and those who come wait in
// the kernel instead of failing; then descriptors are back, and everybody is served.

import type { RequestsLoad } from './load.ts'
import { untilDrained } from './faults.ts'
import { descriptors } from './network.ts'
import { resilienceTest } from './resilience-test.ts'
import { steadyLoads } from './scenario.ts'
import { harm, startTraffic } from './traffic.ts'

const limit = 20_000
const many = 9000

const load = (name: string, connections: number, everyMs: number): RequestsLoad => ({
  kind: 'requests',
  name,
  to: ['10.96.1.1:80'],
  clients: 500,
  connections,
  everyMs,
})

resilienceTest(
  '9,000 open connections on one worker, then no descriptors, then some',
  async (t, { startAgent }) => {
    const agent = await startAgent({ workers: 1, descriptorLimit: limit })
    const worker = async () => {
      const [only] = (await agent.status()).workers
      if (only === undefined) throw new Error('no worker')
      return only
    }
    const before = await worker()
    const idle = descriptors(before.pid).length

    const first = await startTraffic(t, [load('many', many, 15_000)])
    const full = await agent.until(
      '9,000 connections',
      ({ workers }) => (workers[0]?.activeConnections ?? 0) >= many,
    )
    t.equal(full.workers[0]?.descriptors.accepting, true)
    t.ok(descriptors(before.pid).length >= 2 * many)
    await first.answered(many / 2)

    const second = await startTraffic(t, [load('too many', 1500, 3000)])
    await agent.until('descriptors run out', ({ workers }) => workers[0]?.descriptors.accepting === false)
    t.ok(descriptors(before.pid).length < limit, 'with some to spare')
    // Those who are in are served all the while.
    await first.answered(500)

    t.same(harm(await first.stop()), [], 'none of those who were in noticed')
    await agent.until('accepting again', ({ workers }) => workers[0]?.descriptors.accepting === true)
    await agent.until('those who waited are in', ({ workers }) => workers[0]?.activeConnections === 1500)
    await second.answered(1500)
    t.same(harm(await second.stop()), [], 'nor did those who had to wait')

    const steady = await startTraffic(t, steadyLoads)
    await steady.answered(20)
    t.same(harm(await steady.stop()), [])
    const after = await agent.until(
      'all connections ended',
      ({ workers }) => workers[0]?.activeConnections === 0,
    )
    t.equal(after.workers[0]?.pid, before.pid, 'by the same worker')
    await agent.until('UDP flows forgotten', ({ workers }) => workers[0]?.udpFlows === 0)
    t.ok(descriptors(before.pid).length <= idle + 8, 'and no descriptor is left over')
    await untilDrained(agent)
  },
)
