// The HTTP client for the API server: JSON requests, and streams for watches. Every failure leaves it as a
// RelayError that names the server and the remedy; a 401 reloads the credentials and tries once more.

import type { Dispatcher } from 'undici'
import { RelayError } from '../model/error.ts'
import { apiErrorOf, type RequestContext } from './api-error.ts'
import type { ClusterAccess } from './cluster-access.ts'
import { requestAttributes } from './request-attributes.ts'
import { retryAfterMs } from './retry-after.ts'
import { Transport, type TransportTimeouts } from './transport.ts'
import { unreachable } from './unreachable.ts'

export type Query = Readonly<Record<string, string | number | boolean | undefined>>

export interface RequestOptions {
  readonly query?: Query
  /** Sent as JSON. */
  readonly body?: unknown
  /** Of the body; `application/json` unless it says otherwise (patches do). */
  readonly contentType?: string
  readonly signal?: AbortSignal
}

/** An answer whose body goes on arriving. Leaving its iteration closes the connection. */
export interface ResponseStream {
  readonly chunks: AsyncIterable<Uint8Array>
  /** What an ERROR event on it is reported with. */
  readonly context: RequestContext
}

export interface KubeClientOptions {
  /** For the user agent: `kube-relay/<version>`. */
  readonly version?: string
  readonly timeouts?: Partial<TransportTimeouts>
}

/**
 * Headers may take a minute: the API server's priority and fairness queues requests for as long as that, and
 * a list of everything is prepared before its first byte.
 */
const defaultTimeouts: TransportTimeouts = { connectMs: 10_000, headersMs: 65_000, bodyMs: 60_000 }

export class KubeClient {
  readonly access: ClusterAccess
  readonly #transport: Transport
  readonly #userAgent: string
  readonly #basePath: string
  readonly #closing = new AbortController()

  constructor(access: ClusterAccess, options: KubeClientOptions = {}) {
    this.access = access
    this.#transport = new Transport(access, { ...defaultTimeouts, ...options.timeouts })
    this.#userAgent = `kube-relay/${options.version ?? 'unknown'}`
    this.#basePath = access.server.pathname.replace(/\/+$/, '')
  }

  /** `request('GET', …)`. */
  get(path: string, options: Pick<RequestOptions, 'query' | 'signal'> = {}): Promise<unknown> {
    return this.request('GET', path, options)
  }

  /**
   * The parsed JSON of the answer; null if it has no body.
   * @throws RelayError: UNAUTHORIZED, FORBIDDEN, GONE and API (as ApiError), UNREACHABLE, ABORTED, INVALID_CONFIG.
   */
  async request(method: string, path: string, options: RequestOptions = {}): Promise<unknown> {
    const { response, context } = await this.#send(method, path, options, {})
    const text = await this.#readText(response, options.signal)
    if (text === '') return null
    try {
      return JSON.parse(text) as unknown
    } catch (error) {
      const message = `${context.server} answered ${path} with something else than JSON: is it a Kubernetes API server?`
      throw new RelayError('API', message, { cause: error })
    }
  }

  /**
   * A GET whose answer is a stream without end, resolved once its headers are there. No timeout applies to the
   * body: whoever reads it watches over its silence.
   * @throws as `request` does; reading the chunks may throw UNREACHABLE and ABORTED.
   */
  async stream(
    path: string,
    options: Pick<RequestOptions, 'query' | 'signal'> = {},
  ): Promise<ResponseStream> {
    const { response, context } = await this.#send('GET', path, options, { bodyTimeout: 0 })
    return { context, chunks: this.#chunksOf(response, options.signal) }
  }

  /** Ends every connection and every request; may be called twice. */
  async close(): Promise<void> {
    this.#closing.abort()
    await this.#transport.close()
  }

  async #send(
    method: string,
    path: string,
    options: RequestOptions,
    timeouts: { readonly bodyTimeout?: number },
  ): Promise<{ response: Dispatcher.ResponseData; context: RequestContext }> {
    const { credentials, server } = this.access
    const context = {
      server: server.href.replace(/\/$/, ''),
      credentials: credentials.describe,
      attributes: requestAttributes(method, path, options.query),
    }
    for (let attempt = 0; ; attempt++) {
      const response = await this.#attempt(method, path, options, timeouts)
      if (response.statusCode >= 200 && response.statusCode < 300) return { response, context }
      const body = parseIfJson(await this.#readText(response, options.signal))
      if (response.statusCode === 401 && attempt === 0) {
        credentials.invalidate()
        continue
      }
      const wait = retryAfterMs(response.headers['retry-after'], Date.now())
      throw apiErrorOf(context, response.statusCode, body, wait)
    }
  }

  async #attempt(
    method: string,
    path: string,
    options: RequestOptions,
    timeouts: { readonly bodyTimeout?: number },
  ): Promise<Dispatcher.ResponseData> {
    const { signal } = options
    this.#throwIfAborted(signal)
    const identity = await this.access.credentials.get(signal)
    const dispatcher = await this.#transport.dispatcherFor(identity.certificate)
    this.#throwIfAborted(signal)
    const hasBody = options.body !== undefined
    try {
      return await dispatcher.request({
        origin: this.access.server.origin,
        method,
        path: this.#basePath + path + queryString(options.query),
        headers: {
          ...identity.headers,
          accept: 'application/json',
          'user-agent': this.#userAgent,
          ...(hasBody && { 'content-type': options.contentType ?? 'application/json' }),
        },
        ...(hasBody && { body: JSON.stringify(options.body) }),
        ...(signal !== undefined && { signal }),
        ...timeouts,
      })
    } catch (error) {
      throw this.#failure(error, signal)
    }
  }

  async #readText(response: Dispatcher.ResponseData, signal: AbortSignal | undefined): Promise<string> {
    try {
      return await response.body.text()
    } catch (error) {
      throw this.#failure(error, signal)
    }
  }

  async *#chunksOf(
    response: Dispatcher.ResponseData,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of response.body) yield chunk as Uint8Array
    } catch (error) {
      throw this.#failure(error, signal)
    } finally {
      // A generator that is left early must not leave the connection with its watch behind.
      response.body.destroy()
    }
  }

  #failure(error: unknown, signal: AbortSignal | undefined): RelayError {
    if (signal?.aborted) return abortedBy(signal)
    if (this.#closing.signal.aborted)
      return new RelayError('ABORTED', 'the API client was closed', { cause: error })
    return unreachable(this.access.server.href.replace(/\/$/, ''), error)
  }

  #throwIfAborted(signal: AbortSignal | undefined): void {
    if (signal?.aborted) throw abortedBy(signal)
    if (this.#closing.signal.aborted) throw new RelayError('ABORTED', 'the API client was closed')
  }
}

/** A caller that aborts with a RelayError gets that very error back; others get ABORTED. */
function abortedBy(signal: AbortSignal): RelayError {
  if (signal.reason instanceof RelayError) return signal.reason
  return new RelayError('ABORTED', 'the request was aborted', { cause: signal.reason })
}

function queryString(query: Query = {}): string {
  const pairs = Object.entries(query).flatMap(([key, value]) =>
    value === undefined ? [] : [[key, String(value)]],
  )
  return pairs.length === 0 ? '' : `?${new URLSearchParams(pairs).toString()}`
}

function parseIfJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return text
  }
}
