// The agent leaves (SIGQUIT, which is what `systemctl restart` and a package's upgrade send) and another is started: its
// workers serve on in between, and nobody notices. Where nobody would serve on, or be found, it stops instead.

import { untilGone, untilNotListening, untilServing, workerPids } from './faults.ts'
import { processesHere } from './network.ts'
import { resilienceTest } from './resilience-test.ts'
import { steadyLoads } from './scenario.ts'
import { harm, startTraffic } from './traffic.ts'

const patient = ['--shutdown-timeout', '2m']

resilienceTest('three times, an agent leaves and a new one comes: nobody notices', async (t, scenario) => {
  let agent = await scenario.startAgent({ args: patient })
  const traffic = await startTraffic(t, steadyLoads)
  const gone: number[] = []
  for (let n = 0; n < 3; n++) {
    const orphans = workerPids(await agent.status())
    await traffic.answered(60)
    t.equal(await agent.kill('SIGQUIT'), 0, 'it has left')
    await traffic.answered(60)
    const here = processesHere().map(({ pid }) => pid)
    t.ok(
      orphans.every(pid => here.includes(pid)),
      'its workers serve on',
    )
    agent = await scenario.startAgent({ args: patient, wait: false })
    await untilServing(agent)
    await untilNotListening(orphans)
    gone.push(...orphans)
  }
  await traffic.answered(60)
  t.same(harm(await traffic.stop()), [])
  await untilGone(gone)
})

resilienceTest('an agent that leaves in the middle of a reload: nobody notices', async (t, scenario) => {
  const first = await scenario.startAgent({ args: patient })
  const traffic = await startTraffic(t, steadyLoads)
  await traffic.answered(60)
  const before = scenario.agentProcesses().length
  process.kill(first.pid, 'SIGHUP')
  while (scenario.agentProcesses().length === before) await traffic.answered(1)
  t.equal(await first.kill('SIGQUIT'), 0)
  const orphans = scenario.agentProcesses()
  await traffic.answered(60)
  const second = await scenario.startAgent({ args: patient, wait: false })
  await untilServing(second)
  await untilNotListening(orphans)
  await traffic.answered(60)
  t.same(harm(await traffic.stop()), [])
  await untilGone(orphans)
})

for (const [name, settings] of [
  ['without a state directory', { remembers: false }],
  ['that proxies itself', { workers: 0 }],
] as const) {
  resilienceTest(`an agent ${name} stops instead`, async (t, scenario) => {
    const agent = await scenario.startAgent(settings)
    t.equal(await agent.kill('SIGQUIT'), 0)
    t.strictSame(scenario.agentProcesses(), [], 'with its workers')
  })
}
