// Who can reach an agent's ports, by default, and what can be done there: one agent with the flags that everybody has, in
// a network of its own. It listens where the documents say and nowhere else, answers and changes nothing, and clients
// that are slow, large or many neither stop its answers nor the Services'.

import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { test, type Test } from 'tap'
import type { StatusDocument } from '../../lib/ops/status.ts'
import { temporaryFolder } from '../cmd/agent-under-test.ts'
import { start, type Program } from '../cmd/program.ts'
import { ask } from '../ops/http-get.ts'
import { enterOwnNetwork, missingForOwnNetwork } from '../own-network.ts'

const metrics = { ip: '127.0.0.1', port: 10_249 }
const health = { ip: '127.0.0.1', port: 10_256 }
const serviceIp = '127.96.0.50'

const skip = missingForOwnNetwork() ?? false
if (skip === false) enterOwnNetwork()

async function startAgent(t: Test): Promise<Program> {
  const folder = temporaryFolder(t)
  mkdirSync(`${folder}/manifests`)
  const echo = net.createServer(socket => socket.on('error', () => {}).pipe(socket)).listen(9000, '127.0.0.2')
  await once(echo, 'listening')
  t.teardown(() => echo.close())
  const documents = [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'secret-project', namespace: 'default' },
      spec: { clusterIP: serviceIp, ports: [{ port: 80 }] },
    },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: {
        name: 'a',
        namespace: 'default',
        labels: { 'kubernetes.io/service-name': 'secret-project' },
      },
      addressType: 'IPv4',
      ports: [{ name: '', port: 9000, protocol: 'TCP' }],
      endpoints: [{ addresses: ['127.0.0.2'] }],
    },
  ]
  writeFileSync(`${folder}/manifests/a.yaml`, documents.map(each => JSON.stringify(each)).join('\n---\n'))
  const agent = start(t, [
    'run',
    `--manifests=${folder}/manifests`,
    '--allow-loopback-endpoints',
    '--workers=2',
    '--log-format=text',
    '--shutdown-timeout=0',
  ])
  await agent.prints(/synced/)
  return agent
}

const statusOf = async (): Promise<StatusDocument> =>
  JSON.parse((await ask(metrics, '/status')).body) as StatusDocument

/** What a request could have changed. */
function stateOf({ generation, services, workers, agent }: StatusDocument): object {
  return {
    generation,
    workers: workers.map(({ pid }) => pid),
    reloads: agent?.reloadRequests,
    services: services.map(({ name, frontends, endpoints }) => ({ name, frontends, endpoints })),
  }
}

/** A connection with these bytes on it; what comes of it is not waited for. */
async function send(t: Test, { ip, port }: typeof health, bytes: string): Promise<net.Socket> {
  const socket = net.connect(port, ip).on('error', () => {})
  t.teardown(() => socket.destroy())
  const connected = Promise.withResolvers<void>()
  socket.on('connect', () => connected.resolve()).on('close', () => connected.resolve())
  await connected.promise
  socket.write(bytes)
  return socket
}

async function echoOf(t: Test, text: string): Promise<string> {
  const socket = await send(t, { ip: serviceIp, port: 80 }, text)
  const [chunk] = (await once(socket, 'data')) as [Buffer]
  socket.destroy()
  return chunk.toString()
}

/** Addresses that something listens on, "IP:PORT", in this network. */
function listening(): readonly string[] {
  const rows = (file: string): readonly string[][] =>
    readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .slice(1)
      .map(row => row.trim().split(/\s+/))
  const ipv4 = rows('/proc/net/tcp')
    .filter(([, , , state]) => state === '0A')
    .map(([, local = '']) => {
      const [ip = '', port = ''] = local.split(':')
      const bytes = (ip.match(/../g) ?? []).map(byte => parseInt(byte, 16)).toReversed()
      return `${bytes.join('.')}:${parseInt(port, 16)}`
    })
  const ipv6 = rows('/proc/net/tcp6')
    .filter(([, , , state]) => state === '0A')
    .map(([, local = '']) => `[${local}]`)
  return [...new Set([...ipv4, ...ipv6])].toSorted()
}

void test('an agent with default addresses', { skip, timeout: 180_000 }, async t => {
  const agent = await startAgent(t)

  await t.test('listens where the documents say', async t => {
    const api = /embedded API server listens.*?127\.0\.0\.1:(\d+)/.exec(agent.stderr())?.[1]
    t.strictSame(
      listening(),
      [
        '127.0.0.2:9000', // the test's own endpoint
        `127.0.0.1:${api}`,
        '127.0.0.1:10249',
        '0.0.0.0:10256',
        `${serviceIp}:80`,
      ].toSorted(),
    )
  })

  await t.test('the port that is open to the network tells nothing of Services', async t => {
    for (const path of [
      '/status',
      '/metrics',
      '/configz',
      '/',
      '/proxyMode',
      '/healthz/../status',
      '//status',
    ]) {
      t.equal((await ask(health, path)).status, 404, path)
    }
    for (const path of ['/healthz', '/livez']) {
      const { status, body } = await ask(health, path)
      t.equal(status, 200)
      t.notMatch(body, /secret-project|127\.96|9000|manifests/)
    }
  })

  await t.test('whatever is sent to either, nothing changes', async t => {
    const before = stateOf(await statusOf())
    const { body: page } = await ask(metrics, '/nothing')
    const paths = (page.match(/\/\S+/g) ?? []).filter(path => path !== '/nothing')
    t.ok(paths.includes('/status') && paths.includes('/metrics'), page)
    for (const at of [metrics, health]) {
      for (const path of [...paths, '/healthz', '/livez', '/reload', '/quit', '/shutdown', '/debug/pprof/']) {
        for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND']) {
          const { status } = await ask(at, path, { method, body: '{"workers":0}' })
          t.equal(status, 405, `${method} ${path} on ${at.port}`)
        }
      }
    }
    for (const value of [
      '',
      '%00',
      '%ff',
      '__proto__',
      '-1',
      "';--",
      '%0D%0Ax-evil:%201',
      '../../etc/passwd',
      'a'.repeat(7000),
    ]) {
      for (const path of [
        `/explain?address=${value}`,
        `/explain?address=127.0.0.1:1&client=${value}`,
        `/status/service?name=${value}`,
      ]) {
        const { status, headers } = await ask(metrics, path)
        t.ok(status === 200 || (status >= 400 && status < 500), `${status} for ${path.slice(0, 80)}`)
        t.notOk('x-evil' in headers)
      }
    }
    t.strictSame(stateOf(await statusOf()), before)
  })

  await t.test('requests that are large, broken or never end cost nobody else', async t => {
    const before = stateOf(await statusOf())
    for (const at of [metrics, health]) {
      for (const bytes of [
        `GET /healthz HTTP/1.1\r\nhost: x\r\nx-large: ${'y'.repeat(100_000)}\r\n\r\n`,
        `GET /${'a/'.repeat(50_000)} HTTP/1.1\r\nhost: x\r\n\r\n`,
        'GET /healthz HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999\r\n\r\n',
        'GET /healthz HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n',
        'GET /healthz HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n',
        '\u0000\u0001\u0016\u0003\u0001\r\n\r\n',
        'CONNECT 127.0.0.1:22 HTTP/1.1\r\nhost: x\r\n\r\n',
        'GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n',
      ]) {
        await send(t, at, bytes)
      }
    }
    t.equal((await ask(health, '/healthz')).status, 200)
    t.equal(await echoOf(t, 'through the Service'), 'through the Service')
    t.strictSame(stateOf(await statusOf()), before)
  })

  await t.test(
    'hundreds of slow clients on the health port: it answers, and Services are served',
    async t => {
      // More than the server keeps, each with a request that never ends.
      const slow = await Promise.all(
        Array.from({ length: 400 }, () => send(t, health, 'GET /livez HTTP/1.1\r\nhost: x\r\nx-slow: ')),
      )
      for (let n = 0; n < 20; n++) {
        t.equal((await ask(health, '/livez')).status, 200)
        t.equal((await ask(metrics, '/healthz')).status, 200)
        t.equal(await echoOf(t, 'meanwhile'), 'meanwhile')
      }
      // Those that were kept are ended, too, without being asked for anything.
      const kept = slow.filter(socket => !socket.closed)
      await Promise.all(kept.map(socket => once(socket.resume(), 'close')))
      t.equal((await ask(health, '/livez')).status, 200)
    },
  )
})
