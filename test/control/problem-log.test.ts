import { test } from 'tap'
import { ProblemLog } from '../../lib/control/problem-log.ts'
import { captureLog } from './captured-log.ts'

const steps: readonly [string, problems: readonly string[], logged: readonly string[]][] = [
  ['nothing wrong', [], []],
  ['a problem', ['a'], ['warn Service x: a']],
  ['the same again', ['a'], []],
  ['another one beside it', ['b', 'a'], ['warn Service x: b']],
  ['in another order', ['a', 'b'], []],
  ['one less', ['b'], []],
  ['it comes back', ['a', 'b'], ['warn Service x: a']],
  ['all solved', [], []],
  ['and back', ['a', 'a'], ['warn Service x: a']],
  ['a lot', ['1', '2', '3', '4', '5'], ['warn Service x: 1; 2; 3; and 2 more']],
]

void test('each problem is logged once for as long as it lasts', async t => {
  const log = captureLog()
  const problems = new ProblemLog(log)
  problems.report('Service y', ['a'])
  log.take()
  for (const [name, now, logged] of steps) {
    problems.report('Service x', now)
    t.strictSame(log.take(), logged, name)
  }
})

void test('each problem is told when it appears, and again only after it was gone', async t => {
  const told: string[] = []
  const problems = new ProblemLog(captureLog(), (subject, problem) => told.push(`${subject}: ${problem}`))
  problems.report('Service a', ['one', 'two', 'one'])
  t.strictSame(told.splice(0), ['Service a: one', 'Service a: two'])
  problems.report('Service a', ['two', 'three'])
  t.strictSame(told.splice(0), ['Service a: three'])
  problems.report('Service a', ['three', 'one'])
  t.strictSame(told.splice(0), ['Service a: one'])
})
