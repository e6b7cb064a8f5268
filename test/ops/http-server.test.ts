import { once } from 'node:events'
import net from 'node:net'
import { test, type Test } from 'tap'
import { silentLog } from '../../lib/ops/log.ts'
import {
  jsonAnswer,
  largeJsonAnswer,
  startHttpServer,
  type HttpHandler,
  type HttpRoutes,
  type HttpServerOptions,
} from '../../lib/ops/http-server.ts'
import { captureLog } from '../control/captured-log.ts'
import { ManualClock } from '../manual-clock.ts'
import { ask } from './http-get.ts'

async function serve(
  t: Test,
  routes: HttpRoutes | HttpHandler,
  options: Partial<HttpServerOptions> & { readonly port?: number } = {},
) {
  const clock = new ManualClock()
  const { port = 0, ...rest } = options
  const server = startHttpServer({ ip: '127.0.0.1', port }, routes, {
    purpose: 'test server',
    log: silentLog,
    clock,
    ...rest,
  })
  t.teardown(() => server.close())
  await server.started
  return { server, clock }
}

/** A port that is taken until the returned function is called. */
async function takenPort(t: Test): Promise<{ readonly port: number; readonly free: () => Promise<void> }> {
  const holder = net.createServer().listen(0, '127.0.0.1')
  await once(holder, 'listening')
  const free = async () => {
    if (!holder.listening) return
    holder.close()
    await once(holder, 'close')
  }
  t.teardown(free)
  return { port: (holder.address() as net.AddressInfo).port, free }
}

const routes: HttpRoutes = {
  '/json': async () => jsonAnswer({ a: 'ü' }, 503),
  '/broken': async () => {
    throw new Error('out of order')
  },
}

const answers: readonly [string, string, string, number, string][] = [
  ['a route', 'GET', '/json', 503, '{\n  "a": "ü"\n}\n'],
  ['with a query', 'GET', '/json?x=/y', 503, '{\n  "a": "ü"\n}\n'],
  ['HEAD', 'HEAD', '/json', 503, ''],
  ['another method', 'POST', '/json', 405, 'only GET and HEAD\n'],
  ['another path', 'GET', '/x', 404, 'no such path; there are: /json /broken\n'],
  ['a name that every object has', 'GET', '/constructor', 404, 'no such path; there are: /json /broken\n'],
  ['a handler that fails', 'GET', '/broken', 500, 'out of order\n'],
]

void test('routes', async t => {
  const { server } = await serve(t, routes)
  for (const [name, method, path, status, body] of answers) {
    const answer = await ask(server.address, path, { method })
    t.match(answer, { status, body, headers: { 'x-content-type-options': 'nosniff' } }, name)
  }
})

void test('one answer to everything', async t => {
  const { server } = await serve(t, async () => ({
    status: 200,
    contentType: 'text/plain',
    body: 'yes',
    headers: { 'x-weight': '3' },
  }))
  for (const method of ['GET', 'POST', 'DELETE', 'PURGE']) {
    const answer = await ask(server.address, '/any/path?and=query', { method, body: 'x'.repeat(100_000) })
    t.match(answer, { status: 200, body: 'yes', headers: { 'x-weight': '3' } }, method)
  }
})

void test('a port that is taken is retried, and the log has it once', async t => {
  const { port, free } = await takenPort(t)
  const log = captureLog()
  const heard: string[] = []
  const bound = Promise.withResolvers<void>()
  const { server, clock } = await serve(t, routes, {
    port,
    log,
    onBindFailed: error => heard.push((error as NodeJS.ErrnoException).code ?? ''),
    onBound: () => bound.resolve(),
  })
  t.equal(server.address, null)
  t.match(log.take(), [/^error cannot bind test server to 127\.0\.0\.1:\d+, retrying: .*EADDRINUSE/])
  t.strictSame(heard, ['EADDRINUSE'])
  await free()
  await clock.advanceAndSettle(5000)
  await bound.promise
  t.equal((await ask(server.address, '/json')).status, 503)
  t.match(log.take(), [/^info test server bound at last/])
})

void test('closing lets who has connected ask once more, ends those that say nothing, and can be done twice', async t => {
  const { server, clock } = await serve(t, routes)
  const port = server.address?.port ?? 0
  const [silent, asking] = [net.connect(port, '127.0.0.1'), net.connect(port, '127.0.0.1')]
  await Promise.all([once(silent, 'connect'), once(asking, 'connect')])
  // An answer on a later connection: the server has taken both.
  t.equal((await ask(server.address, '/json')).status, 503)
  server.close()
  server.close()
  asking.write('GET /json HTTP/1.1\r\nhost: x\r\n\r\n')
  const [answer] = (await once(asking, 'data')) as [Buffer]
  t.match(answer.toString(), /^HTTP\/1\.1 503/)
  // Reset or ended, whichever the kernel makes of it.
  silent.on('error', () => {})
  asking.on('error', () => {})
  const ended = Promise.all([once(silent, 'close'), once(asking, 'close')])
  clock.advance(1000)
  await ended
  t.equal(server.address, null)
  t.equal(clock.pending, 0)
})

void test('a request with too large headers is refused', async t => {
  const { server } = await serve(t, routes)
  const socket = net.connect(server.address?.port ?? 0, '127.0.0.1')
  socket.write(`GET /json HTTP/1.1\r\nhost: x\r\nx-long: ${'y'.repeat(20_000)}\r\n\r\n`)
  const [chunk] = (await once(socket, 'data')) as [Buffer]
  t.match(chunk.toString(), /^HTTP\/1\.1 431 /)
  socket.destroy()
})

void test('clients that hold all connections keep nobody out; who asks stays', async t => {
  const { server } = await serve(t, routes)
  const { port = 0 } = server.address ?? {}
  const open = async (head: string): Promise<net.Socket> => {
    const socket = net.connect(port, '127.0.0.1')
    t.teardown(() => socket.destroy())
    socket.on('error', () => {})
    await once(socket, 'connect')
    socket.write(head)
    return socket
  }
  const asks = 'GET /json HTTP/1.1\r\nhost: x\r\n\r\n'
  const asking = await open(asks)
  await once(asking, 'data')
  // 255 that begin a request and never end it, of which the first is now the one to go.
  const [first, ...slow] = await Promise.all(
    Array.from({ length: 255 }, () => open('GET /json HTTP/1.1\r\nx-')),
  )
  asking.write(asks)
  await once(asking, 'data')
  const gone = new Set<net.Socket | undefined>()
  for (const socket of [first, ...slow]) socket?.on('close', () => gone.add(socket))
  for (let n = 1; n <= 300; n++) t.equal((await ask(server.address, '/json')).status, 503)
  asking.write(asks)
  await once(asking, 'data')
  t.ok(gone.size > 0 && !asking.destroyed, `${gone.size} slow clients had to go`)
})

void test('a large document is the same text as a small one, and others have their turns meanwhile', async t => {
  const entries = (length: number): readonly object[] =>
    Array.from({ length }, () => ({ name: 'a\nb', list: [1, { deep: [] }], nothing: null }))
  const documents: readonly object[] = [
    {},
    { a: 1, none: undefined, list: [], nested: { list: [1], empty: {} }, text: 'x\ny' },
    ...[1, 199, 200, 201, 400, 1001].map(length => ({ first: 1, list: entries(length), last: [0] })),
  ]
  for (const document of documents) t.strictSame(await largeJsonAnswer(document), jsonAnswer(document))
  let turns = 0
  const count = (): void => {
    turns++
    immediate = setImmediate(count)
  }
  let immediate = setImmediate(count)
  await largeJsonAnswer({ list: entries(2000) })
  clearImmediate(immediate)
  t.ok(turns >= 8, `${turns} turns`)
})
