import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import net, { type AddressInfo } from 'node:net'
import { test, type Test } from 'tap'
import { parse } from 'yaml'
import { silentLog } from '../../lib/ops/log.ts'
import { startControlPlane } from '../../lib/standalone/control-plane.ts'
import { ignoredFlags } from '../../cmd/ignored-flags.ts'
import { run, start } from './program.ts'

const defaults = readFileSync(new URL('../config/defaults.conf', import.meta.url), 'utf8')

/** What `run` would run with, as --write-config-to shows it. */
async function effective(
  t: Test,
  args: readonly string[],
  config = 'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n',
): Promise<Readonly<Record<string, unknown>>> {
  const folder = t.testdir({ 'config.conf': config })
  const file = `${folder}/written.conf`
  const finished = await run(t, [
    'run',
    '--config',
    `${folder}/config.conf`,
    '--write-config-to',
    file,
    ...args,
  ])
  t.equal(finished.code, 0, finished.stderr)
  t.match(finished.stdout, `wrote ${file}`)
  return parse(readFileSync(file, 'utf8')) as Readonly<Record<string, unknown>>
}

void test('the file wins over defaults, a flag on the command line over the file', async t => {
  t.match(await effective(t, [], defaults), {
    clientConnection: { kubeconfig: '/var/lib/kube-proxy/kubeconfig.conf' },
    clusterCIDR: '10.244.0.0/16',
    oomScoreAdj: -999,
    logging: { format: 'text', verbosity: 0 },
    hostnameOverride: '',
  })
  const flags = ['--cluster-cidr', '10.1.0.0/16', '--oom-score-adj=0', '--hostname_override', 'b', '-v=4']
  t.match(
    await effective(t, [...flags, '--log-format', 'json', '--nodeport-addresses', 'primary'], defaults),
    {
      clusterCIDR: '10.1.0.0/16',
      oomScoreAdj: 0,
      logging: { format: 'json', verbosity: 4 },
      hostnameOverride: 'b',
      nodePortAddresses: ['primary'],
      healthzBindAddress: '0.0.0.0:10256',
    },
  )
})

const addresses: readonly {
  readonly name: string
  readonly args: readonly string[]
  readonly healthz: string
  readonly metrics: string
}[] = [
  { name: 'defaults', args: [], healthz: '0.0.0.0:10256', metrics: '127.0.0.1:10249' },
  {
    name: 'an IPv6 bind address',
    args: ['--bind-address', 'fd00::1'],
    healthz: '[::]:10256',
    metrics: '[::1]:10249',
  },
  {
    name: 'addresses without a port',
    args: ['--healthz-bind-address', '127.0.0.1', '--metrics-bind-address', '::'],
    healthz: '127.0.0.1:10256',
    metrics: '[::]:10249',
  },
  {
    name: 'nowhere',
    args: ['--healthz-bind-address', 'off', '--metrics-bind-address='],
    healthz: '',
    metrics: '',
  },
  {
    name: 'deprecated ports',
    args: ['--healthz-port', '0', '--metrics-port=9'],
    healthz: '',
    metrics: '127.0.0.1:9',
  },
  {
    name: 'a deprecated port beside an address',
    args: ['--metrics-port=9', '--metrics-bind-address', '127.0.0.1:10'],
    healthz: '0.0.0.0:10256',
    metrics: '127.0.0.1:10',
  },
]

for (const { name, args, healthz, metrics } of addresses) {
  void test(`where the servers listen: ${name}`, async t => {
    t.match(await effective(t, args), { healthzBindAddress: healthz, metricsBindAddress: metrics })
  })
}

void test('what has no meaning is accepted, and told in one line for flags and one for the file', async t => {
  const folder = t.testdir({ 'config.conf': defaults.replace('oomScoreAdj: -999', 'oomScoreAdj: null') })
  const config = `${folder}/config.conf`
  const flags = ignoredFlags.flatMap(flag => [
    `--${flag}=${/^(?:masq|prof|.*-(?:strict|be|local|split))/.test(flag) ? 'true' : '1'}`,
  ])
  const args = [...flags, '--healthz-port=1', '--vip-mode=none', '--config', config]
  const { code, stderr } = await run(t, [
    'run',
    '--log-format',
    'text',
    ...args,
    '--manifests',
    '/nonexistent',
  ])
  t.equal(code, 2, 'no manifests')
  const lines = stderr.trim().split('\n')
  t.equal(lines.length, 5, stderr)
  for (const flag of ignoredFlags) t.match(lines[0], `--${flag}`)
  t.match(
    lines[1],
    `${config}: set, but without a meaning for a userspace proxy: mode (ipvs), conntrack, iptables, ipvs, nftables`,
  )
  t.match(lines[2], '--healthz-port is deprecated')
  t.match(lines[4], '--manifests: there is no file or folder')
})

void test('--bind-address-hard-fail: an address that is taken ends the program', async t => {
  const taken = net.createServer().listen(0, '127.0.0.1')
  t.teardown(() => taken.close())
  await once(taken, 'listening')
  const address = `127.0.0.1:${(taken.address() as AddressInfo).port}`
  const args = [
    '--healthz-bind-address',
    'off',
    '--metrics-bind-address',
    address,
    '--bind-address-hard-fail',
  ]
  const { code, stderr } = await run(t, ['run', '--manifests', t.testdir({}), ...args])
  t.equal(code, 1)
  t.match(stderr, new RegExp(`--metrics-bind-address ${address} can't be bound: .*EADDRINUSE`))
})

void test("a kubeadm cluster's file: the agent starts, says what it ignores, and serves", async t => {
  const endpoint = http.createServer((_, response) => response.end('hello')).listen(0, '127.0.0.1')
  t.teardown(() => endpoint.close())
  await once(endpoint, 'listening')
  const { port } = endpoint.address() as AddressInfo
  const controlPlane = await startControlPlane({
    host: '127.0.0.1',
    port: 0,
    serviceCidrs: ['127.96.0.0/16'],
    nodeName: 'node-1',
    log: silentLog,
  })
  t.teardown(() => controlPlane.close())
  controlPlane.apply(service)
  controlPlane.apply(endpointSlice(port))
  const cluster = { name: 'c', cluster: { server: controlPlane.url } }
  const context = { name: 'c', context: { cluster: 'c', user: '' } }
  const kubeconfig = { clusters: [cluster], contexts: [context], 'current-context': 'c' }
  const folder = t.testdir({ 'kubeconfig.conf': JSON.stringify(kubeconfig) })
  const file = `${folder}/config.conf`
  const config = defaults
    .replace('/var/lib/kube-proxy/kubeconfig.conf', `${folder}/kubeconfig.conf`)
    .replace('0.0.0.0:10256', '127.0.0.1:0')
    .replace('127.0.0.1:10249', '127.0.0.1:0')
    .replace('nodePortAddresses: null', 'nodePortAddresses: [localhost]')
    .replace('oomScoreAdj: -999', 'oomScoreAdj: null')
  writeFileSync(file, config)
  const agent = start(t, [
    'run',
    '--config',
    file,
    '--hostname-override',
    'Node-1',
    '--allow-loopback-endpoints',
  ])
  await agent.prints(/synced/)
  t.match(
    agent.stderr(),
    `${file}: set, but without a meaning for a userspace proxy: mode (ipvs), conntrack, iptables, ipvs, nftables`,
  )
  t.match(agent.stderr(), /node=node-1/)
  t.equal(await get('127.0.0.1', 30_912), 'hello')
  agent.child.kill('SIGTERM')
  t.equal((await agent.exited).code, 0)
})

const service = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web', namespace: 'default' },
  spec: { type: 'NodePort', ports: [{ port: 8000, nodePort: 30_912 }] },
}

function endpointSlice(port: number): object {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'web-1', namespace: 'default', labels: { 'kubernetes.io/service-name': 'web' } },
    addressType: 'IPv4',
    ports: [{ name: '', port, protocol: 'TCP' }],
    endpoints: [{ addresses: ['127.0.0.1'], conditions: { ready: true } }],
  }
}

async function get(host: string, port: number): Promise<string> {
  const response = await fetch(`http://${host}:${port}/`)
  return await response.text()
}
