// TLS with a real server: who is trusted, who we are, rotation, and the way through a proxy.

import { renameSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { ServerOptions } from 'node:https'
import { test, type Test } from 'tap'
import { KubeClient } from '../../lib/kube/client.ts'
import { loadClusterAccess } from '../../lib/kube/load-cluster-access.ts'
import { authority, base64, noOpenssl, signed, type Pair } from './certificates.ts'
import { fakeApiServer, type FakeApiServer } from './fake-api-server.ts'

const skip = noOpenssl

interface Place {
  readonly dir: string
  readonly ca: Pair
  readonly server: FakeApiServer
}

async function place(t: Test, altName?: string, options: ServerOptions = {}): Promise<Place> {
  const dir = t.testdir({})
  const ca = authority(dir, 'ca')
  const { cert, key } = signed(dir, 'server', ca, altName)
  return { dir, ca, server: await fakeApiServer(t, { tls: { cert, key, ...options } }) }
}

/** A client by a kubeconfig with these fields. */
async function clientOf(
  t: Test,
  { dir, server }: Place,
  cluster: Readonly<Record<string, unknown>>,
  user: Readonly<Record<string, unknown>> = {},
): Promise<KubeClient> {
  const kubeconfig = join(dir, 'config')
  const content = {
    'current-context': 'c',
    contexts: [{ name: 'c', context: { cluster: 'k', user: 'u' } }],
    clusters: [{ name: 'k', cluster: { server: server.url.href, ...cluster } }],
    users: [{ name: 'u', user }],
  }
  writeFileSync(kubeconfig, JSON.stringify(content))
  const client = new KubeClient(await loadClusterAccess({ kubeconfig, env: {} }))
  t.teardown(() => client.close())
  return client
}

/** One request that is answered; what the server saw of it. */
async function seen(client: KubeClient, server: FakeApiServer) {
  const answer = client.get('/version')
  // A handshake that fails makes no request, so the answer's failure has to be heard as well.
  const exchange = await Promise.race([
    server.next(),
    answer.then(() => Promise.reject(new Error('no request'))),
  ])
  const { clientName, request } = exchange
  exchange.json({})
  await answer
  return { clientName, socket: request.socket }
}

void test('a CA by data, by a relative file, or not at all', { skip }, async t => {
  const at = await place(t)
  const { server, ca } = at
  for (const cluster of [
    { 'certificate-authority-data': base64(ca.cert) },
    { 'certificate-authority': 'ca.crt' },
    { 'certificate-authority': ca.certPath },
    { 'insecure-skip-tls-verify': true },
  ]) {
    await t.resolves(seen(await clientOf(t, at, cluster), server), JSON.stringify(Object.keys(cluster)))
  }
  const untrusting = await clientOf(t, at, {})
  await t.rejects(untrusting.get('/version'), {
    code: 'UNREACHABLE',
    message: /isn't signed by the configured/,
  })
})

void test('another CA of the same name', { skip }, async t => {
  const at = await place(t)
  const other = authority(t.testdir({ other: {} }), 'ca')
  const client = await clientOf(t, at, { 'certificate-authority-data': base64(other.cert) })
  await t.rejects(client.get('/version'), { code: 'UNREACHABLE' })
})

void test('tls-server-name is asked for and verified instead of the address', { skip }, async t => {
  const at = await place(t, 'DNS:api.internal')
  const ca = { 'certificate-authority-data': base64(at.ca.cert) }
  const without = await clientOf(t, at, ca)
  await t.rejects(without.get('/version'), { code: 'UNREACHABLE', message: /set tls-server-name/ })
  const wrong = await clientOf(t, at, { ...ca, 'tls-server-name': 'api.external' })
  await t.rejects(wrong.get('/version'), { code: 'UNREACHABLE', message: /tls-server-name/ })
  const right = await clientOf(t, at, { ...ca, 'tls-server-name': 'api.internal' })
  const { socket } = await seen(right, at.server)
  t.equal((socket as { servername?: unknown }).servername, 'api.internal')
})

void test('client certificates by data and by file', { skip }, async t => {
  const dir = t.testdir({})
  const ca = authority(dir, 'ca')
  const { cert, key } = signed(dir, 'server', ca)
  const tls = { cert, key, ca: ca.cert, requestCert: true, rejectUnauthorized: true }
  const at = { dir, ca, server: await fakeApiServer(t, { tls }) }
  const alice = signed(dir, 'alice', ca)
  const trust = { 'certificate-authority-data': base64(ca.cert) }

  const byData = await clientOf(t, at, trust, {
    'client-certificate-data': base64(alice.cert),
    'client-key-data': base64(alice.key),
  })
  t.equal((await seen(byData, at.server)).clientName, 'alice')
  const byFile = await clientOf(t, at, trust, {
    'client-certificate': 'alice.crt',
    'client-key': alice.keyPath,
  })
  t.equal((await seen(byFile, at.server)).clientName, 'alice')
  const nobody = await clientOf(t, at, trust)
  await t.rejects(nobody.get('/version'), { code: 'UNREACHABLE' })
})

void test('client certificates that rotate on disk are used for new connections', { skip }, async t => {
  const dir = t.testdir({})
  const ca = authority(dir, 'ca')
  const { cert, key } = signed(dir, 'server', ca)
  const tls = { cert, key, ca: ca.cert, requestCert: true }
  const at = { dir, ca, server: await fakeApiServer(t, { tls }) }
  const before = signed(dir, 'before', ca)
  const after = signed(dir, 'after', ca)
  writeFileSync(join(dir, 'me.crt'), before.cert)
  writeFileSync(join(dir, 'me.key'), before.key)
  const trust = { 'certificate-authority-data': base64(ca.cert) }
  const client = await clientOf(t, at, trust, { 'client-certificate': 'me.crt', 'client-key': 'me.key' })

  const watching = client.stream('/api/v1/services')
  const watch = (await at.server.next()).open()
  t.equal(watch.clientName, 'before')
  const first = await seen(client, at.server)
  const second = await seen(client, at.server)
  t.equal(first.socket, second.socket, 'a connection is used again')

  writeFileSync(join(dir, 'me.crt'), after.cert)
  t.equal(
    (await seen(client, at.server)).clientName,
    'before',
    'certificate and key that differ are not a pair yet',
  )
  writeFileSync(join(dir, 'me.key'), after.key)
  t.equal((await seen(client, at.server)).clientName, 'after')

  watch.raw('still open')
  for await (const chunk of (await watching).chunks) {
    t.equal(Buffer.from(chunk).toString(), 'still open', 'what is on the old connections goes on')
    break
  }
})

void test('a CA that rotates on disk', { skip }, async t => {
  const dir = t.testdir({})
  const old = authority(dir, 'old')
  const ca = authority(dir, 'new')
  const { cert, key } = signed(dir, 'server', ca)
  const at = { dir, ca, server: await fakeApiServer(t, { tls: { cert, key } }) }
  writeFileSync(join(dir, 'ca.crt'), old.cert)
  const client = await clientOf(t, at, { 'certificate-authority': 'ca.crt' })
  await t.rejects(client.get('/version'), { code: 'UNREACHABLE' })
  renameSync(ca.certPath, join(dir, 'ca.crt'))
  await t.resolves(seen(client, at.server))
})

void test('proxy-url: a tunnel through a proxy, to the server that was named', { skip }, async t => {
  const at = await place(t)
  const tunnels: string[] = []
  const proxy = createServer((_, response) => response.writeHead(405).end())
  proxy.on('connect', (request, socket, head) => {
    tunnels.push(`${request.url} ${request.headers['proxy-authorization'] ?? '-'}`)
    // To the fake server, whatever was asked for: the name needn't resolve here.
    const upstream = connect(Number(at.server.url.port), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      upstream.write(head)
      upstream.pipe(socket).pipe(upstream)
    })
    const end = () => {
      upstream.destroy()
      socket.destroy()
    }
    upstream.on('error', end)
    socket.on('error', end)
    t.teardown(end)
  })
  await new Promise<void>(resolve => proxy.listen(0, '127.0.0.1', resolve))
  t.teardown(() => proxy.close())
  const { port } = proxy.address() as AddressInfo
  const client = await clientOf(t, at, {
    server: 'https://api.example:6443',
    'proxy-url': `http://me:secret@127.0.0.1:${port}`,
    'certificate-authority-data': base64(at.ca.cert),
    'tls-server-name': '127.0.0.1',
  })
  await seen(client, at.server)
  t.strictSame(tunnels, [`api.example:6443 Basic ${base64('me:secret')}`])
})

void test('a proxy that is not there, or refuses', { skip }, async t => {
  const at = await place(t)
  const proxy = createServer()
  proxy.on('connect', (_, socket) => socket.end('HTTP/1.1 403 Forbidden\r\n\r\n'))
  await new Promise<void>(resolve => proxy.listen(0, '127.0.0.1', resolve))
  const { port } = proxy.address() as AddressInfo
  const cluster = { 'proxy-url': `http://127.0.0.1:${port}`, 'insecure-skip-tls-verify': true }
  const refused = await clientOf(t, at, cluster)
  await t.rejects(refused.get('/version'), { code: 'UNREACHABLE', message: /403/ })
  await refused.close()
  await new Promise(resolve => proxy.close(resolve))
  const away = await clientOf(t, at, cluster)
  await t.rejects(away.get('/version'), { code: 'UNREACHABLE', message: /ECONNREFUSED/ })
})
