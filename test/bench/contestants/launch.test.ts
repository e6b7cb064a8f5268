// What becomes of programs that don't start, die, fork, take no notice of signals or lose the benchmark.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import net from 'node:net'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import type { Contestant, Route } from '../../../bench/contestant.ts'
import { familyOf } from '../../../bench/contestants/family.ts'
import { launch } from '../../../bench/contestants/launch.ts'
import { programContestant } from '../../../bench/contestants/program.ts'
import { contestantOf } from '../../../bench/contestants/registry.ts'
import { isAlive, until } from '../../cmd/agent-under-test.ts'
import { ask, routeTo, startFor, startServer } from './servers.ts'

const server = { ip: '127.0.0.1', port: 9 }

/** A contestant that is a script of sh. */
function shell(script: string): Contestant {
  return programContestant({
    name: 'sh-proxy',
    describe: '',
    commands: { TCP: ['sh', '-c', script] },
    config: null,
    version: null,
    install: '',
    excused: {},
  })
}

/** A script of sh in which this listens, for as long as it lives. */
const listens = `"${process.execPath}" -e 'require("net").createServer().listen({listen_port}, "{listen_ip}")'`

void test('failures name the program, its last words and what to do', async t => {
  for (const [script, message] of [
    [
      'echo no such option >&2; exit 3',
      /^sh-proxy has ended \(exit code 3\); it said: no such option: see .*--show-config/,
    ],
    ['echo bind: Address already in use; exit 1', /it said: .*in use: end what listens there$/],
    ['echo Too many open files; exit 1', /raise the limit of open files/],
    ['kill -9 $$', /^sh-proxy has ended \(SIGKILL\)/],
  ] as const) {
    const routes = [await routeTo('TCP', server)]
    await t.rejects(shell(script).start({ routes, threads: 1 }), { code: 'BENCH', message }, script)
  }
})

void test('a program that is not there', async t => {
  const routes = [await routeTo('TCP', server)]
  const start = launch({
    name: 'nowhere',
    setup: { routes, threads: 1 },
    files: [],
    commands: () => [['/nonexistent/program']],
  })
  await t.rejects(start, { code: 'BENCH', message: /^nowhere can't be started: .*ENOENT.*: install it/ })
})

void test('a program that never listens is ended', async t => {
  const routes = [await routeTo('TCP', server)]
  const started = launch({
    name: 'silent',
    setup: { routes, threads: 1 },
    files: [],
    commands: folder => [['sh', '-c', `echo in ${folder}; trap "" TERM; while :; do sleep 1; done`]],
    startLimitMs: 300,
  })
  const error = await started.then(
    () => null,
    (error: unknown) => error as Error,
  )
  t.match(error, { code: 'BENCH', message: /^silent has not come up in 0\.3 s; it said: in \// })
  const [, folder = ''] = /in (\/\S+?):/.exec(error?.message ?? '') ?? []
  t.notOk(existsSync(folder))
})

void test('an address that somebody has is refused before anything is started', async t => {
  const taken = net.createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  t.teardown(() => taken.close())
  const { port } = taken.address() as net.AddressInfo
  const routes: Route[] = [{ protocol: 'TCP', server, listen: { ip: '127.0.0.1', port } }]
  for (const name of ['pipe', 'kube-relay', 'haproxy', 'nginx', 'socat']) {
    await t.rejects(contestantOf(name).start({ routes, threads: 1 }), {
      code: 'BENCH',
      message: `${name} can't listen on 127.0.0.1:${port}/TCP (EADDRINUSE): end what listens there, or let the benchmark choose a free port`,
    })
  }
})

void test('one that dies later says so, once', async t => {
  const routes = [await routeTo('TCP', server)]
  const running = await startFor(t, shell(`echo hello; exec ${listens}`), { routes, threads: 1 })
  process.kill(running.pids()[0] ?? 0, 'SIGKILL')
  await t.rejects(running.ended, {
    code: 'BENCH',
    message: /^sh-proxy has ended \(SIGKILL\); it said: hello/,
  })
  await running.stop()
})

void test('its end is complete, whatever it has forked', async t => {
  for (const [what, script] of [
    ['a child that ignores SIGTERM', `sh -c 'trap "" TERM; while :; do sleep 1; done' & exec ${listens}`],
    ['a child in a session of its own', `setsid sleep 1000 & exec ${listens}`],
    ['a daemon', `(setsid sh -c 'sleep 1000 & exit' &) ; exec ${listens}`],
    ['a child that outlives its parent', `sleep 1000 & sleep 1000 & exec ${listens}`],
  ] as const) {
    const routes = [await routeTo('TCP', server)]
    const running = await startFor(t, shell(script), { routes, threads: 1 })
    await until(`${what} is there`, async () => (running.pids().length > 1 ? true : null))
    const pids = running.pids()
    await running.stop()
    t.same(pids.filter(isAlive), [], what)
  }
})

void test('nothing outlives a benchmark that is killed', async t => {
  const upstream = await startServer(t, 'TCP', 'one')
  for (const name of ['pipe', 'kube-relay', 'haproxy', 'nginx']) {
    const contestant = contestantOf(name)
    if ('missing' in (await contestant.find())) continue
    const route = await routeTo('TCP', upstream)
    const file = fileURLToPath(new URL('starting-process.ts', import.meta.url))
    const bench = spawn(process.execPath, [file, name, JSON.stringify(route)], {
      env: { ...process.env, NODE_OPTIONS: '' },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    t.teardown(() => bench.kill('SIGKILL'))
    const [line] = (await once(bench.stdout.setEncoding('utf8'), 'data')) as [string]
    const { pids, folder } = JSON.parse(line) as { readonly pids: readonly number[]; readonly folder: string }
    t.equal(await ask(t, 'TCP', route.listen), 'one:ping')
    t.ok(pids.length > 0 && existsSync(folder))
    bench.kill('SIGKILL')
    await until(`all of ${name} has ended`, async () => (pids.some(isAlive) ? null : true))
    await until(`${folder} is gone`, async () => (existsSync(folder) ? null : true))
    t.same(familyOf(pids, 'no mark'), [], name)
  }
})
