// Health checks of load balancers, over real sockets.

import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import { test, type Test } from 'tap'
import {
  HealthCheckNodePorts,
  type HealthChecked,
  type HealthCheckNodePortsOptions,
} from '../../lib/ops/health-check-node-ports.ts'
import { captureLog } from '../control/captured-log.ts'
import { ManualClock } from '../manual-clock.ts'
import { ask } from './http-get.ts'

function checked(fields: Partial<HealthChecked> = {}): HealthChecked {
  return { namespace: 'default', name: 'web', uid: 'u1', port: 0, localEndpoints: 1, ...fields }
}

function portsOf(t: Test, options: Partial<HealthCheckNodePortsOptions> = {}) {
  const clock = new ManualClock()
  const log = captureLog()
  const told: string[] = []
  const ports = new HealthCheckNodePorts({
    nodeName: 'node-1',
    bindIps: ['127.0.0.1'],
    log,
    clock,
    healthy: () => true,
    report: ({ regarding, reason, note }) => told.push(`${regarding.name} ${reason}: ${note}`),
    resolve: regarding => told.push(`${regarding.name} resolved`),
    ...options,
  })
  t.teardown(() => ports.close())
  const server = async (name = 'web') => {
    const [first] = ports.serversOf('default', name)
    await first?.started
    return first?.address ?? null
  }
  return { ports, clock, log, told, server }
}

/** A port that nobody uses at the moment. */
async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as net.AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

const body = (count: number, healthy: boolean) => `{
\t"service": {
\t\t"namespace": "default",
\t\t"name": "web"
\t},
\t"localEndpoints": ${count},
\t"serviceProxyHealthy": ${healthy}
}`

const answers: readonly [string, number, boolean, number][] = [
  ['one endpoint', 1, true, 200],
  ['several endpoints', 12, true, 200],
  ['no endpoint here', 0, true, 503],
  ['a proxy that is not healthy', 3, false, 503],
  ['neither', 0, false, 503],
]

void test("kube-proxy's answers", async t => {
  let healthy = true
  const { ports, server } = portsOf(t, { healthy: () => healthy })
  for (const [name, localEndpoints, isHealthy, status] of answers) {
    healthy = isHealthy
    ports.sync([checked({ localEndpoints })])
    const answer = await ask(await server(), '/')
    t.equal(answer.status, status, `${name}: status`)
    t.equal(answer.body, body(localEndpoints, isHealthy), `${name}: body`)
    t.match(
      answer.headers,
      {
        'content-type': 'application/json',
        'x-content-type-options': 'nosniff',
        'x-load-balancing-endpoint-weight': String(localEndpoints),
      },
      `${name}: headers`,
    )
  }
})

void test('any path and method', async t => {
  const { ports, server } = portsOf(t)
  ports.sync([checked()])
  const at = await server()
  for (const [method, path] of [
    ['GET', '/healthz'],
    ['POST', '/a/b?c=d'],
    ['OPTIONS', '*'],
    ['DELETE', '/'],
  ] as const) {
    t.match(await ask(at, path, { method, body: 'x' }), { status: 200, body: body(1, true) }, method)
  }
})

void test('a change of endpoints neither restarts the server nor ends its connections', async t => {
  const { ports, server } = portsOf(t)
  ports.sync([checked()])
  const at = await server()
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  const statusOnKept = async () => {
    const request = http.get({ host: at?.ip, port: at?.port, agent })
    const [response] = (await once(request, 'response')) as [http.IncomingMessage]
    response.resume()
    await once(response, 'end')
    return { status: response.statusCode, reused: request.reusedSocket }
  }
  t.strictSame(await statusOnKept(), { status: 200, reused: false })
  ports.sync([checked({ localEndpoints: 0 })])
  t.strictSame(await statusOnKept(), { status: 503, reused: true })
  t.strictSame(await server(), at, 'the same port')
})

void test('servers come and go with the Services', async t => {
  const { ports, server } = portsOf(t)
  ports.sync([checked(), checked({ name: 'api', localEndpoints: 0 })])
  const [web, api] = [await server('web'), await server('api')]
  t.equal((await ask(web, '/')).status, 200)
  t.equal((await ask(api, '/')).status, 503)
  ports.sync([checked({ name: 'api' })])
  await t.rejects(ask(web, '/'), { code: 'ECONNREFUSED' })
  t.equal((await ask(api, '/')).status, 200)
  ports.close()
  ports.close()
  await t.rejects(ask(api, '/'), { code: 'ECONNREFUSED' })
})

void test('a Service that gets another port', async t => {
  const { ports, server } = portsOf(t)
  const [first, second] = [await freePort(), await freePort()]
  ports.sync([checked({ port: first })])
  t.equal((await server())?.port, first)
  ports.sync([checked({ port: second })])
  t.equal((await server())?.port, second)
  await t.rejects(ask({ ip: '127.0.0.1', port: first }, '/'), { code: 'ECONNREFUSED' })
})

void test('two Services with one port: the one that has it keeps it, the other is reported once', async t => {
  const { ports, told, server } = portsOf(t)
  const port = await freePort()
  const [web, api] = [checked({ port }), checked({ name: 'api', port })]
  ports.sync([web])
  await server('web')
  ports.sync([api, web])
  ports.sync([api, web])
  t.equal(await server('api'), null)
  t.strictSame(told, [
    `api FailedToStartServiceHealthcheck: node node-1 failed to start healthcheck "default/api" on port ${port}: it belongs to Service default/web`,
  ])
  ports.sync([api])
  t.equal((await ask(await server('api'), '/')).status, 200, 'it gets the port once it is free')
  t.ok(told.includes('api resolved'))
})

void test('of two new ones the first in the list gets the port', async t => {
  const { ports, server } = portsOf(t)
  const port = await freePort()
  ports.sync([checked({ port }), checked({ name: 'api', port })])
  t.equal((await server('web'))?.port, port)
  t.strictSame(ports.serversOf('default', 'api'), [])
})

void test('a predecessor that is about to end has the same port: both answer, and none is missed', async t => {
  const [old, successor] = [portsOf(t), portsOf(t)]
  const port = await freePort()
  old.ports.sync([checked({ port })])
  await old.server()
  successor.ports.sync([checked({ port })])
  t.equal((await successor.server())?.port, port)
  t.strictSame(successor.told, [])
  old.ports.close()
  for (let i = 0; i < 10; i++) t.equal((await ask({ ip: '127.0.0.1', port }, '/')).status, 200)
})

void test("a port at which a Service's clients are served isn't opened, or is given up", async t => {
  const { ports, told, server } = portsOf(t)
  const port = await freePort()
  const nodePorts = new Map([[port, 'default/other']])
  ports.sync([checked({ port })], nodePorts)
  t.equal(await server(), null)
  t.match(told.splice(0), [/on port \d+: it belongs to Service default\/other$/])
  ports.sync([checked({ port })])
  t.equal((await server())?.port, port)
  t.strictSame(told.splice(0), ['web resolved'])
  ports.sync([checked({ port })], nodePorts)
  t.equal(await server(), null)
  await t.rejects(ask({ ip: '127.0.0.1', port }, '/'), { code: 'ECONNREFUSED' })
})

void test('a port that someone else has is reported, retried, and resolved', async t => {
  const holder = net.createServer().listen(0, '127.0.0.1')
  await once(holder, 'listening')
  const { port } = holder.address() as net.AddressInfo
  const bound = Promise.withResolvers<void>()
  const told: string[] = []
  const { ports, clock, log } = portsOf(t, {
    report: ({ note }) => told.push(note),
    resolve: () => bound.resolve(),
  })
  ports.sync([checked({ port })])
  await ports.serversOf('default', 'web')[0]?.started
  t.match(told, [
    new RegExp(
      `^node node-1 failed to start healthcheck "default/web" on 127\\.0\\.0\\.1:${port}: .*EADDRINUSE`,
    ),
  ])
  t.match(log.take(), [/^error cannot bind health check of Service default\/web/])
  holder.close()
  await once(holder, 'close')
  await clock.advanceAndSettle(5000)
  await bound.promise
  t.equal((await ask({ ip: '127.0.0.1', port }, '/')).status, 200)
})

void test('both families on wildcard addresses', async t => {
  const { ports, told } = portsOf(t, { bindIps: ['0.0.0.0', '::'] })
  const port = await freePort()
  ports.sync([checked({ port })])
  for (const server of ports.serversOf('default', 'web')) await server.started
  const isMissing = told.some(note => /EAFNOSUPPORT|EADDRNOTAVAIL/.test(note))
  for (const ip of isMissing ? ['127.0.0.1'] : ['127.0.0.1', '::1']) {
    t.equal((await ask({ ip, port }, '/')).status, 200, ip)
  }
})
