import { readFileSync } from 'node:fs'
import { test } from 'tap'
import { enableNonlocalBind } from '../../lib/vip/nonlocal-bind.ts'
import { captureLog } from '../control/captured-log.ts'

void test('off: it is turned on, and told once', async t => {
  const file = `${t.testdir({ setting: '0\n' })}/setting`
  const log = captureLog()
  t.equal(enableNonlocalBind(log, file), null)
  t.equal(readFileSync(file, 'utf8'), '1')
  t.match(log.take(), [/^info net\.ipv6\.ip_nonlocal_bind set to 1/])
  t.equal(enableNonlocalBind(log, file), null)
  t.strictSame(log.take(), [])
})

void test('one that may not be set, or that there is not: why, and the command that does it', async t => {
  const log = captureLog()
  // Even root is refused here, as nothing can be written to a process's own status.
  for (const file of ['/proc/self/status', `${t.testdir()}/missing`]) {
    t.match(enableNonlocalBind(log, file), /: sysctl -w net\.ipv6\.ip_nonlocal_bind=1$/)
  }
  t.strictSame(log.take(), [])
})
