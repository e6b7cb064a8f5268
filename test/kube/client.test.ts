// Requests and their failures, over plain HTTP.

import { createServer } from 'node:net'
import { test } from 'tap'
import { ApiError } from '../../lib/kube/api-error.ts'
import { KubeClient, type KubeClientOptions } from '../../lib/kube/client.ts'
import { anonymousAccess, type ClusterAccess } from '../../lib/kube/cluster-access.ts'
import type { Credentials } from '../../lib/kube/credentials.ts'
import { RelayError } from '../../lib/model/error.ts'
import { fakeApiServer, type Exchange } from './fake-api-server.ts'
import type { Test } from 'tap'

async function clientAndServer(
  t: Test,
  access: Partial<ClusterAccess> = {},
  options: KubeClientOptions = { version: '1.2.3' },
) {
  const server = await fakeApiServer(t)
  const client = new KubeClient({ ...anonymousAccess(server.url), ...access }, options)
  t.teardown(() => client.close())
  return { server, client }
}

/** Tokens that change when they are invalidated. */
function countingCredentials(): Credentials & { invalidated: number } {
  return {
    describe: 'counting',
    invalidated: 0,
    get() {
      return Promise.resolve({ headers: { authorization: `Bearer t${this.invalidated}` }, certificate: null })
    },
    invalidate() {
      this.invalidated += 1
    },
  }
}

async function failure(promise: Promise<unknown>): Promise<RelayError> {
  try {
    await promise
  } catch (error) {
    if (error instanceof RelayError) return error
    throw error
  }
  throw new Error('it was expected to fail')
}

void test('a GET: path, query, headers, JSON', async t => {
  const { server, client } = await clientAndServer(t)
  const answer = client.get('/api/v1/services', {
    query: { labelSelector: '!a,b in (c)', limit: 5, skip: undefined },
  })
  const exchange = await server.next()
  t.equal(exchange.path, '/api/v1/services')
  t.strictSame(exchange.query, { labelSelector: '!a,b in (c)', limit: '5' })
  t.match(exchange.header, {
    'user-agent': 'kube-relay/1.2.3',
    accept: 'application/json',
    authorization: undefined,
  })
  exchange.json({ items: [] })
  t.strictSame(await answer, { items: [] })
})

void test('a server below a path', async t => {
  const server = await fakeApiServer(t)
  const client = new KubeClient(anonymousAccess(new URL('/k8s/clusters/c-1/', server.url)))
  t.teardown(() => client.close())
  const answer = client.get('/version')
  const exchange = await server.next()
  t.equal(exchange.path, '/k8s/clusters/c-1/version')
  exchange.json({})
  await answer
})

void test('a body, and an answer without one', async t => {
  const { server, client } = await clientAndServer(t)
  const contentType = 'application/merge-patch+json'
  const answer = client.request('PATCH', '/api/v1/nodes/n/status', { body: { a: 1 }, contentType })
  const exchange = await server.next()
  t.equal(exchange.request.method, 'PATCH')
  t.equal(exchange.header['content-type'], contentType)
  t.equal(exchange.body, '{"a":1}')
  exchange.text('', 200)
  t.equal(await answer, null)
})

void test('401 reloads the credentials and tries once more', async t => {
  const credentials = countingCredentials()
  const { server, client } = await clientAndServer(t, { credentials })
  const answer = client.get('/version')
  const first = await server.next()
  t.equal(first.header.authorization, 'Bearer t0')
  first.refuse(401, 'Unauthorized')
  const second = await server.next()
  t.equal(second.header.authorization, 'Bearer t1')
  second.json({ ok: true })
  t.strictSame(await answer, { ok: true })
})

void test('401 twice is an error, for streams too', async t => {
  const credentials = countingCredentials()
  const { server, client } = await clientAndServer(t, { credentials })
  for (const send of [() => client.get('/version'), () => client.stream('/api/v1/services')]) {
    const answer = failure(send())
    for (let i = 0; i < 2; i++) {
      const exchange = await server.next()
      exchange.refuse(401, 'Unauthorized')
    }
    t.match(await answer, {
      code: 'UNAUTHORIZED',
      message: /doesn't accept our credentials \(counting\).*check/,
    })
  }
  t.equal(credentials.invalidated, 2)
})

void test('refusals by name', async t => {
  const { server, client } = await clientAndServer(t)
  const forbidden =
    'endpointslices.discovery.k8s.io is forbidden: User "system:serviceaccount:kube-system:kube-relay" cannot list resource'
  const slices = '/apis/discovery.k8s.io/v1/endpointslices'
  const cases: Record<string, { path: string; answer: (exchange: Exchange) => void; expected: object }> = {
    '403 says which rule is missing, and for whom': {
      path: slices,
      answer: exchange => exchange.refuse(403, 'Forbidden', forbidden),
      expected: {
        code: 'FORBIDDEN',
        message:
          /RBAC: user "system:serviceaccount:kube-system:kube-relay" needs "list" on endpointslices\.discovery\.k8s\.io \(cluster scope\); see docs\/RBAC.md$/,
      },
    },
    '403 in a namespace, without a word': {
      path: '/api/v1/namespaces/web/services/a',
      answer: exchange => exchange.text('', 403),
      expected: {
        code: 'FORBIDDEN',
        message: /we \(no credentials\) need "get" on services \(namespace "web"\)/,
      },
    },
    '403 by something else than RBAC keeps its words': {
      path: '/api/v1/services',
      answer: exchange => exchange.refuse(403, 'Forbidden', 'policy says no'),
      expected: { code: 'FORBIDDEN', message: /policy says no/ },
    },
    '403 on a path that is no resource': {
      path: '/version',
      answer: exchange => exchange.refuse(403, 'Forbidden'),
      expected: { code: 'FORBIDDEN', message: /"get" on the path \/version/ },
    },
    '410 by status': {
      path: slices,
      answer: exchange => exchange.text('', 410),
      expected: { code: 'GONE', httpStatus: 410 },
    },
    '404 of a collection': {
      path: slices,
      answer: exchange => exchange.text('404 page not found\n', 404),
      expected: {
        code: 'API',
        message: /doesn't serve endpointslices\.discovery\.k8s\.io.*404 page not found/,
      },
    },
    '500 with a Status': {
      path: slices,
      answer: exchange => exchange.refuse(500, 'InternalError', 'etcd\nis away'),
      expected: { code: 'API', message: /500 InternalError to "list" on endpointslices.* etcd is away$/ },
    },
    'HTML of a proxy in between': {
      path: slices,
      answer: exchange => exchange.text('<html>\n<h1>Bad Gateway</h1></html>', 502),
      expected: { code: 'API', httpStatus: 502, message: /<html> <h1>Bad Gateway/ },
    },
    'plain HTTP to a server that speaks HTTPS': {
      path: slices,
      answer: exchange => exchange.text('Client sent an HTTP request to an HTTPS server.\n', 400),
      expected: { code: 'API', message: /speaks HTTPS: write https:\/\// },
    },
    'Retry-After in the header': {
      path: slices,
      answer: exchange => exchange.refuse(429, 'TooManyRequests', '', { 'retry-after': '3' }),
      expected: { code: 'API', retryAfterMs: 3000 },
    },
    'a redirection is not followed': {
      path: slices,
      answer: exchange => exchange.text('', 302, { location: 'http://127.0.0.1:1/' }),
      expected: { code: 'API', httpStatus: 302 },
    },
    'Status fields of other types': {
      path: slices,
      answer: exchange =>
        exchange.json({ message: 7, reason: {}, code: 'x', details: { causes: [null, 1] } }, 500),
      expected: { code: 'API', httpStatus: 500 },
    },
  }
  for (const [name, { path, answer, expected }] of Object.entries(cases)) {
    const result = failure(client.get(path))
    answer(await server.next())
    t.match(await result, expected, name)
  }
})

void test('something else than JSON', async t => {
  const { server, client } = await clientAndServer(t)
  const answer = failure(client.get('/version'))
  const exchange = await server.next()
  exchange.text('<html>')
  t.match(await answer, { code: 'API', message: /is it a Kubernetes API server\?/ })
})

void test('no server: errno and address', async t => {
  const { server, client } = await clientAndServer(t)
  await server.stop()
  const error = await failure(client.get('/version'))
  t.match(error, { code: 'UNREACHABLE', message: /ECONNREFUSED/ })
  t.match(error.message, server.url.host)
  t.notMatch(error, ApiError)
})

void test('a name with several addresses and nobody at any of them', async t => {
  const { server } = await clientAndServer(t)
  const port = server.url.port
  await server.stop()
  const client = new KubeClient(anonymousAccess(new URL(`http://localhost:${port}`)))
  t.teardown(() => client.close())
  t.match(await failure(client.get('/version')), { code: 'UNREACHABLE', message: /ECONNREFUSED/ })
})

void test('https:// to a server that speaks plain HTTP', async t => {
  const { server } = await clientAndServer(t)
  const client = new KubeClient(anonymousAccess(new URL(`https://${server.url.host}`)))
  t.teardown(() => client.close())
  t.match(await failure(client.get('/version')), {
    code: 'UNREACHABLE',
    message: /doesn't speak TLS: is it http:/,
  })
})

void test('a connection broken off: before the answer, and in its middle', async t => {
  const { server, client } = await clientAndServer(t)
  const before = failure(client.get('/version'))
  const first = await server.next()
  first.destroy()
  t.match(await before, { code: 'UNREACHABLE' })

  const middle = failure(client.get('/version'))
  const second = await server.next()
  second.open().raw('{"a":')
  second.destroy()
  t.match(await middle, { code: 'UNREACHABLE' })
})

void test('a server that accepts and never answers', async t => {
  const server = createServer(() => {})
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const { port } = server.address() as { port: number }
  const access = anonymousAccess(new URL(`http://127.0.0.1:${port}`))
  const client = new KubeClient(access, { timeouts: { headersMs: 50 } })
  t.teardown(() => client.close())
  t.match(await failure(client.get('/version')), { code: 'UNREACHABLE', message: /UND_ERR_HEADERS_TIMEOUT/ })
})

void test('a body that stops is an error for a list, and none for a stream', async t => {
  const { server, client } = await clientAndServer(t, {}, { timeouts: { bodyMs: 50 } })
  const stream = client.stream('/api/v1/services')
  const streaming = await server.next()
  streaming.open()
  const chunks = (await stream).chunks[Symbol.asyncIterator]()
  const chunk = chunks.next()

  const list = failure(client.get('/api/v1/services'))
  const listing = await server.next()
  listing.open().raw('{')
  t.match(await list, { code: 'UNREACHABLE', message: /UND_ERR_BODY_TIMEOUT/ })

  streaming.raw('still here')
  t.equal(Buffer.from((await chunk).value as Uint8Array).toString(), 'still here')
})

void test('abort: before, while waiting, and while reading', async t => {
  const { server, client } = await clientAndServer(t)
  t.match(await failure(client.get('/version', { signal: AbortSignal.abort() })), { code: 'ABORTED' })

  const waiting = new AbortController()
  const answer = failure(client.get('/version', { signal: waiting.signal }))
  const exchange = await server.next()
  waiting.abort()
  t.match(await answer, { code: 'ABORTED' })
  await exchange.closed

  const reading = new AbortController()
  const stream = client.stream('/api/v1/services', { signal: reading.signal })
  const streaming = await server.next()
  streaming.open()
  const { chunks } = await stream
  const chunk = failure(chunks[Symbol.asyncIterator]().next())
  reading.abort()
  t.match(await chunk, { code: 'ABORTED' })
  await streaming.closed
})

void test('leaving a stream closes its connection', async t => {
  const { server, client } = await clientAndServer(t)
  const stream = client.stream('/api/v1/services')
  const exchange = await server.next()
  exchange.open().raw('x')
  for await (const chunk of (await stream).chunks) {
    t.equal(chunk.length, 1)
    break
  }
  await exchange.closed
})

void test('close ends everything, twice', async t => {
  const { server, client } = await clientAndServer(t)
  const answer = failure(client.get('/version'))
  const exchange = await server.next()
  await client.close()
  await client.close()
  t.match(await answer, { code: 'ABORTED', message: /closed/ })
  await exchange.closed
  t.match(await failure(client.get('/version')), { code: 'ABORTED' })
})

void test('watches do not wait for each other', async t => {
  const { server, client } = await clientAndServer(t)
  const streams = Array.from({ length: 20 }, () => client.stream('/api/v1/services'))
  const exchanges = await Promise.all(streams.map(() => server.next()))
  for (const exchange of exchanges) exchange.open()
  await Promise.all(streams)
})
