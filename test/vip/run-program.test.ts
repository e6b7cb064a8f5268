import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { test } from 'tap'
import { runProgram } from '../../lib/vip/run-program.ts'

const limits = { timeoutMs: 10_000 }

void test('input in, output and exit status out', async t => {
  const script = 'cat; echo trouble >&2; exit 3'
  const outcome = await runProgram('sh', ['-c', script], { ...limits, input: 'hello' }, 'install sh')
  t.strictSame(outcome, { stdout: 'hello', stderr: 'trouble\n', status: 3 })
})

void test('one that isn’t there: the remedy', async t => {
  const run = runProgram('no-such-program', [], limits, 'install it')
  await t.rejects(run, {
    code: 'VIP',
    message: "`no-such-program` can't be run: no such program; install it",
  })
})

void test('one that doesn’t end is killed', async t => {
  const run = runProgram('sleep', ['60'], { timeoutMs: 50 }, 'install sleep')
  await t.rejects(run, { code: 'VIP', message: '`sleep 60` has not ended within 0.05 s' })
})

/** In a process of its own, which has no descriptor left. What nobody handles would end it. */
void test('out of descriptors: rejects, and nothing else', async t => {
  const module = fileURLToPath(new URL('../../lib/vip/run-program.ts', import.meta.url))
  const script = `
    const { openSync } = await import('node:fs')
    const { runProgram } = await import(${JSON.stringify(module)})
    for (let full = false; !full; ) try { openSync('/dev/null') } catch { full = true }
    await runProgram('true', [], { timeoutMs: 10_000 }, '').catch(error => process.stdout.write(error.message))
    await new Promise(setImmediate)
  `
  const node = ['--input-type=module', '--eval', script]
  const limited = ['-c', 'ulimit -n 64; exec "$0" "$@"', process.execPath, ...node]
  const { stdout } = await promisify(execFile)('sh', limited)
  t.equal(stdout, "`true` can't be started (EMFILE)")
})
