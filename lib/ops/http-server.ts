// The small HTTP servers of an agent: health, metrics, status. They answer GET and HEAD on a few fixed paths,
// never hold up a stop, and one that can't be bound is retried instead of taking the agent down.

import http from 'node:http'
import { formatAddress, type Address } from '../model/address.ts'
import { reasonOf } from '../model/error.ts'
import type { Clock, Timer } from './clock.ts'
import type { Log } from './log.ts'

export interface HttpAnswer {
  readonly status: number
  readonly contentType: string
  readonly body: string
}

export type HttpRoutes = Readonly<Record<string, () => Promise<HttpAnswer>>>

export interface HttpServer {
  /** Resolves when the first attempt to bind has succeeded or failed. */
  readonly started: Promise<void>
  /** The bound address, or null while it isn't bound. */
  readonly address: Address | null
  /** Closes the server and its connections. May be called twice. */
  close(): void
}

/** kube-proxy retries its metrics server at this interval too. */
const retryMs = 5000

export function jsonAnswer(value: unknown, status = 200): HttpAnswer {
  return { status, contentType: 'application/json', body: `${JSON.stringify(value, null, 2)}\n` }
}

/** Serves `routes` on an address. `purpose` names the server in log lines. */
export function startHttpServer(
  at: Address,
  routes: HttpRoutes,
  { purpose, log, clock }: { readonly purpose: string; readonly log: Log; readonly clock: Clock },
): HttpServer {
  const server = http.createServer((request, response) => {
    answer(request, routes)
      .catch((error: unknown) => {
        log.error({ err: error, path: request.url }, `${purpose} request failed`)
        return { status: 500, contentType: 'text/plain', body: `${reasonOf(error)}\n` }
      })
      .then(({ status, contentType, body }) => {
        response.writeHead(status, { 'content-type': contentType, 'x-content-type-options': 'nosniff' })
        response.end(request.method === 'HEAD' ? undefined : body)
      }, ignore)
  })
  server.headersTimeout = 10_000
  let closed = false
  let retry: Timer | null = null
  let failed = false
  const listen = (): void => void server.listen({ host: at.ip, port: at.port, reusePort: at.port !== 0 })

  const started = new Promise<void>(resolve => {
    server.on('listening', () => {
      if (failed) log.info({ address: formatAddress(at.ip, at.port) }, `${purpose} bound at last`)
      failed = false
      resolve()
    })
    server.on('error', error => {
      if (closed) return
      if (!failed) {
        log.error(`cannot bind ${purpose} to ${formatAddress(at.ip, at.port)}, retrying: ${reasonOf(error)}`)
      }
      failed = true
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
      server.close()
      server.closeAllConnections()
    },
  }
}

async function answer(request: http.IncomingMessage, routes: HttpRoutes): Promise<HttpAnswer> {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return { status: 405, contentType: 'text/plain', body: 'only GET and HEAD\n' }
  }
  const path = (request.url ?? '/').split('?', 1)[0] ?? '/'
  const route = Object.hasOwn(routes, path) ? routes[path] : undefined
  if (route !== undefined) return await route()
  const known = Object.keys(routes).join(' ')
  return { status: 404, contentType: 'text/plain', body: `no such path; there are: ${known}\n` }
}

/** The client went away before its answer. */
function ignore(): void {}
