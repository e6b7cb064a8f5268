// What the benchmark makes of what it isn't allowed to do: said in a line, and where it can be, the rest is measured.

import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync } from 'node:fs'
import path from 'node:path'
import { test, type Test } from 'tap'
import { entry } from '../cmd/program.ts'
import { temporaryFolder } from './processes.ts'

const short = ['--rounds', '1', '--duration', '100ms']

/** Root may do anything: what isn't permitted has to be tried as somebody else. */
const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}

/** Whatever env(1) starts is not seen by the test runner, which would write to its own folder from there. */
function command(args: readonly string[]): readonly string[] {
  return ['-u', 'NODE_OPTIONS', process.execPath, entry, ...args]
}

async function runAsNobody(
  t: Test,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
  const child: ChildProcess = spawn('env', command(['bench', ...args]), {
    ...nobody,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, HOME: '/nonexistent', ...env },
  })
  t.teardown(() => child.kill('SIGKILL'))
  let [stdout, stderr] = ['', '']
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, stdout, stderr }
}

/** Whether others than the tests' user can read this checkout and run this Node.js. */
const readable = spawnSync('env', command(['--version']), nobody).status === 0
const skip = readable ? false : 'other users may not read these files'

void test('a file that may not be written is refused before anything is measured', { skip }, async t => {
  const folder = temporaryFolder(t)
  chmodSync(folder, 0o755)
  const closed = path.join(folder, 'closed')
  mkdirSync(closed, { mode: 0o555 })
  for (const flag of ['--json', '--html']) {
    const file = path.join(closed, 'out')
    const { code, stdout, stderr } = await runAsNobody(t, ['tcp-rr', flag, file])
    t.equal(code, 2)
    t.equal(stdout, '')
    t.match(stderr, /^kube-relay: .*out can't be written: EACCES.*\n$/)
  }
})

void test('a temporary folder that may not be written to', { skip }, async t => {
  const folder = temporaryFolder(t)
  chmodSync(folder, 0o555)
  const args = ['tcp-rr', '--contestants', 'direct,pipe', ...short]
  const { code, stdout } = await runAsNobody(t, args, { TMPDIR: folder })
  t.equal(code, 0, 'direct needs none')
  t.match(stdout, /^ {2}direct +\S/m)
  t.match(stdout, /^ {2}without pipe: needs a temporary folder in .*TMPDIR names another.*EACCES/m)
})

void test('without any privilege all of it works', { skip }, async t => {
  const { code, stdout, stderr } = await runAsNobody(t, [
    'tcp-rr',
    '--contestants',
    'direct,pipe,kube-relay',
    ...short,
  ])
  t.equal(code, 0, stderr)
  for (const name of ['direct', 'pipe', 'kube-relay'])
    t.match(stdout, new RegExp(`^ {2}${name} +(≥ )?[\\d,.]+/s`, 'm'))
  t.notMatch(stdout, /without|ERRORS/)
})
