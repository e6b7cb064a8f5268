// handover, small: reloads that nobody notices, and whatever ends it leaves nothing behind.

import { test } from 'tap'
import { contestantOf } from '../../../bench/contestants/registry.ts'
import { handover } from '../../../bench/scenarios/handover.ts'
import {
  nothingLeft,
  onlyForAgents,
  options,
  refusalIsToldOf,
  stopsOnSignal,
  tools,
  valuesOf,
} from './agent-scenario.ts'

void test('handover: reloads that nobody notices', async t => {
  const { made, pids } = await tools(t)
  const scenario = handover(made)
  const measured = await scenario.measure(contestantOf('kube-relay:workers=2'), 1, options())
  t.same(Object.keys(measured.values), valuesOf(scenario))
  t.equal(measured.values['failures_per_reload'], 0)
  t.same(measured.errors, {})
  t.ok(measured.operations > 0)
  await nothingLeft(t, pids)
})

void test('a person stops it', async t => {
  const { made, pids } = await tools(t)
  await stopsOnSignal(t, handover(made), { warmUpMs: 0, durationMs: 0 }, pids)
})

void test('an agent that refuses its flags is told of', async t => {
  const { made } = await tools(t)
  await refusalIsToldOf(t, handover(made))
})

void test('only agents take part', async t => {
  const { made } = await tools(t)
  await onlyForAgents(t, handover(made))
})
