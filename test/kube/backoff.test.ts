import { test } from 'tap'
import { Backoff, maxRetryAfterMs } from '../../lib/kube/backoff.ts'
import { retryAfterMs } from '../../lib/kube/retry-after.ts'

void test('delays double from 0.8 s to 30 s, each within half of its ceiling', async t => {
  const least = new Backoff({ random: () => 0 })
  const most = new Backoff({ random: () => 0.999999 })
  const delays = (backoff: Backoff) => Array.from({ length: 8 }, () => backoff.next())
  t.strictSame(delays(least), [800, 1600, 3200, 6400, 12_800, 15_000, 15_000, 15_000])
  t.strictSame(delays(most), [1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000, 30_000])
})

void test('a reset starts over', async t => {
  const backoff = new Backoff({ random: () => 0 })
  backoff.next()
  backoff.next()
  t.equal(backoff.failures, 2)
  backoff.reset()
  t.equal(backoff.failures, 0)
  t.equal(backoff.next(), 800)
})

void test('many failures do not overflow', async t => {
  const backoff = new Backoff({ random: () => 0.5 })
  let last = 0
  for (let i = 0; i < 5000; i++) last = backoff.next()
  t.equal(last, 22_500)
})

void test('Retry-After is a lower bound, with jitter, within reason', async t => {
  t.equal(new Backoff({ random: () => 0 }).next(7000), 7000)
  t.equal(new Backoff({ random: () => 0.5 }).next(7000), 7400)
  t.equal(new Backoff({ random: () => 0 }).next(100), 800, 'shorter than our own')
  t.equal(new Backoff({ random: () => 0 }).next(86_400_000), maxRetryAfterMs)
})

void test('Retry-After headers', async t => {
  const now = Date.parse('2026-01-01T00:00:00Z')
  const cases: [header: string | string[] | undefined, expected: number | null][] = [
    ['5', 5000],
    ['0', 0],
    [' 12 ', 12_000],
    [['3', '4'], 3000],
    ['Thu, 01 Jan 2026 00:00:30 GMT', 30_000],
    ['Wed, 31 Dec 2025 23:59:00 GMT', 0],
    [undefined, null],
    ['', null],
    ['-5', null],
    ['1.5', null],
    ['soon', null],
    ['99999999999', null],
  ]
  for (const [header, expected] of cases) t.equal(retryAfterMs(header, now), expected, JSON.stringify(header))
})
