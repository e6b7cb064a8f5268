// The embedded API server's HTTP side: one request, one route, one answer, and every error a Status object. It reads
// from the store and writes through the registry. It has no authentication: it must listen on loopback only.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { formatAddress } from '../../model/address.ts'
import { reasonOf, RelayError } from '../../model/error.ts'
import { systemClock, type Clock } from '../../ops/clock.ts'
import type { Log } from '../../ops/log.ts'
import { coreVersions, groupDocument, groupList, resourceList, versionInfo } from './discovery.ts'
import { answerList, booleanOf } from './list-request.ts'
import { answerCollection, answerObject } from './object-requests.ts'
import type { Registry } from '../store/registry.ts'
import { refuseBrowsers } from './request-body.ts'
import { routeOf, type Route } from './routes.ts'
import { badRequest, methodNotAllowed, StatusError } from '../kinds/status.ts'
import { parseWatchRequest, WatchStream, type WatchLimits } from './watch-stream.ts'

export interface ApiServerOptions extends Partial<WatchLimits> {
  readonly host: string
  /** 0 for a free one. */
  readonly port: number
  readonly registry: Registry
  readonly log: Log
  readonly clock?: Clock
}

export interface ApiServer {
  /** "http://127.0.0.1:PORT", without a slash at the end. */
  readonly url: string
  readonly port: number
  /** Ends all watches, as a restart of the server or (with "expired") a compaction would. */
  dropWatches(how: 'end' | 'reset' | 'expired'): void
  /** Ends all watches and stops listening. May be called twice. */
  close(): Promise<void>
}

/** What a request is answered with; a watch answers for itself. */
type Answer = { readonly code: number; readonly body: object | string } | 'watch'

const watchDefaults: WatchLimits = {
  bookmarkIntervalMs: 60_000,
  defaultTimeoutMs: 30 * 60_000,
  maxPendingEvents: 10_000,
  streamingLists: true,
}

/** Starts the server. Throws ADDRESS when it can't listen. */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { registry, log, host, clock = systemClock } = options
  const limits: WatchLimits = { ...watchDefaults, ...options }
  const watches = new Set<WatchStream>()

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<Answer> => {
    refuseBrowsers(request)
    const url = parseUrl(request.url ?? '/')
    const route = routeOf(url.pathname)
    const method = request.method ?? 'GET'
    if (route.kind === 'unknown') throw resourceNotFound()
    if (route.kind === 'collection') {
      if (method !== 'GET') return answerCollection(registry, route, request)
      const { type, namespace } = route
      if (!booleanOf(url.searchParams, 'watch')) {
        return { code: 200, body: answerList(registry.store, type, namespace, url.searchParams) }
      }
      const watch = parseWatchRequest(type, namespace, url.searchParams, limits)
      const stream = new WatchStream({ request: watch, response, store: registry.store, limits, clock })
      watches.add(stream)
      stream.start(() => watches.delete(stream))
      return 'watch'
    }
    if (route.kind === 'object') return answerObject(registry, route, request)
    if (method !== 'GET' && method !== 'HEAD') throw methodNotAllowed()
    return { code: 200, body: document(route, request.headers.host ?? '') }
  }

  const server = createServer((request, response) => {
    answer(request, response).then(
      result => {
        if (result !== 'watch') send(response, result.code, result.body)
      },
      (error: unknown) => {
        if (!(error instanceof StatusError))
          log.error({ err: error, path: request.url }, 'API request failed')
        const failure = error instanceof StatusError ? error : internalError(error)
        // The rest of a body that is too large isn't read, so the connection can't be used again.
        if (!request.complete) response.setHeader('connection', 'close')
        send(response, failure.status.code ?? 500, failure.status)
      },
    )
  })
  const port = await listen(server, host, options.port)

  let closing: Promise<void> | undefined
  return {
    url: `http://${formatAddress(host, port)}`,
    port,
    dropWatches(how) {
      for (const watch of watches) watch.end(how)
    },
    close() {
      closing ??= new Promise(resolve => {
        for (const watch of watches) watch.end('end')
        // What is still open after this had a request under way or a reader that is too slow to wait for.
        const timer = setTimeout(() => server.closeAllConnections(), 250)
        server.close(() => {
          clearTimeout(timer)
          resolve()
        })
      })
      return closing
    },
  }
}

async function listen(server: ReturnType<typeof createServer>, host: string, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', error => {
      const message = `the control plane can't listen on ${formatAddress(host, port)} (${reasonOf(error)}); choose another port`
      reject(new RelayError('ADDRESS', message, { cause: error }))
    })
    server.listen({ host, port }, resolve)
  })
  return (server.address() as AddressInfo).port
}

function document(
  route: Exclude<Route, { readonly kind: 'unknown' | 'collection' | 'object' }>,
  host: string,
): object | string {
  switch (route.kind) {
    case 'health':
      return 'ok'
    case 'version':
      return versionInfo
    case 'core-versions':
      return coreVersions(host)
    case 'groups':
      return groupList()
    case 'group':
      return groupDocument(route.group)
    default:
      return resourceList(route.group, route.version)
  }
}

function parseUrl(target: string): URL {
  const url = target.startsWith('/') ? URL.parse(`http://localhost${target}`) : null
  if (!url) throw badRequest(`"${target}" is no path`)
  return url
}

function send(response: ServerResponse, code: number, body: object | string): void {
  if (response.headersSent || response.destroyed) {
    response.destroy()
    return
  }
  const text = typeof body === 'string' ? body : `${JSON.stringify(body)}\n`
  response.writeHead(code, {
    'content-type': typeof body === 'string' ? 'text/plain; charset=utf-8' : 'application/json',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-cache, private',
  })
  response.end(text)
}

function resourceNotFound(): StatusError {
  return new StatusError(404, 'NotFound', 'the server could not find the requested resource')
}

function internalError(error: unknown): StatusError {
  return new StatusError(500, 'InternalError', `Internal error occurred: ${reasonOf(error)}`)
}
