import http from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { test } from 'tap'
import { run } from './program.ts'

/** Each wrong call ends with one line on standard error that names the thing and what to do. */
const wrongCalls: readonly {
  readonly name: string
  readonly args: readonly string[]
  readonly code: number
  readonly says: RegExp
}[] = [
  {
    name: 'no kubeconfig anywhere',
    args: ['run'],
    code: 2,
    says: /^kube-relay: .*--kubeconfig/,
  },
  {
    name: 'a kubeconfig that is missing',
    args: ['run', '--kubeconfig', '/nonexistent/config'],
    code: 2,
    says: /^kube-relay: .*\/nonexistent\/config/,
  },
  {
    name: 'a cluster and manifests',
    args: ['run', '--manifests', '.', '--master', 'http://127.0.0.1:1'],
    code: 2,
    says: /--manifests serves without a cluster/,
  },
  {
    name: 'manifests that are not there',
    args: ['run', '--manifests', '/nonexistent'],
    code: 2,
    says: /\/nonexistent/,
  },
  {
    name: 'a bind address that is none',
    args: ['run', '--metrics-bind-address', '127.0.0.1:x'],
    code: 2,
    says: /--metrics-bind-address.*127\.0\.0\.1:10249/s,
  },
  { name: 'a duration without a unit', args: ['run', '--half-closed-timeout', '10'], code: 2, says: /1h30m/ },
  { name: 'an unknown policy', args: ['run', '--balance', 'best'], code: 2, says: /round-robin, random/ },
  {
    name: 'a malformed CIDR',
    args: ['run', '--nodeport-addresses', '10.0.0.0/33'],
    code: 2,
    says: /"10\.0\.0\.0\/33" is not a CIDR/,
  },
  {
    name: 'a mistyped word for node addresses',
    args: ['run', '--nodeport-addresses', '10.0.0.0/8,primry'],
    code: 2,
    says: /"primry" is not a CIDR.*did you mean primary/,
  },
  { name: 'an address that is none', args: ['run', '--bind-address', '10.1'], code: 2, says: /IP address/ },
  {
    name: 'two CIDRs of a family',
    args: ['run', '--cluster-cidr', '10.0.0.0/8,11.0.0.0/8'],
    code: 2,
    says: /one of each/,
  },
  {
    name: 'an OOM score out of range',
    args: ['run', '--oom-score-adj', '-1001'],
    code: 2,
    says: /-1000 to 1000/,
  },
  { name: 'a VIP mode', args: ['run', '--vip-mode', 'ipvs'], code: 2, says: /auto, none, local, netns/ },
  {
    name: 'a VIP exclusion that is no address',
    args: ['run', '--vip-exclude', '10.0.0.1,10.0.0.0/33'],
    code: 2,
    says: /"10\.0\.0\.0\/33" is neither a CIDR/,
  },
  { name: 'a PROXY version', args: ['run', '--proxy-protocol', 'v3'], code: 2, says: /off, v1, v2/ },
  { name: 'a limit below 0', args: ['run', '--max-connections=-1'], code: 2, says: /from 0 \(no limit\)/ },
  {
    name: 'an age beyond timers',
    args: ['run', '--max-connection-age', '700h'],
    code: 2,
    says: /at most 480h/,
  },
  { name: 'a local mode', args: ['run', '--detect-local-mode', 'Magic'], code: 2, says: /NodeCIDR/ },
  { name: 'a blank name', args: ['run', '--hostname-override', ' '], code: 2, says: /blank/ },
  { name: 'neither true nor false', args: ['run', '--profiling=maybe'], code: 2, says: /true or false/ },
  {
    name: 'a configuration that is missing',
    args: ['run', '--config', '/nonexistent/config.conf'],
    code: 2,
    says: /^kube-relay: --config: \/nonexistent\/config\.conf can't be read/,
  },
  {
    name: 'a CIDR of no family',
    args: ['run', '--manifests', '.', '--service-cluster-ip-range', 'x'],
    code: 2,
    says: /x/,
  },
  { name: 'an unknown flag', args: ['run', '--kubeconf', 'x'], code: 2, says: /Did you mean --kubeconfig/ },
  { name: 'an unknown command', args: ['runn'], code: 2, says: /Did you mean run/ },
  {
    name: 'status without an agent',
    args: ['status', '--agent', 'http://127.0.0.1:9'],
    code: 1,
    says: /no agent answers at http:\/\/127\.0\.0\.1:9.*--metrics-bind-address/,
  },
  { name: 'status of no URL', args: ['status', '--agent', 'http://'], code: 2, says: /not a URL/ },
]

for (const { name, args, code, says } of wrongCalls) {
  void test(`${name} is told in a line`, async t => {
    const finished = await run(t, args)
    t.equal(finished.code, code, finished.stderr)
    t.match(finished.stderr, says)
    t.notMatch(finished.stderr, /^\s+at /m, 'no stack')
    t.equal(finished.stdout, '')
  })
}

void test('status of something that is no agent', async t => {
  const server = http.createServer((_, response) => response.end('hello')).listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const finished = await run(t, ['status', '--agent', `127.0.0.1:${port}`])
  t.equal(finished.code, 1)
  t.match(finished.stderr, /is that a kube-relay agent/)
})

void test('help has a description of everything, with examples', async t => {
  const { stdout, code } = await run(t, ['--help'])
  t.equal(code, 0)
  for (const command of ['run', 'dev', 'status', 'check']) {
    t.match(stdout, new RegExp(`^  ${command} `, 'm'))
    const help = await run(t, [command, '--help'])
    t.equal(help.code, 0)
    t.match(help.stdout, /^Examples:$/m, `${command} has examples`)
  }
  t.notMatch(stdout, /sample-pod/, 'the internal command is not listed')
})

void test('check tells what it found, and fails without an API server', async t => {
  const alone = await run(t, ['check', '--no-api', '--workers', '3', '--state-dir', import.meta.filename])
  t.equal(alone.code, 0, alone.stderr)
  t.match(alone.stdout, /^ok {4}Node\.js /m)
  t.match(alone.stdout, /^(ok|warn) +hand-over .*(tcp_migrate_req|waiting connections)/m)
  t.match(alone.stdout, /^(ok|warn) +open files .* in each of 3 workers, \d+ in all$/m)
  t.match(alone.stdout, /^warn  state directory .*cli\.test\.ts is not a directory; without it/m)
  t.match(alone.stdout, /→ make it writable for this user, or name another with --state-dir/)
  t.match(alone.stdout, /^\d+ checks: 0 failed/m)
  t.match(alone.stdout, /^(ok|warn) +vip-mode local +(works|can't work) here/m)
  t.match(alone.stdout, /^(ok|warn) +vip-mode netns +(works|can't work) here/m)
  t.match(alone.stdout, /^(ok|warn) +vip-mode auto +picks (netns|local|none): /m)
  const unreachable = await run(t, ['check', '--master', 'http://127.0.0.1:9'])
  t.equal(unreachable.code, 1)
  t.match(unreachable.stdout, /^fail {2}API server .*127\.0\.0\.1:9/m)
})
