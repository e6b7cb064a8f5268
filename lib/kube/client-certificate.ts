// The checks of a client certificate that would otherwise show up as an opaque TLS alert, or as a 401 hours later:
// that it can be parsed, is valid today, and belongs to its key.

import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import { RelayError, reasonOf } from '../model/error.ts'
import type { ClientCertificate } from './credentials.ts'

/**
 * Returns the pair as it is, if it can be used now.
 * @param where - names the file and the user, for messages
 * @throws RelayError (INVALID_CONFIG)
 */
export function checkClientCertificate(
  pair: ClientCertificate,
  where: string,
  now: number,
): ClientCertificate {
  const leaf = parseCertificate(pair.cert, `${where}: the client certificate`)
  const renew = 'get a new one (kubeadm clusters: "kubeadm certs renew")'
  if (leaf.validToDate.getTime() <= now) {
    const when = leaf.validToDate.toISOString()
    throw new RelayError('INVALID_CONFIG', `${where}: the client certificate expired at ${when}: ${renew}`)
  }
  if (leaf.validFromDate.getTime() > now) {
    const when = leaf.validFromDate.toISOString()
    const message = `${where}: the client certificate isn't valid before ${when}: check this machine's clock`
    throw new RelayError('INVALID_CONFIG', message)
  }
  if (!leaf.checkPrivateKey(parseKey(pair.key, where))) {
    const message = `${where}: the client key doesn't belong to the client certificate: take both from the same place`
    throw new RelayError('INVALID_CONFIG', message)
  }
  return pair
}

/** @throws RelayError (INVALID_CONFIG) if the PEM's first certificate can't be parsed. */
export function parseCertificate(pem: string, what: string): X509Certificate {
  try {
    return new X509Certificate(pem)
  } catch (error) {
    const message = `${what} can't be parsed as an X.509 certificate: ${reasonOf(error)}`
    throw new RelayError('INVALID_CONFIG', message, { cause: error })
  }
}

function parseKey(pem: string, where: string): KeyObject {
  try {
    return createPrivateKey(pem)
  } catch (error) {
    const reason = /ENCRYPTED/.test(pem) ? 'it is encrypted, store it without a passphrase' : reasonOf(error)
    throw new RelayError('INVALID_CONFIG', `${where}: the client key can't be used: ${reason}`, {
      cause: error,
    })
  }
}
