// An API server whose every answer is given by the test: it takes requests one by one, looks at them, and answers.
// Nothing is timed: a test waits for the request that it expects.

import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http'
import { createServer as createSecureServer, type ServerOptions } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Test } from 'tap'

export class Exchange {
  readonly request: IncomingMessage
  readonly body: string
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  /** The connection has ended, by whomever. */
  readonly closed: Promise<void>
  readonly #response: ServerResponse

  constructor(request: IncomingMessage, response: ServerResponse, body: string) {
    const url = new URL(request.url ?? '/', 'http://server')
    this.request = request
    this.body = body
    this.path = url.pathname
    this.query = Object.fromEntries(url.searchParams)
    this.#response = response
    this.closed = new Promise(resolve => response.once('close', () => resolve()))
  }

  get header(): IncomingMessage['headers'] {
    return this.request.headers
  }

  /** The common name of the client certificate that came with the connection. */
  get clientName(): string | undefined {
    const { CN } = (this.request.socket as TLSSocket).getPeerCertificate().subject ?? {}
    return Array.isArray(CN) ? CN[0] : CN
  }

  json(body: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): void {
    this.text(JSON.stringify(body), status, { 'content-type': 'application/json', ...headers })
  }

  text(body: string, status = 200, headers: Readonly<Record<string, string>> = {}): void {
    this.#response.writeHead(status, headers).end(body)
  }

  /** A refusal as the API server words it. */
  refuse(
    code: number,
    reason: string,
    message = reason,
    headers: Readonly<Record<string, string>> = {},
  ): void {
    this.json(statusObject(code, reason, message), code, headers)
  }

  /** Begins a stream: headers now, events as the test sends them. */
  open(): this {
    this.#response.writeHead(200, { 'content-type': 'application/json' })
    this.#response.flushHeaders()
    return this
  }

  send(...events: unknown[]): this {
    for (const event of events) this.#response.write(`${JSON.stringify(event)}\n`)
    return this
  }

  raw(bytes: string | Uint8Array): this {
    this.#response.write(bytes)
    return this
  }

  end(): void {
    this.#response.end()
  }

  /** Breaks the connection off. */
  destroy(): void {
    this.request.socket.destroy()
  }
}

export class FakeApiServer {
  readonly url: URL
  readonly #server: Server
  readonly #arrived: Exchange[] = []
  readonly #awaited: ((exchange: Exchange) => void)[] = []

  constructor(server: Server, scheme: string) {
    this.#server = server
    this.url = new URL(`${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`)
  }

  /** The next request that nobody has taken yet. */
  next(): Promise<Exchange> {
    const exchange = this.#arrived.shift()
    if (exchange !== undefined) return Promise.resolve(exchange)
    return new Promise(resolve => this.#awaited.push(resolve))
  }

  /** Requests that have arrived without being expected. */
  get untaken(): readonly string[] {
    return this.#arrived.map(({ request }) => `${request.method} ${request.url}`)
  }

  arrive(exchange: Exchange): void {
    const awaited = this.#awaited.shift()
    if (awaited === undefined) this.#arrived.push(exchange)
    else awaited(exchange)
  }

  /** Ends all connections and refuses new ones. */
  async stop(): Promise<void> {
    if (!this.#server.listening) return
    const closed = new Promise(resolve => this.#server.close(resolve))
    this.#server.closeAllConnections()
    await closed
  }
}

/** A fake server on a port of its own, until the test ends. With `tls` it speaks HTTPS. */
export async function fakeApiServer(
  t: Test,
  options: { readonly tls?: ServerOptions; readonly port?: number } = {},
): Promise<FakeApiServer> {
  const listener: RequestListener = (request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => fake.arrive(new Exchange(request, response, Buffer.concat(chunks).toString())))
  }
  const server = options.tls ? createSecureServer(options.tls, listener) : createServer(listener)
  // Handshakes that fail are what some tests are about.
  server.on('tlsClientError', () => {})
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port ?? 0, '127.0.0.1', resolve)
  })
  const fake = new FakeApiServer(server, options.tls ? 'https' : 'http')
  t.teardown(() => fake.stop())
  return fake
}

export function statusObject(code: number, reason: string, message = reason, causes: string[] = []): unknown {
  return {
    kind: 'Status',
    apiVersion: 'v1',
    status: 'Failure',
    code,
    reason,
    message,
    ...(causes.length > 0 && { details: { causes: causes.map(reason => ({ reason })) } }),
  }
}
