// What the tests of the scenarios about an agent share: a turn's options, the tools of a load, and the proof that
// nothing is left of a turn.

import type { Test } from 'tap'
import type { RoundOptions, Scenario } from '../../../bench/scenario.ts'
import { familyOf } from '../../../bench/contestants/family.ts'
import { contestantNames, contestantOf } from '../../../bench/contestants/registry.ts'
import { loadTools, type LoadTools } from '../../../bench/load/tools.ts'
import { choosePinning } from '../../../bench/pinning.ts'
import { until } from '../../cmd/agent-under-test.ts'

export const kubeRelay = contestantOf('kube-relay')

/** Short ones. */
export function options(overrides: Partial<RoundOptions> = {}): RoundOptions {
  return {
    threads: 1,
    warmUpMs: 100,
    durationMs: 200,
    signal: new AbortController().signal,
    progress: { update: () => {}, say: () => {}, done: () => {} },
    ...overrides,
  }
}

/** Server and generator for the test, and the processes that they are. */
export async function tools(
  t: Test,
): Promise<{ readonly made: LoadTools; readonly pids: readonly number[] }> {
  const made = loadTools(await choosePinning(false, 1))
  t.teardown(() => made.close())
  return { made, pids: [(await made.server()).pid, (await made.generator()).pid] }
}

/** The process and all that descends from it. */
export function treeOf(pid: number): readonly number[] {
  return familyOf([pid], 'no mark')
}

/** Of everything that the test's own process has started; a guard ends a moment after what it has watched. */
export async function nothingLeft(t: Test, standing: readonly number[] = []): Promise<void> {
  const known = [process.pid, ...standing]
  const others = (): readonly number[] => treeOf(process.pid).filter(pid => !known.includes(pid))
  t.ok(await until('all processes have ended', async () => (others().length === 0 ? true : null)))
}

/** The metrics that a round gives; percentiles of latency are taken of all rounds. */
export function valuesOf({ metrics }: Scenario): readonly string[] {
  return metrics.map(({ name }) => name).filter(name => !name.startsWith('latency_'))
}

/** Stopped 300 ms after the first word of progress, which comes when something is about to be started or measured. */
export async function stopsOnSignal(
  t: Test,
  scenario: Scenario,
  overrides: Partial<RoundOptions>,
  standing: readonly number[] = [],
): Promise<void> {
  const stop = new AbortController()
  const update = (): void => void setTimeout(() => stop.abort(), 300)
  const progress = { update, say: () => {}, done: () => {} }
  await t.rejects(scenario.measure(kubeRelay, 1, options({ signal: stop.signal, progress, ...overrides })))
  await nothingLeft(t, standing)
}

/** An agent that ends at once is told of with its last words. */
export async function refusalIsToldOf(t: Test, scenario: Scenario): Promise<void> {
  await t.rejects(scenario.measure(contestantOf('kube-relay:no-such-flag=1'), 1, options()), {
    code: 'BENCH',
    message: /kube-relay.*has ended \(exit code 2\); it said: .*no-such-flag/,
  })
}

/** Whoever isn't an agent has a reason to be excused, and is refused nevertheless. */
export async function onlyForAgents(t: Test, scenario: Scenario): Promise<void> {
  for (const name of contestantNames.filter(name => name !== 'kube-relay')) {
    const contestant = contestantOf(name)
    t.type(contestant.excused[scenario.name], 'string', name)
    await t.rejects(scenario.measure(contestant, 1, options()), { code: 'BENCH' }, name)
  }
  t.equal(kubeRelay.excused[scenario.name], undefined)
}
