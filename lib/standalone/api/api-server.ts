// The embedded API server's HTTP side: one request, one route, one answer, and every error a Status object. It reads
// from the store and writes through the registry. It has no authentication: it must listen on loopback only.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { formatAddress } from '../../model/address.ts'
import { reasonOf, RelayError } from '../../model/error.ts'
import { systemClock, type Clock } from '../../ops/clock.ts'
import type { Log } from '../../ops/log.ts'
import type { KubeObject } from '../../model/objects.ts'
import { badRequest, methodNotAllowed, resourceNotFound, StatusError } from '../kinds/status.ts'
import type { Registry } from '../store/registry.ts'
import { bodyOf, metadataOnly, send, type Answer, type Sending } from './answers.ts'
import { sendDocument } from './documents.ts'
import { answerList } from './list-request.ts'
import { negotiate, notAcceptable, type Negotiated } from './negotiation.ts'
import { answerCollection, answerObject } from './object-requests.ts'
import { booleanOf } from './query.ts'
import { refuseBrowsers } from './request-body.ts'
import { indexPaths, routeOf, type CollectionRoute, type Route } from './routes.ts'
import { includeObjectOf, tableOfObject } from './table.ts'
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

const watchDefaults: WatchLimits = {
  bookmarkIntervalMs: 60_000,
  defaultTimeoutMs: 30 * 60_000,
  maxPendingEvents: 10_000,
  streamingLists: true,
}

/** A client that takes longer than this to say what it wants gets a 408 and no more of our time. */
const headersTimeoutMs = 15_000
const bodyTimeoutMs = 60_000

/** Starts the server. Throws ADDRESS when it can't listen. */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { registry, log, host, clock = systemClock } = options
  const limits: WatchLimits = { ...watchDefaults, ...options }
  const watches = new Set<WatchStream>()

  const watch = (
    route: CollectionRoute,
    query: URLSearchParams,
    negotiated: Negotiated,
    response: ServerResponse,
  ): void => {
    if (negotiated.format === 'yaml') {
      throw notAcceptable('only the following media types are accepted: application/json')
    }
    const { type, namespace } = route
    const name = route.watch?.name
    // The selector of one name goes before the client's own, which can only narrow it.
    const fields = [name === undefined ? '' : `metadata.name=${name}`, query.get('fieldSelector') ?? '']
    query.set('fieldSelector', fields.filter(text => text !== '').join(','))
    const request = parseWatchRequest(type, namespace, query, limits)
    const render = rendererOf(route, query, negotiated)
    const stream = new WatchStream({ request, response, store: registry.store, limits, clock, render })
    watches.add(stream)
    stream.start(() => watches.delete(stream))
  }

  /** The answer, or "sent" for watches and documents, which answer for themselves. */
  const answer = async (
    route: Route,
    query: URLSearchParams,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<Answer | 'sent'> => {
    const { method = 'GET' } = request
    if (route.kind === 'unknown') return unknownAnswer(route.what)
    if (route.kind === 'collection') {
      const negotiated = negotiate(request.headers.accept)
      if (method !== 'GET') {
        if (route.watch) throw methodNotAllowed()
        return answerCollection(registry, route, request, query)
      }
      if (!route.watch && !booleanOf(query, 'watch')) {
        return answerList(registry.store, route.type, route.namespace, query)
      }
      watch(route, query, negotiated, response)
      return 'sent'
    }
    if (route.kind === 'object') {
      negotiate(request.headers.accept)
      return answerObject(registry, route, request, query)
    }
    if (method !== 'GET' && method !== 'HEAD') throw methodNotAllowed()
    if (route.kind === 'health') return { kind: 'document', code: 200, body: 'ok' }
    if (route.kind === 'index') return { kind: 'document', code: 200, body: { paths: indexPaths() } }
    await sendDocument(route, request, response)
    return 'sent'
  }

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    let form = negotiatedOrPlain(request)
    try {
      refuseBrowsers(request)
      const { pathname, searchParams: query } = parseUrl(request.url ?? '/')
      form = { ...form, pretty: isPretty(request, query, form) }
      const result = await answer(routeOf(pathname), query, request, response)
      if (result !== 'sent') await send(request, response, sendingOf(result, form, query), form)
    } catch (error) {
      // A client that has gone away in the middle of its request gets no answer, and is nobody's failure.
      if (request.socket.destroyed) return
      if (!(error instanceof StatusError)) log.error({ err: error, path: request.url }, 'API request failed')
      const { status } = error instanceof StatusError ? error : internalError(error)
      const { retryAfterSeconds } = status.details ?? {}
      const headers = {
        ...(retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) }),
        // The rest of a body that is too large isn't read, so the connection can't be used again.
        ...(request.complete ? {} : { connection: 'close' }),
      }
      await send(request, response, { code: status.code ?? 500, body: status, headers }, form)
    }
  }

  const server = createServer(
    { headersTimeout: headersTimeoutMs, requestTimeout: bodyTimeoutMs },
    (request, response) => {
      serve(request, response).catch((error: unknown) => {
        // Not even the error could be sent.
        log.error({ err: error, path: request.url }, 'API request failed')
        response.destroy()
      })
    },
  )
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

async function listen(server: Server, host: string, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', error => {
      const message = `the control plane can't listen on ${formatAddress(host, port)} (${reasonOf(error)}); choose another port`
      reject(new RelayError('ADDRESS', message, { cause: error }))
    })
    server.listen({ host, port }, resolve)
  })
  return (server.address() as AddressInfo).port
}

function parseUrl(target: string): URL {
  const url = target.startsWith('/') ? URL.parse(`http://localhost${target}`) : null
  if (!url) throw badRequest(`"${target}" is no path`)
  return url
}

/** The form of an answer, also of an error about that very form. */
function negotiatedOrPlain(request: IncomingMessage): Negotiated {
  try {
    return negotiate(request.headers.accept)
  } catch {
    return negotiate(undefined)
  }
}

/** For people's eyes: when they ask for it, or use a tool of people's, as with the real server. */
function isPretty(request: IncomingMessage, query: URLSearchParams, { pretty }: Negotiated): boolean {
  if (query.has('pretty')) return booleanOf(query, 'pretty')
  return pretty || /^(curl|Wget|Mozilla\/5\.0)/.test(request.headers['user-agent'] ?? '')
}

function sendingOf(answer: Answer, negotiated: Negotiated, query: URLSearchParams): Sending {
  if (answer.kind === 'document') return answer
  const body = bodyOf(answer, negotiated, query, Date.now())
  return answer.kind === 'list' ? { code: 200, body } : { ...answer, body }
}

/** What a watch's events carry; of Tables only the first has columns. */
function rendererOf(
  { type }: CollectionRoute,
  query: URLSearchParams,
  { as, version }: Negotiated,
): (object: KubeObject) => object {
  if (as === 'Table') {
    const includeObject = includeObjectOf(query)
    let headers = true
    return object => {
      const table = tableOfObject(type, object, { version, includeObject, headers, now: Date.now() })
      headers = false
      return table
    }
  }
  return as === 'Object' ? object => object : object => metadataOnly(object, version)
}

/** Where nothing is, as the real server says it: by how much of the path it knows. */
function unknownAnswer(what: Extract<Route, { readonly kind: 'unknown' }>['what']): Answer {
  if (what === 'resource') throw resourceNotFound()
  if (what === 'containers') {
    const why =
      'logs, exec, cp, attach and port-forward need a kubelet, which the embedded control plane has not'
    throw new StatusError(404, 'NotFound', `the server could not find the requested resource: ${why}`)
  }
  const body = what === 'group' ? '404 page not found\n' : { paths: indexPaths() }
  return { kind: 'document', code: 404, body }
}

function internalError(error: unknown): StatusError {
  return new StatusError(500, 'InternalError', `Internal error occurred: ${reasonOf(error)}`)
}
