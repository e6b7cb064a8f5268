// Runs all scenarios in one VIP mode, on one cluster, each as a subtest for each IP family; then stops the agents, which
// must leave nothing behind. Each result goes to the table of the run.

import type { Test } from 'tap'
import type { VipMode } from '../../../lib/model/vip-mode.ts'
import { startCluster, type Cluster } from './cluster.ts'
import type { Family } from './place-protocol.ts'
import { addResult, type ScenarioResult } from './result-table.ts'
import type { Scenario } from './scenario.ts'
import { createContext } from './scenario-context.ts'
import { scenarios } from './scenarios.ts'
import { families } from './topology.ts'

/** A regular expression: only the scenarios whose names match it are run. */
const only = new RegExp(process.env['KUBE_RELAY_E2E_SCENARIO'] ?? '')

const usualTimeoutMs = 120_000
/** More than agents that have to be started again take. */
const cleanUpMs = 120_000

export async function runScenarios(t: Test, mode: VipMode): Promise<void> {
  const cluster = await startCluster(mode)
  t.teardown(() => cluster.close())
  for (const scenario of scenarios.filter(({ name }) => only.test(name))) {
    for (const family of families) addResult(await runScenario(t, cluster, scenario, family))
  }
  for (const result of await checkCleanStop(t, cluster)) addResult(result)
}

async function runScenario(
  t: Test,
  cluster: Cluster,
  scenario: Scenario,
  family: Family,
): Promise<ScenarioResult> {
  const { name, modes, timeoutMs = usualTimeoutMs } = scenario
  const { mode } = cluster
  const of = { scenario: name, mode, family }
  if (modes?.includes(mode) === false || scenario.families?.includes(family) === false) {
    return { ...of, outcome: 'skip', seconds: 0 }
  }
  const { ok, seconds } = await timed(t, `${name}, ${family}`, timeoutMs + cleanUpMs, async t => {
    const logged = cluster.agents.map(agent => agent.log().length)
    const context = await createContext(t, cluster, { name, family })
    try {
      await withDeadline(scenario.body(context), timeoutMs)
    } catch (error) {
      t.error(error)
    } finally {
      if (!t.passing()) await explain(t, cluster, logged)
      await context.close()
    }
  })
  return { ...of, outcome: ok ? 'pass' : 'fail', seconds }
}

/** Both families count as one check: there is one network. */
async function checkCleanStop(t: Test, cluster: Cluster): Promise<readonly ScenarioResult[]> {
  const { ok, seconds } = await timed(t, 'a clean stop leaves nothing', usualTimeoutMs, async t => {
    const { made, left } = await cluster.stopAgents()
    for (const [index, { node }] of cluster.agents.entries()) {
      const routes = made[index]?.filter(line => line.startsWith('new: ')) ?? []
      t.not(routes.length, 0, `${node.name}: the agent had made addresses local`)
      t.same(left[index], [], `${node.name}: all is as it was before the agent's start`)
    }
    if (!t.passing()) t.comment(cluster.tail())
  })
  const { mode } = cluster
  return families.map(family => ({
    scenario: 'a clean stop leaves nothing',
    mode,
    family,
    outcome: ok ? 'pass' : 'fail',
    seconds,
  }))
}

/** Not tap's own time-out, which wouldn't wait until everything is taken away again. */
async function withDeadline(body: Promise<void>, timeoutMs: number): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>()
  const late = (): void => reject(new Error(`not done after ${timeoutMs / 1000} s`))
  const timer = setTimeout(late, timeoutMs)
  try {
    await Promise.race([body, promise])
  } finally {
    clearTimeout(timer)
  }
}

async function timed(
  t: Test,
  name: string,
  timeoutMs: number,
  body: (t: Test) => Promise<void>,
): Promise<{ readonly ok: boolean; readonly seconds: number }> {
  const start = performance.now()
  const result = await t.test(name, { timeout: timeoutMs }, body)
  return { ok: result?.ok === true, seconds: (performance.now() - start) / 1000 }
}

/** What each agent has logged since the scenario began, and what it serves of it. */
async function explain(t: Test, { agents }: Cluster, logged: readonly number[]): Promise<void> {
  for (const [index, agent] of agents.entries()) {
    const news = agent.log().slice(logged[index])
    t.comment(`--- ${agent.node.name} has logged since:\n${news.slice(-4000)}\n---`)
  }
}
