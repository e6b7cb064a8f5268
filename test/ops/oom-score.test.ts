import { readFileSync } from 'node:fs'
import { pino } from 'pino'
import { test } from 'tap'
import { setOomScoreAdj } from '../../lib/ops/oom-score.ts'

void test('the score is written; where it may not be, a warning says so', async t => {
  const lines: string[] = []
  const log = pino({}, { write: line => void lines.push(line) })
  const folder = t.testdir({ oom_score_adj: '' })
  setOomScoreAdj(-999, log, `${folder}/oom_score_adj`)
  t.equal(readFileSync(`${folder}/oom_score_adj`, 'utf8'), '-999')
  t.strictSame(lines, [])
  setOomScoreAdj(-999, log, `${folder}/missing/oom_score_adj`)
  t.equal(lines.length, 1)
  t.match(lines[0], /--oom-score-adj -999 can't be set.*ENOENT/)
})
