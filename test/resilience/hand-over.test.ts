// What an operator does on purpose fails no new connection, breaks no established one and loses no datagram: reloads,
// and one agent that takes over from another, as in a rolling update with maxSurge.

import { readFileSync } from 'node:fs'
import { defaultMetricsPort } from './agent-process.ts'
import {
  reload,
  untilAnswering,
  untilDrained,
  untilGone,
  untilNotListening,
  untilReady,
  untilServing,
  workerPids,
} from './faults.ts'
import { startProbes } from './probes.ts'
import { resilienceTest } from './resilience-test.ts'
import { servesSteady, steadyLoads } from './scenario.ts'
import { harm, startTraffic } from './traffic.ts'

/** Longer than the traffic lasts: connections are to end by themselves. */
const patient = ['--shutdown-timeout', '2m']

for (const [name, times, pauseAnswers] of [
  ['a reload', 1, 60],
  ['five reloads in a row', 5, 0],
] as const) {
  resilienceTest(`${name}: nobody notices`, async (t, { startAgent: start, endpoints }) => {
    const agent = await start({ args: patient })
    t.equal(
      readFileSync('/proc/sys/net/ipv4/tcp_migrate_req', 'utf8').trim(),
      '1',
      'the agent has seen to it',
    )
    const before = workerPids(await agent.status())
    const traffic = await startTraffic(t, steadyLoads)
    await traffic.answered(60)
    for (let n = 0; n < times; n++) {
      await reload(agent)
      await traffic.answered(pauseAnswers)
    }
    await untilNotListening(before)
    await traffic.answered(60)
    const verdict = await traffic.stop()
    t.same(harm(verdict), [])
    const status = await agent.status()
    t.equal(status.agent?.reloads, times)
    t.same(
      workerPids(status).filter(pid => before.includes(pid)),
      [],
      'all workers are new',
    )
    await untilDrained(agent)
    await untilGone(before)
    t.equal((await endpoints.report()).openConnections, 0, 'no connection to an endpoint is left')
  })
}

resilienceTest(
  'a rolling update (a second agent, and once it is ready the first is stopped): nobody notices, nor do probes',
  async (t, { startAgent: start }) => {
    const first = await start({ args: patient })
    const before = workerPids(await first.status())
    const traffic = await startTraffic(t, steadyLoads)
    const probes = startProbes(t, defaultMetricsPort + 1)
    await traffic.answered(60)

    // On the same ports for metrics and health, as with hostNetwork.
    const second = await start({ args: patient, wait: false })
    await untilReady(second)
    t.ok(servesSteady(await untilAnswering(second)), 'ready is after everything is served')
    await traffic.answered(30)
    const stopped = first.kill('SIGTERM')
    await untilNotListening(before)
    await traffic.answered(60)

    const verdict = await traffic.stop()
    t.same(harm(verdict), [])
    t.equal(await stopped, 0, 'the first ends by itself once its connections have ended')
    await untilGone(before)
    t.same(workerPids(await untilServing(second)).length, 2)
    const { answered, failed } = await probes.stop()
    t.same(failed, [], 'whoever of the two was asked')
    t.ok(answered > 50, `${answered} probes`)
  },
)
