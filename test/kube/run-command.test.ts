import { test } from 'tap'
import { runCommand } from '../../lib/kube/run-command.ts'

const env = { PATH: process.env['PATH'] }
const node = process.execPath
const { signal } = new AbortController()

void test('a program that does not end in time is ended', async t => {
  const outcome = await runCommand(node, ['-e', 'setTimeout(() => {}, 1e6)'], { env, timeoutMs: 1, signal })
  t.strictSame(outcome, { kind: 'timed-out' })
})

void test('a signal that has fired already', async t => {
  const outcome = await runCommand(node, ['-e', ''], { env, timeoutMs: 1000, signal: AbortSignal.abort() })
  t.strictSame(outcome, { kind: 'aborted' })
})
