import * as fc from 'fast-check'
import { test } from 'tap'
import { formatDuration, readDuration } from '../../lib/model/duration.ts'

void test('durations as Go reads them', async t => {
  const cases: readonly [text: string, ms: number | null][] = [
    ['0', 0],
    ['0s', 0],
    ['250ms', 250],
    ['1.5s', 1500],
    ['.5s', 500],
    ['1h30m', 5_400_000],
    ['15m0s', 900_000],
    ['+2s', 2000],
    ['1000000ns', 1],
    ['5us', 0.005],
    ['5µs', 0.005],
    ['', null],
    ['+', null],
    ['10', null],
    ['s', null],
    ['-1s', null],
    ['1d', null],
    ['1s ', null],
    ['1 s', null],
    ['1s2', null],
    ['Infinityh', null],
    [`${'9'.repeat(60)}h`, null],
    ['1s'.repeat(60), null],
  ]
  for (const [text, ms] of cases) t.equal(readDuration(text), ms, JSON.stringify(text))
})

void test("durations in Go's form", async t => {
  const cases: readonly [ms: number, text: string][] = [
    [0, '0s'],
    [250, '250ms'],
    [1500, '1.5s'],
    [30_000, '30s'],
    [900_000, '15m0s'],
    [3_600_000, '1h0m0s'],
    [5_445_500, '1h30m45.5s'],
  ]
  for (const [ms, text] of cases) t.equal(formatDuration(ms), text)
  fc.assert(fc.property(fc.nat(2 ** 31), ms => readDuration(formatDuration(ms)) === ms))
})
