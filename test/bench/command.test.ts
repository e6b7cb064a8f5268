// What `kube-relay bench` says of bad input, before anything is started, and what it shows without measuring.

import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'tap'
import { entry, run } from '../cmd/program.ts'
import { temporaryFolder } from './processes.ts'

const wrongCalls: readonly {
  readonly name: string
  readonly args: readonly string[]
  readonly code: number
  readonly says: RegExp
}[] = [
  { name: 'an unknown scenario', args: ['tcp-r'], code: 2, says: /no scenario "tcp-r", did you mean tcp-rr/ },
  { name: 'no scenario', args: [], code: 2, says: /scenario/ },
  {
    name: 'an unknown contestant',
    args: ['tcp-rr', '--contestants', 'haprox'],
    code: 2,
    says: /"haprox", did you mean haproxy/,
  },
  { name: 'no round', args: ['tcp-rr', '--rounds', '0'], code: 2, says: /--rounds.*from 1 to 1000/ },
  { name: 'a duration too short', args: ['tcp-rr', '--duration', '1ms'], code: 2, says: /--duration.*50ms/ },
  {
    name: 'a file that can not be written',
    args: ['tcp-rr', '--json', '/nonexistent/out.json'],
    code: 2,
    says: /\/nonexistent\/out\.json can't be written/,
  },
]

void test('wrong calls end at once, with one line', async t => {
  for (const { name, args, code, says } of wrongCalls) {
    const finished = await run(t, ['bench', ...args])
    t.equal(finished.code, code, name)
    t.match(finished.stderr, says, name)
    t.equal(finished.stdout, '', name)
  }
})

void test('help names scenarios, contestants and examples', async t => {
  const { code, stdout } = await run(t, ['bench', '--help'])
  t.equal(code, 0)
  t.match(stdout, /tcp-crr +connect, request, response, close/)
  t.match(stdout, /kube-relay bench all --html report\.html/)
  t.notMatch((await run(t, ['--help'])).stdout, /bench-part/)
})

void test('a part is nothing to start by hand', async t => {
  const { code, stderr } = await run(t, ['bench-part', 'server'])
  t.equal(code, 2)
  t.match(stderr, /started by kube-relay bench only/)
})

void test('--show-config measures nothing', async t => {
  const { code, stdout } = await run(t, ['bench', 'all', '--contestants', 'direct,haproxy', '--show-config'])
  t.equal(code, 0)
  t.match(stdout, /## direct/)
  t.match(stdout, /127\.77\.0\.1:8080/)
})

void test('a contestant that is not installed is named; without any, nothing is measured', async t => {
  const file = path.join(temporaryFolder(t), 'none.yaml')
  const words = ['{listen_ip}', '{listen_port}', '{server_ip}', '{server_port}']
  writeFileSync(
    file,
    JSON.stringify({ name: 'none', command: ['no-such-proxy', ...words], install: 'apt install x' }),
  )
  const { code, stdout, stderr } = await run(t, ['bench', 'tcp-rr', '--contestants', file])
  t.equal(code, 1)
  t.match(stderr, /none is left out.*apt install x/)
  t.match(stdout, /nothing was measured/)
})

void test('too few descriptors: said before anything is started, with what to do', async t => {
  const { status, stdout } = spawnSync(
    'sh',
    [
      '-c',
      'ulimit -n 500; exec "$0" "$@"',
      process.execPath,
      entry,
      'bench',
      'idle',
      '--contestants',
      'pipe',
      '--rounds',
      '1',
    ],
    { encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: '' } },
  )
  t.equal(status, 1)
  t.match(stdout, /need 16500 descriptors, and a process may have 500: ulimit -n 16500/)
})
