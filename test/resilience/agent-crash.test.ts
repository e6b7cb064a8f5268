// The agent is killed under load: its workers serve on, a new agent takes over, with or without an API server, and
// nobody notices.

import { setTimeout as delay } from 'node:timers/promises'
import { untilGone, untilNotListening, untilServing, workerPids } from './faults.ts'
import { resilienceTest } from './resilience-test.ts'
import { steadyLoads } from './scenario.ts'
import { harm, startTraffic } from './traffic.ts'

const patient = ['--shutdown-timeout', '2m']

/** How long the API server is away: KUBE_RELAY_OUTAGE=60 makes it a minute. */
const outageMs = Number(process.env['KUBE_RELAY_OUTAGE'] ?? 10) * 1000

resilienceTest('kill -9 of the agent and a new one: nobody notices', async (t, { startAgent: start }) => {
  const first = await start({ args: patient })
  const orphans = workerPids(await first.status())
  const traffic = await startTraffic(t, steadyLoads)
  await traffic.answered(60)

  await first.kill('SIGKILL')
  await traffic.answered(60)
  const second = await start({ args: patient, wait: false })
  t.same((await untilServing(second)).workers.length, 2)
  await untilNotListening(orphans)
  await traffic.answered(60)

  t.same(harm(await traffic.stop()), [])
  await untilGone(orphans)
})

resilienceTest(
  `the API server is gone for ${outageMs / 1000} s while the agent restarts: nobody notices`,
  async (t, { startAgent: start, api }) => {
    const first = await start({ args: patient })
    const orphans = workerPids(await first.status())
    const traffic = await startTraffic(t, steadyLoads)
    await traffic.answered(60)

    await api.stop()
    const until = performance.now() + outageMs
    await first.kill('SIGKILL')
    const second = await start({ args: patient, wait: false })
    t.equal((await untilServing(second)).source, 'snapshot', 'it serves what it knew, and says so')
    t.match(await second.get('/metrics'), /^kube_relay_serving_snapshot 1$/m)
    await untilNotListening(orphans)
    await traffic.answered(60)
    await delay(Math.max(0, until - performance.now()))
    await api.start()
    await second.until(
      'the API server is served again',
      ({ source, synced }) => source === 'apiserver' && synced,
    )
    t.match(await second.get('/metrics'), /^kube_relay_serving_snapshot 0$/m)
    await traffic.answered(60)

    t.same(harm(await traffic.stop()), [])
    await untilGone(orphans)
  },
)

resilienceTest(
  'an agent that is started anew without an API server serves from its file',
  async (t, scenario) => {
    const { startAgent: start, api } = scenario
    const first = await start()
    await first.until('synced', ({ synced }) => synced)
    t.equal(await first.kill('SIGTERM'), 0)
    await api.stop()
    const second = await start({ wait: false })
    t.equal((await untilServing(second)).source, 'snapshot')
    const traffic = await startTraffic(t, steadyLoads)
    await traffic.answered(30)
    await api.start()
    await second.until(
      'the API server is served again',
      ({ source, synced }) => source === 'apiserver' && synced,
    )
    await traffic.answered(30)
    t.same(harm(await traffic.stop()), [], 'and moving to the API server is not noticed')
  },
)
