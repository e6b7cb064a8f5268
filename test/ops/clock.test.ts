import { mock } from 'node:test'
import { test } from 'tap'
import { systemClock } from '../../lib/ops/clock.ts'

const dayMs = 24 * 60 * 60 * 1000

void test('a timer may be longer than those of Node, and can be cancelled all the same', async t => {
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  const fired: string[] = []
  systemClock.after(60 * dayMs, () => fired.push('60 days'))
  const cancelled = systemClock.after(60 * dayMs, () => fired.push('cancelled'))
  systemClock.after(10, () => fired.push('10 ms'))
  mock.timers.tick(10)
  t.strictSame(fired, ['10 ms'])
  for (let days = 0; days < 59; days++) mock.timers.tick(dayMs)
  cancelled.cancel()
  t.strictSame(fired, ['10 ms'])
  for (let days = 0; days < 3; days++) mock.timers.tick(dayMs)
  t.strictSame(fired, ['10 ms', '60 days'])
})
