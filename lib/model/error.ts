// The one error type of kube-relay. Its message is written for the person who can do something about it: one
// line that names the thing (file, flag, object, address) and the remedy. The original error is the `cause`.

export type ErrorCode =
  | 'INVALID_CONFIG' // a flag, kubeconfig or configuration file that can't be used as it is
  | 'INVALID_MANIFEST' // a YAML manifest that can't be used; carries file and line in the message
  | 'UNAUTHORIZED' // the API server doesn't know us (401)
  | 'FORBIDDEN' // the API server knows us but RBAC doesn't allow it (403)
  | 'GONE' // a resourceVersion or continue token that the server has compacted away (410)
  | 'API' // any other answer of the API server that isn't success
  | 'UNREACHABLE' // no answer: refused, timed out, reset, TLS failure
  | 'BENCH' // a benchmark that can't be run: a missing program, a port in use, too few descriptors
  | 'VIP' // VIPs that can't be made local: a missing privilege, program or setting
  | 'ADDRESS' // an address that can't be bound or parsed
  | 'ABORTED' // the caller's AbortSignal fired

export class RelayError extends Error {
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'RelayError'
    this.code = code
  }
}

/** The short reason of an unknown thrown value: an errno or code where there is one, else its message. */
export function reasonOf(error: unknown): string {
  if (error instanceof RelayError) return error.message
  if (error instanceof Error) {
    const code = (error as { code?: unknown }).code
    if (typeof code === 'string' && !error.message.includes(code)) return `${code}: ${error.message}`
    return error.message
  }
  return String(error)
}
