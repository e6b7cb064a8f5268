// The API's Status object: the body of a refusal and the object of a watch's ERROR event. Read with suspicion:
// proxies in between answer with HTML, and any field may be missing.

export interface ApiStatus {
  readonly message: string
  /** Machine-readable, e.g. `Expired`; empty if there is none. */
  readonly reason: string
  /** The HTTP status; 0 if the object doesn't say. */
  readonly code: number
  /** `details.causes[].reason`. */
  readonly causes: readonly string[]
  /** `details.retryAfterSeconds`. */
  readonly retryAfterSeconds: number | null
}

/** The Status in a parsed body; what isn't one becomes a Status with the text, shortened, as its message. */
export function readStatus(body: unknown): ApiStatus {
  if (typeof body !== 'object' || body === null) {
    const text = typeof body === 'string' ? body.replaceAll(/\s+/g, ' ').trim() : ''
    return { message: shorten(text), reason: '', code: 0, causes: [], retryAfterSeconds: null }
  }
  const { message, reason, code, details } = body as Readonly<Record<string, unknown>>
  const { causes, retryAfterSeconds } = (details ?? {}) as Readonly<Record<string, unknown>>
  return {
    message: typeof message === 'string' ? shorten(message.replaceAll(/\s+/g, ' ')) : '',
    reason: typeof reason === 'string' ? reason : '',
    code: typeof code === 'number' ? code : 0,
    causes: Array.isArray(causes) ? causes.map(causeReason).filter(cause => cause !== '') : [],
    retryAfterSeconds:
      typeof retryAfterSeconds === 'number' && retryAfterSeconds > 0 ? retryAfterSeconds : null,
  }
}

function causeReason(cause: unknown): string {
  const reason = (cause as { reason?: unknown } | null)?.reason
  return typeof reason === 'string' ? reason : ''
}

function shorten(text: string): string {
  return text.length > 300 ? `${text.slice(0, 300)}…` : text
}
