import { test } from 'tap'
import { dataPathProblem } from '../../lib/ops/data-path.ts'
import type { FrontendStatus } from '../../lib/ops/status.ts'
import { servicePort, statusDocument, worker } from './statuses.ts'

const accepts = (accepting: boolean) => worker({ descriptors: { used: 1, limit: 2, accepting } })

const cases: readonly [string, readonly FrontendStatus['state'][], readonly boolean[], RegExp | null][] = [
  ['all is well', ['listening'], [true], null],
  ['no Services', [], [true], null],
  ['one of two could not be bound', ['listening', 'bind-failed'], [true], null],
  ['none could be bound', ['bind-failed', 'bind-failed'], [true], /none of the 2 frontends/],
  ['others refuse, as they should', ['bind-failed', 'refusing', 'conflict'], [true], /none of the 1 front/],
  ['others are on their way', ['bind-failed', 'binding'], [true], null],
  ['nothing but refusing', ['refusing'], [true], null],
  ['the one worker does not accept', ['listening'], [false], /file descriptors/],
  ['one of two workers does not', ['listening'], [false, true], null],
  ['no workers known', ['listening'], [], null],
]

void test('dataPathProblem', async t => {
  for (const [name, states, workers, expected] of cases) {
    const frontends = states.map((state, index): FrontendStatus => ({
      kind: 'ClusterIP',
      address: `10.96.0.${index}:80`,
      state,
    }))
    const problem = dataPathProblem(
      statusDocument({ services: [servicePort({ frontends })], workers: workers.map(accepts) }),
    )
    if (expected === null) t.equal(problem, null, name)
    else t.match(problem, expected, name)
  }
  t.match(
    dataPathProblem(statusDocument({ workers: [accepts(false), { ...accepts(true), draining: true }] })),
    /file descriptors/,
    'one that drains takes nobody',
  )
})
