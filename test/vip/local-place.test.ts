import { test, type Test } from 'tap'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { ipCommand } from '../../lib/vip/ip-command.ts'
import { localPlace } from '../../lib/vip/local-place.ts'
import { runProgram } from '../../lib/vip/run-program.ts'
import { addressesInUse } from '../../lib/vip/addresses-in-use.ts'
import { ip, localRoutes, nodeIps, vipTest } from './vip-test.ts'

const [node4, node6] = nodeIps

/** Puts a shell script in front of the real program. */
function fakeProgram(t: Test, name: string, script: string): void {
  const folder = mkdtempSync(path.join(tmpdir(), 'kube-relay-programs.'))
  writeFileSync(path.join(folder, name), `#!/bin/sh\n${script}\n`)
  chmodSync(path.join(folder, name), 0o755)
  const before = process.env['PATH']
  process.env['PATH'] = `${folder}:${before ?? ''}`
  t.teardown(() => {
    process.env['PATH'] = before
    rmSync(folder, { recursive: true })
  })
}

vipTest('both families are added, listed and removed', async t => {
  const place = localPlace()
  await place.open()
  t.strictSame(await place.list(), [], 'in a network that has no such route')
  const vips = [
    { ip: '10.96.0.1', source: node4 },
    { ip: '10.96.0.2', source: null },
    { ip: 'fd00::1', source: node6 },
    { ip: 'fd00::2', source: null },
  ]
  t.equal((await place.add(vips)).size, 0)
  t.strictSame(await place.list(), vips)
  t.equal((await place.add(vips)).size, 0, 'what is ours already is no failure')
  await place.remove(['10.96.0.1', 'fd00::1'])
  await place.remove(['10.96.0.1', 'fd00::1'])
  t.strictSame(localRoutes(), ['10.96.0.2', 'fd00::2'])
  await place.clear()
  t.strictSame(localRoutes(), [])
})

vipTest('they can be bound and reached, and the node reaches them from its own address', async t => {
  const place = localPlace()
  await place.add([
    { ip: '10.96.0.1', source: node4 },
    { ip: 'fd00::1', source: node6 },
  ])
  for (const [vip, source] of [
    ['10.96.0.1', node4],
    ['fd00::1', node6],
  ] as const) {
    const server = net.createServer()
    t.teardown(() => server.close())
    await once(server.listen(80, vip), 'listening')
    const client = net.connect(80, vip)
    const [accepted] = (await once(server, 'connection')) as [net.Socket]
    t.equal(accepted.remoteAddress, source)
    t.ok((await place.inUse()).has(vip), `${vip} is in use`)
    accepted.destroy()
    client.destroy()
    await once(client, 'close')
    await once(accepted, 'close')
    t.notOk((await place.inUse()).has(vip), `${vip} isn't any more`)
  }
})

vipTest('connections to a wildcard listener of both families count for the IPv4 address', async t => {
  const place = localPlace()
  await place.add([{ ip: '10.96.0.1', source: null }])
  const server = net.createServer()
  await once(server.listen(8080, '::'), 'listening')
  const client = net.connect(8080, '10.96.0.1')
  const [accepted] = (await once(server, 'connection')) as [net.Socket]
  t.equal(accepted.localAddress, '::ffff:10.96.0.1')
  t.ok((await place.inUse()).has('10.96.0.1'))
  accepted.destroy()
  client.destroy()
  server.close()
})

vipTest('what somebody else has made stays theirs, and is told as a failure', async t => {
  ip('route', 'add', 'local', '10.96.0.1/32', 'dev', 'lo')
  ip('route', 'add', 'local', 'fd00::1/128', 'dev', 'lo')
  ip('route', 'add', 'local', '10.98.0.0/16', 'dev', 'lo', 'proto', '143')
  ip('route', 'add', 'local', '10.99.0.1/32', 'dev', 'lo', 'proto', '42')
  ip('address', 'add', '10.96.0.9/32', 'dev', 'lo')
  const before = ip('route', 'show', 'table', 'all')
  const place = localPlace()
  const ips = ['10.96.0.1', 'fd00::1', '10.96.0.9', '10.96.0.2', 'fd00::2']
  const failures = await place.add(ips.map(each => ({ ip: each, source: null })))
  t.strictSame([...failures.keys()].sort(), ['10.96.0.1', '10.96.0.9', 'fd00::1'])
  t.match([...failures.values()], [/isn't kube-relay's/, /isn't kube-relay's/, /isn't kube-relay's/])
  t.strictSame(await place.list(), [
    { ip: '10.96.0.2', source: null },
    { ip: 'fd00::2', source: null },
  ])
  await place.remove(['10.96.0.1', 'fd00::1', '10.96.0.9', '10.98.0.1', '10.99.0.1'])
  await place.clear()
  t.equal(ip('route', 'show', 'table', 'all'), before)
})

vipTest('somebody else’s route to it in another table, of another metric: it stays in force', async t => {
  ip('route', 'add', '10.96.0.1/32', 'dev', 'lo', 'metric', '100')
  ip('route', 'add', 'fd00::1/128', 'dev', 'lo', 'metric', '100')
  ip('route', 'add', 'blackhole', '10.96.0.2/32', 'table', '77')
  const place = localPlace()
  const ips = ['10.96.0.1', 'fd00::1', '10.96.0.2', '10.96.0.3']
  const theirs = (details: string) =>
    `there is a route to it that isn't kube-relay's (${details}), which is left as it is`
  t.strictSame(Object.fromEntries(await place.add(ips.map(each => ({ ip: each, source: null })))), {
    '10.96.0.1': theirs('table main, dev lo'),
    'fd00::1': theirs('table main, dev lo'),
    '10.96.0.2': theirs('blackhole, table 77'),
  })
  t.strictSame(localRoutes(), ['10.96.0.3'])
  for (const each of ips.slice(0, 3)) {
    const alone = await place.add([{ ip: each, source: null }])
    t.match(alone.get(each), /^there is a route to it/, `${each} alone`)
  }
  ip('route', 'add', '10.96.0.3/32', 'dev', 'lo', 'metric', '100')
  t.equal((await place.add([{ ip: '10.96.0.3', source: node4 }])).size, 0, 'what is ours already stays ours')
  t.strictSame(await place.list(), [{ ip: '10.96.0.3', source: node4 }])
})

vipTest('a source that changes, or is none of the node', async t => {
  const place = localPlace()
  ip('address', 'add', '192.0.2.2/32', 'dev', 'lo')
  ip('address', 'add', '2001:db8::2/128', 'dev', 'lo')
  await place.add([
    { ip: '10.96.0.1', source: '192.0.2.2' },
    { ip: 'fd00::1', source: '2001:db8::2' },
  ])
  const moved = [
    { ip: '10.96.0.1', source: node4 },
    { ip: 'fd00::1', source: node6 },
  ]
  t.equal((await place.add(moved)).size, 0)
  t.strictSame(await place.list(), moved)
  const nowhere = [
    { ip: '10.96.0.1', source: '198.51.100.1' },
    { ip: '10.96.0.3', source: '198.51.100.1' },
    { ip: 'fd00::3', source: '2001:db8:1::1' },
  ]
  t.equal((await place.add(nowhere)).size, 0, 'they are local all the same')
  t.strictSame(await place.list(), [
    { ip: '10.96.0.1', source: node4 },
    { ip: '10.96.0.3', source: null },
    { ip: 'fd00::1', source: node6 },
    { ip: 'fd00::3', source: null },
  ])
})

vipTest('each line that fails is told by itself', async t => {
  const failed = await ipCommand().batch([
    'route add local 10.96.0.1/32 dev lo proto 143',
    'route add local 10.96.0.1/32 dev lo proto 143',
    'route add local 10.96.0.2/32 dev nothing',
    'route add local fd00::1/128 dev lo proto 143',
  ])
  t.strictSame([...failed.keys()], [1, 2])
  t.equal(failed.get(1), 'File exists')
  t.match(failed.get(2), /nothing/)
  t.strictSame(localRoutes(), ['10.96.0.1', 'fd00::1'])
})

const malformed: readonly (readonly [string, string, RegExp])[] = [
  ['no JSON', "echo 'default via 192.0.2.1'", /no list of JSON objects/],
  ['cut off', `echo '[{"dst":"10.96.0.1"'`, /no list of JSON objects/],
  ['no list', `echo '{}'`, /no list of JSON objects/],
  ['no objects', `echo '[1]'`, /no list of JSON objects/],
  ['a route without destination', `echo '[{}]'`, /can't read the route \{\}/],
  ['a destination that is none', `echo '[{"dst":"10.96.1"}]'`, /can't read the route/],
  ['a failure', 'echo "Cannot talk to rtnetlink" >&2; exit 1', /Cannot talk to rtnetlink/],
  ['a failure without a word', 'exit 3', /ended with status 3/],
  ['killed', 'kill -9 $$', /it was killed/],
]

for (const [name, script, expected] of malformed) {
  void test(`an \`ip\` that isn't to be understood: ${name}`, async t => {
    fakeProgram(t, 'ip', script)
    await t.rejects(localPlace().list(), { code: 'VIP', message: expected })
  })
}

const badBatches: readonly (readonly [string, string, RegExp])[] = [
  ['a line that there is not', 'echo "Command failed -:9" >&2; exit 1', /Command failed|failed/],
  ['none named', 'echo "out of memory" >&2; exit 1', /out of memory/],
  ['killed', 'kill -9 $$', /it was killed/],
  [
    'no privilege',
    'printf "RTNETLINK answers: Operation not permitted\\nCommand failed -:1\\n" >&2; exit 1',
    /`ip route add local 10\.96\.0\.1.*Operation not permitted: it needs CAP_NET_ADMIN/,
  ],
]

for (const [name, script, expected] of badBatches) {
  void test(`a batch of which it isn't known what became of it: ${name}`, async t => {
    fakeProgram(t, 'ip', `case "$*" in *-batch*) ;; *) exit 0 ;; esac; ${script}`)
    await t.rejects(localPlace().add([{ ip: '10.96.0.1', source: null }]), { code: 'VIP', message: expected })
  })
}

const badSockets: readonly (readonly [string, string, RegExp])[] = [
  ['a failure', 'echo "no netlink" >&2; exit 1', /`ss .*`: no netlink/],
  ['another format', 'echo "tcp ESTAB 0 0 10.96.0.1:80 10.1.0.1:4000"', /can't read the line/],
  ['an address that is none', 'echo "ESTAB 0 0 10.96.1:80 10.1.0.1:4000"', /can't read the line/],
]

for (const [name, script, expected] of badSockets) {
  void test(`an \`ss\` that isn't to be understood: ${name}`, async t => {
    fakeProgram(t, 'ss', script)
    await t.rejects(addressesInUse(), { code: 'VIP', message: expected })
  })
}

void test('what `ss` writes is read', async t => {
  const lines = [
    'ESTAB    0      0      10.96.0.1:80       10.1.0.1:4000',
    'FIN-WAIT-2 0 12 [::ffff:10.96.0.2]:80 [::ffff:10.1.0.1]:4001 ',
    'CLOSE-WAIT 1 0 [fd00::1]:80 [fd00:1::1]:4002',
    'ESTAB 0 0 [fe80::1]%eth0:22 [fe80::2]:4003',
    'ESTAB 0 0 127.0.0.53%lo:53 127.0.0.1:4004',
  ]
  fakeProgram(t, 'ss', `cat <<'END'\n${lines.join('\n')}\nEND`)
  t.strictSame([...(await addressesInUse())], ['10.96.0.1', '10.96.0.2', 'fd00::1', '127.0.0.53'])
})

void test('a program that is missing, hangs, or writes without end', async t => {
  const brief = { timeoutMs: 60_000 }
  await t.rejects(runProgram('kube-relay-no-such-program', ['x'], brief, 'install iproute2'), {
    code: 'VIP',
    message: "`kube-relay-no-such-program x` can't be run: no such program; install iproute2",
  })
  await t.rejects(runProgram('sleep', ['1000'], { timeoutMs: 10 }, ''), {
    code: 'VIP',
    message: '`sleep 1000` has not ended within 0.01 s',
  })
  await t.rejects(runProgram('yes', [], brief, ''), { message: '`yes` wrote more than 64 MiB' })
  const early = await runProgram('true', [], { ...brief, input: 'x'.repeat(1e6) }, '')
  t.equal(early.status, 0, 'one that does not read its input is no error by itself')
})
