import { test } from 'tap'
import { libcFunction } from '../../lib/ops/libc.ts'

const missing = Number(process.versions.node.split('.')[0]) < 26

void test('a function of libc', { skip: missing && 'needs node:ffi (Node.js 26)' }, async t => {
  const warnings: Error[] = []
  const onWarning = (warning: Error): void => void warnings.push(warning)
  process.on('warning', onWarning)
  t.teardown(() => process.off('warning', onWarning))
  t.equal(libcFunction('getpid', 0)?.(), process.pid)
  t.equal(libcFunction('abs', 1)?.(-7), 7)
  t.equal(libcFunction('no_such_function', 1), null)
  await new Promise(resolve => setImmediate(resolve))
  t.strictSame(warnings, [], 'without a word')
})
