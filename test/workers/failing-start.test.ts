// Workers that can't live: the pool says why, and goes on trying less and less often.

import { test, type Test } from 'tap'
import type { Clock } from '../../lib/ops/clock.ts'
import { restartDelayMs } from '../../lib/workers/restart-delay.ts'
import { captureLog, type CapturedLog } from '../control/captured-log.ts'
import { until } from '../dataplane/until.ts'
import { ManualClock } from '../manual-clock.ts'
import { newPool } from './pool.ts'

function failingPool(
  t: Test,
  command: readonly string[],
  clock: Clock = new ManualClock(),
): { readonly log: CapturedLog; readonly started: Promise<void> } {
  const log = captureLog()
  const pool = newPool({ workers: 1, command, clock, log })
  t.teardown(() => pool.close())
  return { log, started: pool.started }
}

const node = (script: string): readonly string[] => [process.execPath, '-e', script]

const failures: readonly [string, readonly string[], RegExp][] = [
  ['exits at once', node('process.exit(3)'), /worker 0 has ended before it served: exit code 3/],
  ['is ended by a signal', node("process.kill(process.pid, 'SIGKILL')"), /SIGKILL/],
  ['is not there', ['/nonexistent/program'], /can't be started: .*ENOENT/],
  [
    'says what is wrong',
    node("process.send({ type: 'failed', reason: 'no such module' }, () => process.exit(1))"),
    /no such module \(exit code 1\)/,
  ],
  [
    'ends when it is spoken to',
    node("process.send({ type: 'ready' }); process.on('message', () => process.exit(4))"),
    /exit code 4/,
  ],
]

void test('a worker that ends before it serves: the reason is told', async t => {
  for (const [name, command, expected] of failures) {
    await t.rejects(failingPool(t, command).started, expected, name)
  }
})

void test('a worker that keeps ending is started less and less often', async t => {
  const clock = new ManualClock()
  const { log, started } = failingPool(t, node('process.exit(3)'), clock)
  await t.rejects(started)
  const ends = (): number => log.lines.filter(line => line === 'error worker has ended').length
  // After the first end the next one is started at once.
  for (let end = 2; end <= 6; end++) {
    await until(() => ends() === end, `end ${end}`, 5)
    const delayMs = 100 * 2 ** (end - 2)
    t.ok(clock.delays.includes(delayMs), `waits for ${delayMs} ms after end ${end}`)
    // Heartbeats fall due meanwhile; they change nothing.
    clock.advance(delayMs)
  }
})

void test('the delays: none after a long life, then doubled, and bounded', async t => {
  t.strictSame([0, 1, 2, 3, 10, 11, 99].map(restartDelayMs), [0, 0, 100, 200, 25_600, 30_000, 30_000])
})
