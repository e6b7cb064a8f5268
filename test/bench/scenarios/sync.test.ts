// sync, small: every change is obeyed, and whatever ends it leaves nothing behind.

import { test } from 'tap'
import { sync } from '../../../bench/scenarios/sync.ts'
import {
  kubeRelay,
  nothingLeft,
  onlyForAgents,
  options,
  refusalIsToldOf,
  stopsOnSignal,
  treeOf,
  valuesOf,
} from './agent-scenario.ts'

void test('sync: every change is obeyed, and each metric has its value for each size', async t => {
  const scenario = sync([3, 40])
  const measured = await scenario.measure(kubeRelay, 2, options())
  t.match(measured, { contestant: 'kube-relay', scenario: 'sync', round: 2, operations: 20, latency: String })
  t.same(measured.errors, {})
  t.same(Object.keys(measured.values).sort(), [...valuesOf(scenario)].sort())
  for (const [name, value] of Object.entries(measured.values)) {
    if (!name.startsWith('agent_cpu')) t.ok(value > 0, `${name}: ${value}`)
  }
  await nothingLeft(t)
})

void test('a person stops it', t => stopsOnSignal(t, sync([3]), { durationMs: 60_000 }))

void test('an agent that refuses its flags is told of', t => refusalIsToldOf(t, sync([3])))

void test('only agents take part', t => onlyForAgents(t, sync([3])))

void test('an agent that dies is told of', async t => {
  const update = (line: string): void => {
    if (line.includes('change 3 ')) process.kill(agentPid(), 'SIGKILL')
  }
  const progress = { update, say: () => {}, done: () => {} }
  const killed = sync([3]).measure(kubeRelay, 1, options({ durationMs: 60_000, progress }))
  await t.rejects(killed, { code: 'BENCH', message: /^kube-relay has ended \(SIGKILL\)/ })
  await nothingLeft(t)
})

/** The one process that this one has started which has a child itself, its worker. */
function agentPid(): number {
  const [, ...others] = treeOf(process.pid)
  const found = others.find(pid => treeOf(pid).length > 1)
  if (found === undefined) throw new Error('there is no agent')
  return found
}
