import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
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

/** In a process of its own, which has no descriptor left. What nobody handles would end it. */
void test('out of descriptors: an outcome, and nothing else', async t => {
  const module = fileURLToPath(new URL('../../lib/kube/run-command.ts', import.meta.url))
  const script = `
    const { openSync } = await import('node:fs')
    const { runCommand } = await import(${JSON.stringify(module)})
    for (let full = false; !full; ) try { openSync('/dev/null') } catch { full = true }
    const { signal } = new AbortController()
    const outcome = await runCommand('true', [], { env: {}, timeoutMs: 10_000, signal })
    process.stdout.write(JSON.stringify(outcome))
    await new Promise(setImmediate)
  `
  const program = ['--input-type=module', '--eval', script]
  const limited = ['-c', 'ulimit -n 64; exec "$0" "$@"', node, ...program]
  const { stdout } = await promisify(execFile)('sh', limited)
  t.strictSame(JSON.parse(stdout), { kind: 'failed', how: "it can't be started (EMFILE)", stderr: '' })
})
