// No answer from the API server, as one line with the errno, the URL and, where the cause is a known mistake, the
// remedy. undici, Node's net and OpenSSL each name failures in their own way; this is where they meet.

import { RelayError, reasonOf } from '../model/error.ts'

const remedies: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate isn't signed by the configured certificate-authority",
  SELF_SIGNED_CERT_IN_CHAIN: "its certificate isn't signed by the configured certificate-authority",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "its certificate isn't signed by the configured certificate-authority",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "its certificate isn't signed by the configured certificate-authority",
  CERT_SIGNATURE_FAILURE: "its certificate isn't signed by the configured certificate-authority",
  CERT_HAS_EXPIRED: "the server's certificate (or the CA) has expired, or this machine's clock is wrong",
  CERT_NOT_YET_VALID: "the server's certificate isn't valid yet: check this machine's clock",
  ERR_TLS_CERT_ALTNAME_INVALID:
    "its certificate is for another name; set tls-server-name to one that it's for",
  ERR_SSL_WRONG_VERSION_NUMBER: "it doesn't speak TLS: is it http:// rather than https://?",
  ERR_SSL_PACKET_LENGTH_TOO_LONG: "it doesn't speak TLS: is it http:// rather than https://?",
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: 'it wants a client certificate',
  ENOTFOUND: "its name doesn't resolve",
}

/** The error for a request that got no answer, or whose answer broke off. */
export function unreachable(server: string, error: unknown): RelayError {
  if (error instanceof RelayError) return error
  const cause = rootOf(error)
  const code = codeOf(cause)
  const remedy = remedies[code] ?? (code === 'EPROTO' ? remedies['ERR_SSL_WRONG_VERSION_NUMBER'] : undefined)
  const reason = oneLine(reasonOf(cause)) || code || 'no answer'
  const tail = remedy === undefined ? '' : `; ${remedy}`
  return new RelayError('UNREACHABLE', `can't reach the API server ${server}: ${reason}${tail}`, {
    cause: error,
  })
}

/** Connecting to a name tries all its addresses and fails with an AggregateError that has no message. */
function rootOf(error: unknown): unknown {
  if (error instanceof AggregateError && error.errors.length > 0) return rootOf(error.errors[0])
  return error
}

function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' ? code : ''
}

/** OpenSSL's messages carry its thread, file and line, over several lines. */
function oneLine(text: string): string {
  const openssl = /error:[0-9A-F]+:[^:]*:[^:]*:([^:]+):/.exec(text)
  return (openssl?.[1] ?? text).replaceAll(/\s+/g, ' ').trim()
}
