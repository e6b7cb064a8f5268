import { readFileSync } from 'node:fs'
import { test } from 'tap'
import { enableTcpMigrateReq, readTcpMigrateReq } from '../../lib/ops/tcp-migrate.ts'
import { captureLog } from '../control/captured-log.ts'

void test('a setting that is on stays on, without a word', async t => {
  const file = `${t.testdir({ setting: '1\n' })}/setting`
  const log = captureLog()
  t.equal(readTcpMigrateReq(file), 'on')
  t.equal(enableTcpMigrateReq(log, file), 'on')
  t.strictSame(log.take(), [])
})

void test('one that is off is turned on', async t => {
  const file = `${t.testdir({ setting: '0\n' })}/setting`
  const log = captureLog()
  t.equal(readTcpMigrateReq(file), 'settable')
  t.equal(enableTcpMigrateReq(log, file), 'set')
  t.equal(readFileSync(file, 'utf8'), '1')
  t.match(log.take(), [/^info net\.ipv4\.tcp_migrate_req set to 1/])
  t.equal(readTcpMigrateReq(file), 'on')
})

void test('a kernel without it', async t => {
  const file = `${t.testdir()}/missing`
  const log = captureLog()
  t.equal(readTcpMigrateReq(file), 'unknown')
  t.match(enableTcpMigrateReq(log, file), { notAllowed: /Linux 5\.14/ })
  t.match(log.take(), [/^warn connections that wait .* will be reset: this kernel has no/])
})

void test('one that may not be set: the warning has the command that does it', async t => {
  // Even root is refused here, as nothing can be written to a process's own status.
  const log = captureLog()
  t.match(enableTcpMigrateReq(log, '/proc/self/status'), { notAllowed: /./ })
  t.match(log.take(), [/^warn .*: sysctl -w net\.ipv4\.tcp_migrate_req=1$/])
})
