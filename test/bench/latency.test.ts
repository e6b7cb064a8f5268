import { test } from 'tap'
import { mergeLatencies, recordLatency } from '../../bench/latency.ts'

function encoded(us: number, count: number): string {
  const recorder = recordLatency()
  for (let index = 0; index < count; index++) recorder.record(us)
  const text = recorder.encode()
  if (text === null) throw new Error('nothing was recorded')
  return text
}

void test('percentiles are of all values, not the mean of percentiles', async t => {
  const merged = mergeLatencies([encoded(100, 990), null, encoded(10_000, 10)])
  t.equal(merged?.totalCount, 1000)
  t.equal(merged?.getValueAtPercentile(50), 100)
  t.equal(merged?.getValueAtPercentile(98), 100)
  t.ok(Math.abs((merged?.getValueAtPercentile(99.9) ?? 0) - 10_000) < 20)
  t.equal(mergeLatencies([]), null)
  t.equal(mergeLatencies([null]), null)
})

void test('what can be recorded', async t => {
  const recorder = recordLatency()
  t.equal(recorder.encode(), null)
  recorder.record(0.2)
  recorder.record(1e15)
  t.equal(recorder.count, 2)
  const merged = mergeLatencies([recorder.encode()])
  t.equal(merged?.minNonZeroValue, 1, 'less than a microsecond counts as one')
  t.ok((merged?.maxValue ?? 0) >= 3_590_000_000, 'more than an hour as an hour')
  recorder.reset()
  t.equal(recorder.encode(), null)
})
