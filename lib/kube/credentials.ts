// Who we are to the API server. Credentials are asked for before every request, so that a token or certificate
// replaced on disk, or an expired one of an exec plugin, is never held past its time.

import { RelayError } from '../model/error.ts'
import { readConfigFile } from './material.ts'

export interface ClientCertificate {
  /** PEM, leaf first. */
  readonly cert: string
  readonly key: string
}

/** What goes with one request: headers, and the client certificate of the connection it uses. */
export interface Identity {
  readonly headers: Readonly<Record<string, string | string[]>>
  readonly certificate: ClientCertificate | null
}

export interface Credentials {
  /** What they are and where from, for messages; never the secret itself. */
  readonly describe: string
  /**
   * The identity to use now.
   * @throws RelayError (INVALID_CONFIG) if there is none to be had, ABORTED if the signal fired first.
   */
  get(signal?: AbortSignal): Promise<Identity>
  /** The server answered 401: what is cached must not be used again. */
  invalidate(): void
}

export const anonymous: Identity = { headers: {}, certificate: null }

export function anonymousCredentials(describe = 'no credentials'): Credentials {
  return { describe, get: () => Promise.resolve(anonymous), invalidate: () => {} }
}

/** A bearer token that doesn't change. */
export function staticToken(token: string, describe: string): Credentials {
  const identity = bearer(token)
  return { describe, get: () => Promise.resolve(identity), invalidate: () => {} }
}

export function basicAuth(username: string, password: string, describe: string): Credentials {
  const encoded = Buffer.from(`${username}:${password}`).toString('base64')
  const identity: Identity = { headers: { authorization: `Basic ${encoded}` }, certificate: null }
  return { describe, get: () => Promise.resolve(identity), invalidate: () => {} }
}

/**
 * A bearer token in a file that is replaced as it rotates. It's read for every request: lists and watches are few,
 * and a cache would only add a time in which a revoked token is still sent. If the file is away for a moment (a
 * volume being remounted) the last token serves on.
 */
export function tokenFile(path: string, where: string): Credentials {
  let last: Identity | null = null
  return {
    describe: `token file ${path}`,
    async get() {
      try {
        last = bearer(await readToken(path, where))
      } catch (error) {
        if (last === null) throw error
      }
      return last
    },
    invalidate: () => {},
  }
}

/** Credentials with headers added to each identity, for impersonation. */
export function withHeaders(inner: Credentials, headers: Identity['headers']): Credentials {
  return {
    describe: inner.describe,
    async get(signal) {
      const { headers: own, certificate } = await inner.get(signal)
      return { headers: { ...headers, ...own }, certificate }
    },
    invalidate: () => inner.invalidate(),
  }
}

/** Headers of the one and the client certificate of the other: a kubeconfig user may have both. */
export function withCertificate(
  inner: Credentials,
  read: () => Promise<ClientCertificate>,
  describe: string,
): Credentials {
  let last: ClientCertificate | null = null
  return {
    describe,
    async get(signal) {
      const { headers } = await inner.get(signal)
      try {
        last = await read()
      } catch (error) {
        // Certificate and key are two files; between the replacing of the one and of the other they don't match.
        if (last === null) throw error
      }
      return { headers, certificate: last }
    },
    invalidate: () => inner.invalidate(),
  }
}

export function bearer(token: string): Identity {
  return { headers: { authorization: `Bearer ${token}` }, certificate: null }
}

async function readToken(path: string, where: string): Promise<string> {
  const token = (await readConfigFile(path, where)).trim()
  if (token === '') throw new RelayError('INVALID_CONFIG', `${where}: the token file ${path} is empty`)
  // undici would refuse such a header too, but by quoting it.
  if (/[^\x21-\x7e]/.test(token)) {
    throw new RelayError(
      'INVALID_CONFIG',
      `${where}: the token file ${path} holds something else than one token`,
    )
  }
  return token
}
