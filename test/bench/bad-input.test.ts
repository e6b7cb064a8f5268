// What the benchmark makes of a machine that isn't as it should be: programs that don't start, ports that somebody has, too
// few descriptors. With real processes; one contestant's failure leaves the others alone.

import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import net, { type AddressInfo } from 'node:net'
import path from 'node:path'
import { test, type Test } from 'tap'
import { entry, run } from '../cmd/program.ts'
import { readJson, temporaryFolder } from './processes.ts'

const short = ['--rounds', '1', '--duration', '100ms']

/** The words of a command line that a definition file has to have. */
const places = ['{listen_ip}', '{listen_port}', '{server_ip}', '{server_port}']

function definition(folder: string, name: string, command: readonly string[]): string {
  const file = path.join(folder, `${name}.yaml`)
  writeFileSync(file, JSON.stringify({ name, command: [...command, ...places], install: 'apt install x' }))
  return file
}

interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly measured: readonly string[]
  readonly failures: readonly { readonly contestant: string; readonly reason: string }[]
}

/** A short run of tcp-rr with `direct` and the contestant of this command. */
async function runWith(t: Test, name: string, command: readonly string[]): Promise<Outcome> {
  const folder = temporaryFolder(t)
  const json = path.join(folder, 'out.json')
  const contestants = `direct,${definition(folder, name, command)}`
  const { code, stdout, stderr } = await run(t, [
    'bench',
    'tcp-rr',
    '--contestants',
    contestants,
    '--json',
    json,
    ...short,
  ])
  if (!existsSync(json)) throw new Error(`it has ended with ${code}: ${stderr}`)
  const [scenario] = readJson(json).scenarios
  return {
    code,
    stdout,
    measured: scenario?.measurements.map(({ contestant }) => contestant) ?? [],
    failures: scenario?.failures ?? [],
  }
}

void test('a program that ends at once is told of with its words; the others are measured', async t => {
  const { code, stdout, measured, failures } = await runWith(t, 'broken', [
    'sh',
    '-c',
    'echo no such option: --fast >&2; exit 3',
  ])
  t.equal(code, 0)
  t.strictSame(measured, ['direct'])
  t.match(failures, [
    { contestant: 'broken', reason: /^broken.* has ended \(exit code 3\); it said: no such option: --fast/ },
  ])
  t.match(stdout, /^ {2}without broken: has ended \(exit code 3\).*--show-config/m)
})

void test('a program that dies while it is measured', async t => {
  const script =
    'const [ip, port] = process.argv.slice(1); require("node:net").createServer(socket => ' +
    'socket.on("data", () => { console.error("out of luck"); process.exit(4) })).listen(Number(port), ip)'
  const { code, measured, failures } = await runWith(t, 'mortal', [process.execPath, '-e', script])
  t.equal(code, 0)
  t.strictSame(measured, ['direct'])
  t.match(failures, [{ contestant: 'mortal', reason: /has ended \(exit code 4\); it said: out of luck/ }])
})

void test('a program whose own port somebody has', async t => {
  const taken = net.createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  t.teardown(() => taken.close())
  const { port } = taken.address() as AddressInfo
  const script = `require('node:net').createServer().listen(${port}, '127.0.0.1')`
  const { code, measured, failures } = await runWith(t, 'twoports', [process.execPath, '-e', script])
  t.equal(code, 0)
  t.strictSame(measured, ['direct'])
  t.match(failures, [{ reason: /^twoports.*EADDRINUSE.*: end what listens there$/ }])
  t.ok(failures[0]?.reason.includes(`127.0.0.1:${port}`), 'it says which')
})

void test('too few descriptors: one line, before anything is started, with what to do', async t => {
  const { status, stdout, stderr } = spawnSync(
    'sh',
    ['-c', 'ulimit -n 100; exec "$0" "$@"', process.execPath, entry, 'bench', 'tcp-rr', ...short],
    { encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: '' } },
  )
  t.equal(status, 1)
  t.equal(stdout, '')
  t.match(
    stderr,
    /^kube-relay: the benchmark needs 400 descriptors, and a process may have 100: ulimit -n 400/,
  )
  t.equal(stderr.trim().split('\n').length, 1)
})

void test('a program that may not be executed', async t => {
  const folder = temporaryFolder(t)
  const program = path.join(folder, 'proxy')
  writeFileSync(program, '#!/bin/sh\n', { mode: 0o644 })
  const file = definition(folder, 'forbidden', [program])
  const { code, stderr } = await run(t, ['bench', 'tcp-rr', '--contestants', `direct,${file}`, ...short])
  t.equal(code, 0)
  t.match(stderr, /forbidden is left out.*apt install x/)
})
