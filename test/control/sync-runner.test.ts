import { test } from 'tap'
import { SyncRunner } from '../../lib/control/sync-runner.ts'
import { captureLog } from './captured-log.ts'
import { ManualClock, settled } from '../manual-clock.ts'

const intervalMs = 100

function createRunner(run: () => Promise<void>) {
  const clock = new ManualClock()
  const log = captureLog()
  return { clock, log, runner: new SyncRunner(run, intervalMs, clock, log) }
}

/** Runs that each last until the test ends them. */
function heldRuns() {
  const open: { readonly end: () => void; readonly fail: (error: Error) => void }[] = []
  let started = 0
  let most = 0
  const run = (): Promise<void> => {
    started++
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    open.push({ end: resolve, fail: reject })
    most = Math.max(most, open.length)
    return promise.finally(() => open.shift())
  }
  return { run, open, started: () => started, most: () => most }
}

void test('a lone change is applied at once, without a timer', async t => {
  let runs = 0
  const { clock, runner } = createRunner(async () => void runs++)
  runner.request()
  t.equal(runs, 0, 'not within the call')
  await Promise.resolve()
  t.equal(runs, 1)
  await settled()
  await clock.advanceAndSettle(intervalMs)
  runner.request()
  await Promise.resolve()
  t.equal(runs, 2, 'and the next one, an interval later')
  t.equal(clock.pending, 0)
})

void test('what comes in one turn is one run', async t => {
  let runs = 0
  const { clock, runner } = createRunner(async () => void runs++)
  for (let change = 0; change < 1000; change++) runner.request()
  await clock.advanceAndSettle(10 * intervalMs)
  t.equal(runs, 1)
})

void test('a burst is one run per interval, and its last change is applied', async t => {
  let state = 0
  const applied: number[] = []
  const { clock, runner } = createRunner(async () => void applied.push(state))
  for (let change = 0; change < 50; change++) {
    state = change
    runner.request()
    await clock.advanceAndSettle(10)
  }
  await clock.advanceAndSettle(intervalMs)
  t.strictSame(applied, [0, 10, 20, 30, 40, 49])
  t.equal(clock.pending, 0)
})

void test('never two runs at once: what comes during a run waits for its end', async t => {
  const { run, open, started, most } = heldRuns()
  const { clock, runner } = createRunner(run)
  runner.request()
  await settled()
  for (let change = 0; change < 10; change++) {
    runner.request()
    await clock.advanceAndSettle(intervalMs)
  }
  t.equal(started(), 1)
  open[0]?.end()
  await settled()
  t.equal(started(), 2, 'the interval is over: at once')
  open[0]?.end()
  await clock.advanceAndSettle(10 * intervalMs)
  t.equal(started(), 2)
  t.equal(most(), 1)
})

void test('a run that fails is tried again until it succeeds, a second apart', async t => {
  const failures = [new Error('first'), new Error('second')]
  let runs = 0
  const { clock, log, runner } = createRunner(async () => {
    const failure = failures[runs++]
    if (failure !== undefined) throw failure
  })
  runner.request()
  await settled()
  t.equal(runs, 1)
  runner.request()
  await clock.advanceAndSettle(999)
  t.equal(runs, 1, 'not sooner because of a request')
  await clock.advanceAndSettle(1)
  t.equal(runs, 2)
  await clock.advanceAndSettle(1000)
  t.equal(runs, 3)
  await clock.advanceAndSettle(10_000)
  t.equal(runs, 3)
  t.strictSame(log.take(), [
    'error sync failed, trying again: first',
    'error sync failed, trying again: second',
  ])
})

void test('a run that throws instead of rejecting', async t => {
  let runs = 0
  const { clock, runner } = createRunner(() => {
    if (runs++ === 0) throw new Error('thrown')
    return Promise.resolve()
  })
  runner.request()
  await settled()
  await clock.advanceAndSettle(1000)
  t.equal(runs, 2)
})

void test('close: no run starts any more, whatever was waiting', async t => {
  let runs = 0
  const waiting = createRunner(async () => void runs++)
  waiting.runner.request()
  waiting.runner.close()
  await settled()
  t.equal(runs, 0, 'a run about to start')

  const timed = createRunner(async () => void runs++)
  timed.runner.request()
  await settled()
  timed.runner.request()
  timed.runner.close()
  timed.runner.close()
  timed.runner.request()
  await timed.clock.advanceAndSettle(10 * intervalMs)
  t.equal(runs, 1, 'one waiting for its interval')
  t.equal(timed.clock.pending, 0)

  const { run, open, started } = heldRuns()
  const running = createRunner(run)
  running.runner.request()
  await settled()
  running.runner.request()
  running.runner.close()
  open[0]?.fail(new Error('late'))
  await running.clock.advanceAndSettle(10_000)
  t.equal(started(), 1, 'one wanted during a run, which then failed')
})
