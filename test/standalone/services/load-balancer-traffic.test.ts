// A LoadBalancer Service by traffic: from a manifest and a pool on loopback to an answer at the address it got.

import { once } from 'node:events'
import net from 'node:net'
import { test } from 'tap'
import { stringify } from 'yaml'
import type { StatusDocument } from '../../../lib/ops/status.ts'
import { run, start } from '../../cmd/program.ts'

const endpoint = '127.79.0.1'
const telemetry = '127.79.0.2'
const port = 8087

const slice = {
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: 'web', labels: { 'kubernetes.io/service-name': 'web' } },
  addressType: 'IPv4',
  ports: [{ name: '', port, protocol: 'TCP' }],
  endpoints: [{ addresses: [endpoint] }],
}

const service = (spec: object): object => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web' },
  spec: { type: 'LoadBalancer', allocateLoadBalancerNodePorts: false, ports: [{ port }], ...spec },
})

async function ask(host: string): Promise<string> {
  const socket = net.connect({ host, port })
  let text = ''
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()))
  await once(socket, 'close')
  return text
}

void test('a Service answers at the address that the pool gave it', async t => {
  const server = net.createServer(socket => socket.end('web')).listen(port, endpoint)
  await once(server, 'listening')
  t.teardown(() => server.close())
  const files = { 'web.yaml': [service({}), slice].map(object => stringify(object)).join('---\n') }
  const agent = start(t, [
    'run',
    '--log-format=text',
    '--allow-loopback-endpoints',
    `--healthz-bind-address=${telemetry}:20256`,
    `--metrics-bind-address=${telemetry}:20249`,
    '--hostname-override=node-1',
    '--load-balancer-pool=127.79.1.0/30',
    `--manifests=${t.testdir(files)}`,
  ])
  await agent.prints(/synced/)
  t.equal(await ask('127.79.1.1'), 'web')

  const { stdout } = await run(t, ['status', '--agent', `${telemetry}:20249`, '-o', 'json'])
  const [web] = (JSON.parse(stdout) as StatusDocument).services
  t.match(
    web?.frontends.find(({ kind }) => kind === 'LoadBalancerIP'),
    { address: `127.79.1.1:${port}`, state: 'listening' },
  )
  t.notOk(
    web?.frontends.find(({ kind }) => kind === 'NodePort'),
    'which needs no NodePort',
  )
})

void test('a pool that is none stops the start, and says which flag', async t => {
  const folder = t.testdir({})
  const flags = ['run', `--manifests=${folder}`, '--load-balancer-pool=127.96.3.0/24']
  const { code, stderr } = await run(t, flags)
  t.not(code, 0)
  t.match(stderr, /--load-balancer-pool: 127\.96\.3\.0\/24 overlaps the service CIDR 127\.96\.0\.0\/16/)
})
