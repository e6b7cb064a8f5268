// Connections to the API server, by undici. A connection is made for one set of certificates; when these rotate,
// new requests go to new connections, and the old ones end with the requests that are on them.

import { isIP } from 'node:net'
import { checkServerIdentity, getCACertificates } from 'node:tls'
import { Agent, ProxyAgent, type buildConnector, type Dispatcher } from 'undici'
import type { ClusterAccess } from './cluster-access.ts'
import type { ClientCertificate } from './credentials.ts'
import { readMaterial } from './material.ts'

export interface TransportTimeouts {
  readonly connectMs: number
  readonly headersMs: number
  /** Without a byte of the body, for answers that aren't streams. */
  readonly bodyMs: number
}

interface Connections {
  readonly ca: string | null
  readonly certificate: ClientCertificate | null
  readonly dispatcher: Dispatcher
}

/**
 * After this time without traffic the kernel probes the peer; libuv sets the interval to 1 s and the count to 10.
 * So a watch whose peer is gone without a FIN ends with ETIMEDOUT after about 40 s instead of lasting for ever.
 */
const keepAliveInitialDelayMs = 30_000

export class Transport {
  readonly #access: ClusterAccess
  readonly #timeouts: TransportTimeouts
  #current: Connections | null = null
  readonly #retired = new Set<Dispatcher>()
  #closed = false

  constructor(access: ClusterAccess, timeouts: TransportTimeouts) {
    this.#access = access
    this.#timeouts = timeouts
  }

  /** The dispatcher for requests with this client certificate and the CA as it is now. */
  async dispatcherFor(certificate: ClientCertificate | null): Promise<Dispatcher> {
    const ca = await this.#readCa()
    const current = this.#current
    if (current !== null && current.ca === ca && sameCertificate(current.certificate, certificate)) {
      return current.dispatcher
    }
    const dispatcher = this.#connect(ca, certificate)
    if (this.#closed) await dispatcher.destroy()
    this.#current = { ca, certificate, dispatcher }
    if (current !== null) this.#retire(current.dispatcher)
    return dispatcher
  }

  /** Ends all connections at once, with what is on them. */
  async close(): Promise<void> {
    this.#closed = true
    const all = [...this.#retired, ...(this.#current === null ? [] : [this.#current.dispatcher])]
    await Promise.all(all.map(dispatcher => dispatcher.destroy()))
  }

  async #readCa(): Promise<string | null> {
    const { ca } = this.#access.tls
    if (ca === null) return null
    try {
      return await readMaterial(ca)
    } catch (error) {
      // It was there at the start; a file that is away for a moment is no reason to stop.
      if (this.#current === null) throw error
      return this.#current.ca
    }
  }

  #retire(dispatcher: Dispatcher): void {
    this.#retired.add(dispatcher)
    dispatcher.close().then(
      () => this.#retired.delete(dispatcher),
      () => this.#retired.delete(dispatcher),
    )
  }

  #connect(ca: string | null, certificate: ClientCertificate | null): Dispatcher {
    const { server, tls, proxyUrl } = this.#access
    const secure = server.protocol === 'https:'
    const connect: buildConnector.BuildOptions = {
      timeout: this.#timeouts.connectMs,
      keepAlive: true,
      keepAliveInitialDelay: keepAliveInitialDelayMs,
      // One connection per watch: with HTTP/2 a half-dead connection, or one lost packet, would stop them all.
      allowH2: false,
      ...(secure && {
        ca: ca ?? systemCa(),
        rejectUnauthorized: !tls.insecureSkipVerify,
        ...(certificate !== null && { cert: certificate.cert, key: certificate.key }),
        ...(tls.serverName !== null && serverIdentity(tls.serverName)),
      }),
    }
    const common = {
      allowH2: false,
      headersTimeout: this.#timeouts.headersMs,
      bodyTimeout: this.#timeouts.bodyMs,
      connectTimeout: this.#timeouts.connectMs,
      // A request that can wait for another's answer would wait behind a watch.
      pipelining: 1,
    }
    if (proxyUrl === null) return new Agent({ ...common, connect })
    return new ProxyAgent({ ...common, uri: proxyUrl.href, requestTls: connect })
  }
}

/** SNI has no addresses (RFC 6066), and Node refuses one there; as a name to verify an address is fine. */
function serverIdentity(name: string): buildConnector.BuildOptions {
  if (!isIP(name)) return { servername: name }
  return { checkServerIdentity: (_, certificate) => checkServerIdentity(name, certificate) }
}

/** Without a configured CA: what the system trusts, as client-go does, besides Node's own list. */
function systemCa(): string[] {
  return [...new Set([...getCACertificates('default'), ...getCACertificates('system')])]
}

function sameCertificate(one: ClientCertificate | null, other: ClientCertificate | null): boolean {
  return one?.cert === other?.cert && one?.key === other?.key
}
