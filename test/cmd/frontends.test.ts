// Every kind of frontend by traffic, from a manifest: cluster IP, NodePort, external IP, load balancer IP with source
// ranges, health check node port; and what an operator sees of an annotation that can't be used.

import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import { test } from 'tap'
import { stringify } from 'yaml'
import type { StatusDocument } from '../../lib/ops/status.ts'
import { run, start } from './program.ts'

const node = 'node-1'
const endpoint = '127.78.0.1'
const externalIp = '127.78.0.2'
const loadBalancerIp = '127.78.0.3'
const allowed = '127.78.0.4'

const service = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web', annotations: { 'kube-relay/balance': 'leest-connections' } },
  spec: {
    type: 'LoadBalancer',
    clusterIP: '127.96.0.99',
    externalTrafficPolicy: 'Local',
    healthCheckNodePort: 32_100,
    externalIPs: [externalIp],
    loadBalancerSourceRanges: [`${allowed}/32`],
    ports: [{ port: 8080, nodePort: 30_913 }],
  },
  status: { loadBalancer: { ingress: [{ ip: loadBalancerIp }] } },
}

const slice = {
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: 'web', labels: { 'kubernetes.io/service-name': 'web' } },
  addressType: 'IPv4',
  ports: [{ name: '', port: 8080, protocol: 'TCP' }],
  endpoints: [{ addresses: [endpoint], nodeName: node }],
}

/** What the service says to a client at `from`, or the code of the error. */
function ask(host: string, port: number, from?: string): Promise<string> {
  const socket = net.connect({ host, port, localAddress: from })
  let text = ''
  return new Promise(resolve => {
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()))
    socket.on('end', () => resolve(text))
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
  })
}

void test('each kind of frontend', async t => {
  const server = net.createServer(socket => socket.end('web')).listen(8080, endpoint)
  await once(server, 'listening')
  t.teardown(() => server.close())
  const folder = t.testdir({ 'web.yaml': [service, slice].map(object => stringify(object)).join('---\n') })
  const agent = start(t, [
    'run',
    '--log-format=text',
    '--allow-loopback-endpoints',
    '--nodeport-addresses=localhost',
    '--healthz-bind-address=127.0.0.1:20256',
    '--metrics-bind-address=127.0.0.1:20252',
    `--hostname-override=${node}`,
    `--manifests=${folder}`,
  ])
  await agent.prints(/synced/)

  t.equal(await ask('127.96.0.99', 8080), 'web', 'cluster IP')
  t.equal(await ask('127.0.0.1', 30_913), 'web', 'NodePort')
  t.equal(await ask(externalIp, 8080), 'web', 'external IP')
  t.equal(await ask(loadBalancerIp, 8080, allowed), 'web', 'load balancer IP, from a source that may')
  t.equal(await ask(loadBalancerIp, 8080, '127.0.0.1'), 'ECONNRESET', 'load balancer IP, from another')

  const health = await fetch('http://127.0.0.1:32100/anything')
  t.equal(health.status, 200)
  t.equal(health.headers.get('x-load-balancing-endpoint-weight'), '1')
  t.match(await health.json(), { service: { namespace: 'default', name: 'web' }, localEndpoints: 1 })

  const json = await run(t, ['status', '--agent', '127.0.0.1:20252', '-o', 'json'])
  const [web] = (JSON.parse(json.stdout) as StatusDocument).services
  t.same(
    web?.frontends.map(({ kind, state }) => [kind, state]),
    ['ClusterIP', 'NodePort', 'ExternalIP', 'LoadBalancerIP'].map(kind => [kind, 'listening']),
  )
  t.match(web?.connections, { total: 4, failures: { 'source-range': 1 } })

  const said = agent.stderr().match(/.*leest-connections.*/g)
  t.equal(said?.length, 1, 'a bad annotation is told in one line')
  t.match(said?.[0], /did you mean least-connections/)

  const healthz = await new Promise<number | undefined>((resolve, reject) => {
    http
      .get('http://127.0.0.1:20256/healthz', response => resolve(response.resume().statusCode))
      .on('error', reject)
  })
  t.equal(healthz, 200)
})
