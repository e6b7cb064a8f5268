// start, small: with an API server and without one, and whatever ends it leaves nothing behind.

import { test } from 'tap'
import { start } from '../../../bench/scenarios/start.ts'
import {
  kubeRelay,
  nothingLeft,
  onlyForAgents,
  options,
  refusalIsToldOf,
  stopsOnSignal,
  valuesOf,
} from './agent-scenario.ts'

void test('start: cold, and then without an API server', async t => {
  const scenario = start(20)
  const measured = await scenario.measure(kubeRelay, 1, options())
  t.same(Object.keys(measured.values), valuesOf(scenario))
  for (const [name, value] of Object.entries(measured.values)) t.ok(value > 0, name)
  t.same(measured.errors, {})
  await nothingLeft(t)
})

void test('a person stops it', t => stopsOnSignal(t, start(3), {}))

void test('an agent that refuses its flags is told of', t => refusalIsToldOf(t, start(3)))

void test('only agents take part', t => onlyForAgents(t, start(3)))
