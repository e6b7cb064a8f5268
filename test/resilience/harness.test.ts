// The harness itself: without a fault it finds no harm, and what goes wrong it finds, counts and dates.

import type { Test } from 'tap'
import { now } from './monotonic.ts'
import type { Failure, Verdict } from './outcomes.ts'
import { resilienceTest } from './resilience-test.ts'
import { steadyLoads } from './scenario.ts'
import { harm, startTraffic } from './traffic.ts'

const plain = { workers: 0, remembers: false }

resilienceTest(
  'steady load without a fault: everything is answered',
  async (t, { startAgent, endpoints }) => {
    await startAgent(plain)
    const traffic = await startTraffic(t, steadyLoads)
    await traffic.answered(300)
    const verdict = await traffic.stop()
    t.same(harm(verdict), [])
    const received = await endpoints.report()
    t.equal(
      received.requests,
      sent(verdict, ['connections', 'requests']),
      'a request reached one endpoint, once',
    )
    t.equal(received.datagrams, sent(verdict, ['datagrams']), 'each datagram, too')
    const echoed = Object.values(verdict).reduce((total, { bytes }) => total + bytes, 0)
    t.equal(received.echoedBytes, echoed, 'and each byte')
    t.ok(echoed > 1e6)
  },
)

resilienceTest('a data plane that is killed is found out', async (t, { startAgent }) => {
  const agent = await startAgent(plain)
  const traffic = await startTraffic(t, steadyLoads)
  await traffic.answered(50)
  const before = Object.values((await traffic.report()).open).flat()
  const faultAt = now()
  await agent.kill('SIGKILL')
  await traffic.failed(1)
  const verdict = await traffic.stop()
  checkAccounts(t, verdict)
  for (const [name, load] of Object.entries(verdict)) {
    t.ok(load.failed > 0, `${name} failed`)
    t.ok(
      load.failures.every(({ at }) => at >= faultAt),
      'but not before the fault',
    )
  }
  const broken = Object.values(verdict).flatMap(load => load.broken.map(({ client }) => client))
  t.ok(before.length > 40)
  t.same(
    before.filter(client => !broken.includes(client)),
    [],
    'every open connection broke',
  )
  t.match(verdict['new connections']?.failedByReason, { ECONNREFUSED: Number })
  t.match(harm(verdict, faultAt).join('\n'), /new connections: \d+ of \d+ failed, .*ECONNREFUSED/)
})

resilienceTest('endpoints that are killed are found out', async (t, { startAgent, endpoints }) => {
  await startAgent(plain)
  const traffic = await startTraffic(t, steadyLoads)
  await traffic.answered(50)
  const faultAt = now()
  await endpoints.kill()
  await traffic.failed(1)
  const verdict = await traffic.stop()
  checkAccounts(t, verdict)
  const failures = Object.values(verdict).flatMap((load): readonly Failure[] => load.failures)
  t.ok(failures.every(({ at }) => at >= faultAt))
  t.ok(verdict['open connections']?.broken.length, 'open connections broke')
  t.ok(verdict['datagrams']?.failed, 'datagrams were lost')
})

function sent(verdict: Verdict, kinds: readonly string[]): number {
  const some = Object.values(verdict).filter(({ kind }) => kinds.includes(kind))
  return some.reduce((total, load) => total + load.sent, 0)
}

function checkAccounts(t: Test, verdict: Verdict): void {
  for (const [name, load] of Object.entries(verdict)) {
    t.equal(load.answered + load.failed, load.sent, `${name}: everything is accounted for`)
  }
}
