// The small HTTP servers of an agent: health, metrics, status. They answer GET and HEAD on a few fixed paths (or any
// request alike), never hold up a stop, and one that can't be bound is retried instead of taking the agent down.
// Some are reachable by anyone on the network, so what a client can hold on to is bounded in time, size and number.

import http from 'node:http'
import { Server as NetServer, type Socket } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { formatAddress, type Address } from '../model/address.ts'
import { reasonOf } from '../model/error.ts'
import type { Clock, Timer } from './clock.ts'
import type { Log } from './log.ts'

export interface HttpAnswer {
  readonly status: number
  readonly contentType: string
  readonly body: string
  readonly headers?: Readonly<Record<string, string>>
}

/** By path. A route gets what stands behind the question mark. */
export type HttpRoutes = Readonly<Record<string, (query: URLSearchParams) => Promise<HttpAnswer>>>

/** Answers every request alike, whatever its path and method. */
export type HttpHandler = () => Promise<HttpAnswer>

export interface HttpServerOptions {
  /** Names the server in log lines. */
  readonly purpose: string
  readonly log: Log
  readonly clock: Clock
  /** Without IPv4 on a wildcard IPv6 address, for whoever listens on both. */
  readonly ipv6Only?: boolean
  /** Called when it can't be bound, with each attempt. The log has it only once. */
  readonly onBindFailed?: (error: Error) => void
  /** Called when it is bound, at once or at last. */
  readonly onBound?: () => void
}

export interface HttpServer {
  /** Resolves when the first attempt to bind has succeeded or failed. */
  readonly started: Promise<void>
  /** The bound address, or null while it isn't bound. */
  readonly address: Address | null
  /** Closes the server at once, and connections after the answer to what they have asked. May be called twice. */
  close(): void
}

/** kube-proxy retries its metrics server at this interval too. */
const retryMs = 5000

export function jsonAnswer(value: unknown, status = 200): HttpAnswer {
  return { status, contentType: 'application/json', body: `${JSON.stringify(value, null, 2)}\n` }
}

/** So many entries are a millisecond's work. */
const entriesAtATime = 200

/** The same of a document with long lists in it, letting go of the thread in between. */
export async function largeJsonAnswer(document: object): Promise<HttpAnswer> {
  const fields: string[] = []
  for (const [name, value] of Object.entries(document) as [string, unknown][]) {
    if (value === undefined) continue
    const text = Array.isArray(value) && value.length > 0 ? await listText(value) : indented(value)
    fields.push(`  ${JSON.stringify(name)}: ${text}`)
  }
  const body = fields.length === 0 ? '{}\n' : `{\n${fields.join(',\n')}\n}\n`
  return { status: 200, contentType: 'application/json', body }
}

async function listText(entries: readonly unknown[]): Promise<string> {
  const parts: string[] = []
  for (let next = 0; next < entries.length; next += entriesAtATime) {
    // Without its own brackets.
    parts.push(indented(entries.slice(next, next + entriesAtATime)).slice('[\n'.length, -'\n  ]'.length))
    if (next + entriesAtATime < entries.length) await setImmediate()
  }
  return `[\n${parts.join(',\n')}\n  ]`
}

/** As it stands in a field of the document. */
function indented(value: unknown): string {
  return JSON.stringify(value, null, 2).replaceAll('\n', '\n  ')
}

/** What one client, or all together, may hold on to. A health check or a scrape needs a fraction of it. */
const limits: http.ServerOptions = {
  maxHeaderSize: 8192,
  headersTimeout: 5000,
  requestTimeout: 10_000,
  keepAliveTimeout: 5000,
  connectionsCheckingInterval: 2000,
}
const idleTimeoutMs = 30_000
/** For how long a closed server still answers what has reached it. */
const lastAnswersMs = 1000
/** Beyond these, the one that has asked nothing for longest makes room: whoever holds them all keeps nobody out. */
const maxConnections = 256

/** Serves routes, or one answer to everything, on an address. */
export function startHttpServer(
  at: Address,
  routes: HttpRoutes | HttpHandler,
  { purpose, log, clock, ipv6Only = false, onBindFailed, onBound }: HttpServerOptions,
): HttpServer {
  const server = http.createServer(limits, (request, response) => {
    answer(request, routes)
      .catch((error: unknown) => {
        log.error({ err: error, path: request.url }, `${purpose} request failed`)
        return { status: 500, contentType: 'text/plain', body: `${reasonOf(error)}\n` }
      })
      .then(({ status, contentType, body, headers }: HttpAnswer) => {
        response.writeHead(status, {
          'content-type': contentType,
          'content-length': Buffer.byteLength(body),
          'x-content-type-options': 'nosniff',
          ...headers,
        })
        response.end(request.method === 'HEAD' ? undefined : body)
      }, ignore)
  })
  // Also ends connections of clients that don't read their answer.
  server.timeout = idleTimeoutMs
  const connections = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    const [oldest] = connections
    if (connections.size >= maxConnections) oldest?.destroy()
    connections.add(socket)
    socket.once('close', () => connections.delete(socket))
  })
  server.on('request', ({ socket }) => {
    // To the end of the line; one that is gone has left it for good.
    if (connections.delete(socket)) connections.add(socket)
  })
  let closed = false
  let lastAnswers: Timer | null = null
  let retry: Timer | null = null
  let failed = false
  // A successor binds the same port before this one lets go of it.
  const reusePort = at.port !== 0
  const listen = (): void => void server.listen({ host: at.ip, port: at.port, reusePort, ipv6Only })

  const started = new Promise<void>(resolve => {
    server.on('listening', () => {
      if (failed) log.info({ address: formatAddress(at.ip, at.port) }, `${purpose} bound at last`)
      failed = false
      onBound?.()
      resolve()
    })
    server.on('error', error => {
      // Accepting can fail too, for want of descriptors; the server goes on then.
      if (closed || server.listening) return
      if (!failed) {
        log.error(`cannot bind ${purpose} to ${formatAddress(at.ip, at.port)}, retrying: ${reasonOf(error)}`)
      }
      failed = true
      onBindFailed?.(error)
      retry = clock.after(retryMs, listen)
      resolve()
    })
  })
  listen()

  return {
    started,
    get address() {
      const bound = server.address()
      return bound === null || typeof bound === 'string' ? null : { ip: bound.address, port: bound.port }
    },
    close() {
      closed = true
      retry?.cancel()
      if (lastAnswers !== null) return
      // Only the listener: http's own close also cuts those who have just connected, whose request is on its way, and
      // whom at a hand-over nobody else answers.
      NetServer.prototype.close.call(server, () => {
        lastAnswers?.cancel()
        server.close()
      })
      lastAnswers = clock.after(lastAnswersMs, () => server.closeAllConnections())
    },
  }
}

async function answer(request: http.IncomingMessage, routes: HttpRoutes | HttpHandler): Promise<HttpAnswer> {
  if (typeof routes === 'function') return await routes()
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return { status: 405, contentType: 'text/plain', body: 'only GET and HEAD\n' }
  }
  const [path = '/', query = ''] = (request.url ?? '/').split('?', 2)
  const route = Object.hasOwn(routes, path) ? routes[path] : undefined
  if (route !== undefined) return await route(new URLSearchParams(query))
  const known = Object.keys(routes).join(' ')
  return { status: 404, contentType: 'text/plain', body: `no such path; there are: ${known}\n` }
}

/** The client went away before its answer. */
function ignore(): void {}
