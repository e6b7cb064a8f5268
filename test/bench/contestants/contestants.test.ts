// Each contestant that is installed brings bytes to its server and back, shows what it is started with, and is gone
// when it is told to end. Those that aren't installed say which package they come in.

import { existsSync, readlinkSync } from 'node:fs'
import { test } from 'tap'
import type { Route } from '../../../bench/contestant.ts'
import { familyOf } from '../../../bench/contestants/family.ts'
import { contestantNames, contestantOf } from '../../../bench/contestants/registry.ts'
import { ask, routeTo, startFor, startServer } from './servers.ts'

const variants = [...contestantNames, 'haproxy:splice', 'kube-relay:workers=2:balance=random']

const scenarioOf = { TCP: 'tcp-rr', UDP: 'udp-rr' } as const
/** socat does relay datagrams; what it is excused from are many flows. */
const alsoUdp = ['socat']

for (const name of variants) {
  const contestant = contestantOf(name)
  const found = await contestant.find()
  if ('missing' in found) {
    void test(`${name} isn't installed`, async t => {
      t.match(found.missing, /^apt install \w+/)
    })
    continue
  }
  const protocols = (['TCP', 'UDP'] as const).filter(
    protocol => contestant.excused[scenarioOf[protocol]] === undefined || alsoUdp.includes(name),
  )

  void test(`${name} ${found.version} proxies ${protocols.join(' and ')}, and is gone after its end`, async t => {
    t.equal(contestant.name, name)
    const routes: Route[] = []
    for (const protocol of protocols) {
      for (const server of ['one', 'two']) {
        routes.push(await routeTo(protocol, await startServer(t, protocol, server)))
      }
    }
    const running = await startFor(t, contestant, { routes, threads: 1 })
    for (const [index, { protocol }] of routes.entries()) {
      const listen = running.listens[index] ?? { ip: '', port: 0 }
      t.equal(await ask(t, protocol, listen), `${['one', 'two'][index % 2]}:ping`, `${protocol} ${index}`)
    }
    const pids = running.pids()
    if (name !== 'direct') t.ok(pids.length > 0)
    const folders = pids.map(pid => readlinkSync(`/proc/${pid}/cwd`))
    for (const pid of running.steering?.() ?? [])
      t.ok(pids.includes(pid), 'what steers is one of its processes')
    await running.stop()
    await running.stop()
    t.same(running.pids(), [])
    t.same(familyOf(pids, 'no mark'), [], 'no process of its groups is left')
    t.same(folders.filter(existsSync), [])
  })
}

void test('two threads: as many processes or threads proxy', async t => {
  const server = await startServer(t, 'TCP', 'one')
  for (const [name, expected] of [
    ['pipe', 2],
    ['kube-relay', 3],
    ['nginx', 3],
  ] as const) {
    const contestant = contestantOf(name)
    if ('missing' in (await contestant.find())) continue
    const routes = [await routeTo('TCP', server)]
    const running = await startFor(t, contestant, { routes, threads: 2 })
    t.equal(running.pids().length, expected, name)
    t.equal(await ask(t, 'TCP', running.listens[0] ?? { ip: '', port: 0 }), 'one:ping')
    await running.stop()
  }
})

void test('a configuration can be shown without the program', async t => {
  const route = (protocol: 'TCP' | 'UDP', port: number): Route => ({
    protocol,
    listen: { ip: '127.0.0.1', port },
    server: { ip: '127.0.0.2', port: port + 1 },
  })
  const setup = { threads: 3, routes: [route('TCP', 7001), route('UDP', 7003)] }
  const shown = (name: string): string =>
    contestantOf(name)
      .config(setup)
      .map(({ name, text }) => `== ${name}\n${text}`)
      .join('')
  t.equal(shown('direct'), '')
  t.match(shown('pipe'), /== command line\n.*bench-part pipe 127\.0\.0\.1:7001 127\.0\.0\.2:7002\n/)
  t.match(shown('haproxy'), /nbthread 3\n.*bind 127\.0\.0\.1:7001 backlog 4096\n.*127\.0\.0\.2:7002\n/s)
  t.notMatch(shown('haproxy'), /splice/)
  t.match(shown('haproxy:splice'), /option splice-auto/)
  t.match(shown('nginx'), /worker_processes 3;.*listen 127\.0\.0\.1:7001 .*so_keepalive=on reuseport;/s)
  t.match(shown('nginx'), /listen 127\.0\.0\.1:7003 udp reuseport;/)
  t.match(shown('socat'), /TCP4-LISTEN:7001,bind=127\.0\.0\.1,fork.* TCP4:127\.0\.0\.2:7002,nodelay/)
  t.match(shown('kube-relay'), /== services\.yaml\n.*port: 7003.*run .*--workers=3 /s)
  t.match(shown('kube-relay:workers=0'), /--workers=0 /)
})

void test('names that mean nothing', async t => {
  for (const [name, message] of [
    ['haprxy', /no contestant "haprxy", did you mean haproxy\?/],
    ['envoy', /no contestant "envoy" .*definition file/],
    ['toString', /no contestant "toString"/],
    ['haproxy:fast', /haproxy has no variant "fast"/],
    ['nginx:x', /nginx has no variants/],
    ['kube-relay:2', /kube-relay:2 is no variant.*kube-relay:workers=2/],
    ['./missing.yaml', /\.\/missing\.yaml can't be read: ENOENT/],
  ] as const) {
    t.throws(() => contestantOf(name), { code: 'INVALID_CONFIG', message }, name)
  }
})
