import { test } from 'tap'
import { ServiceQueue } from '../../../lib/standalone/endpoints/service-queue.ts'
import { ManualClock } from '../../manual-clock.ts'

function queueFor(work: (key: string, queue: ServiceQueue) => void) {
  const passes: string[] = []
  const failures: string[] = []
  const clock = new ManualClock()
  const queue: ServiceQueue = new ServiceQueue({
    clock,
    work(key) {
      passes.push(key)
      work(key, queue)
    },
    failed: (key, error) => failures.push(`${key}: ${String(error)}`),
  })
  return { queue, clock, passes, failures }
}

void test('one pass for many requests, none for those of the pass itself', async t => {
  const { queue, passes } = queueFor((key, own) => {
    own.add(key)
    if (key === 'a') own.add('c')
  })
  for (const key of ['a', 'b', 'a', 'b', 'a']) queue.add(key)
  t.strictSame(passes, [], 'not at once')
  await queue.settled()
  t.strictSame(passes, ['a', 'b', 'c'])
  await queue.settled()
  t.equal(passes.length, 3)
})

void test('others get their turn during a burst', async t => {
  const { queue, passes } = queueFor(() => {})
  for (let i = 0; i < 1000; i++) queue.add(`s${i}`)
  let others = 0
  const other = (): void => {
    others++
    if (passes.length < 1000) setImmediate(other)
  }
  setImmediate(other)
  await queue.settled()
  t.equal(passes.length, 1000)
  t.ok(others >= 9, `${others} turns in between`)
})

void test('a pass that fails is tried again, later each time', async t => {
  let broken = true
  const { queue, clock, passes, failures } = queueFor(key => {
    if (key === 'bad' && broken) throw new Error('refused')
  })
  queue.add('bad')
  queue.add('good')
  await queue.settled()
  t.strictSame(passes, ['bad', 'good'], 'the others are not held up')
  t.strictSame(failures, ['bad: Error: refused'])
  const delays: number[] = []
  for (let i = 0; i < 8; i++) {
    const [delayMs = 0] = clock.delays
    delays.push(delayMs)
    clock.advance(delayMs)
    await queue.settled()
  }
  t.strictSame(delays, [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000])
  broken = false
  queue.add('bad')
  await queue.settled()
  t.equal(clock.pending, 0, 'a success ends it')
})

void test('closed, it does nothing more and leaves nobody waiting', async t => {
  const { queue, clock, passes } = queueFor(() => {
    throw new Error('refused')
  })
  queue.add('a')
  await queue.settled()
  queue.add('b')
  const settled = queue.settled()
  queue.close()
  await settled
  queue.add('c')
  await queue.settled()
  t.strictSame(passes, ['a'])
  t.equal(clock.pending, 0)
})
