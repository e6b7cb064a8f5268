// Answers of the API server that aren't success, as errors with one line for the operator. Where the server
// answered at all the error is an ApiError: a RelayError that adds what a retry needs to know.

import { RelayError, type ErrorCode } from '../model/error.ts'
import { readStatus, type ApiStatus } from './api-status.ts'
import type { RequestAttributes } from './request-attributes.ts'
import { resourceName } from './resource.ts'

/** Who was asked, as whom, and for what: the parts of an error message that the answer doesn't have. */
export interface RequestContext {
  readonly server: string
  /** How we show who we are, e.g. `token file /var/…/token`. */
  readonly credentials: string
  readonly attributes: RequestAttributes
}

interface ApiErrorFields {
  readonly httpStatus: number
  readonly status: ApiStatus
  readonly retryAfterMs: number | null
}

/** A RelayError that the API server caused by its answer: an HTTP status, or an ERROR event in a watch. */
export class ApiError extends RelayError {
  readonly httpStatus: number
  readonly status: ApiStatus
  readonly retryAfterMs: number | null

  constructor(code: ErrorCode, message: string, fields: ApiErrorFields) {
    super(code, message)
    this.httpStatus = fields.httpStatus
    this.status = fields.status
    this.retryAfterMs = fields.retryAfterMs
  }

  /**
   * The server doesn't have the resourceVersion yet that we know: we talked to one that was ahead of it, or its
   * etcd was restored from a backup. Servers before 1.19 say so in the message only.
   */
  get resourceVersionTooLarge(): boolean {
    return (
      this.status.causes.includes('ResourceVersionTooLarge') ||
      (this.httpStatus === 504 && /too large resource version/i.test(this.status.message))
    )
  }
}

/** The error for an answer with this HTTP status and body, or for a watch's ERROR event (status 0: in the body). */
export function apiErrorOf(
  context: RequestContext,
  httpStatus: number,
  body: unknown,
  retryAfter: number | null,
): ApiError {
  const status = readStatus(body)
  const code = httpStatus || status.code
  const retryAfterMs =
    retryAfter ?? (status.retryAfterSeconds === null ? null : status.retryAfterSeconds * 1000)
  return new ApiError(errorCodeOf(code, status), messageOf(context, code, status), {
    httpStatus: code,
    status,
    retryAfterMs,
  })
}

function errorCodeOf(httpStatus: number, status: ApiStatus): ErrorCode {
  if (httpStatus === 401) return 'UNAUTHORIZED'
  if (httpStatus === 403) return 'FORBIDDEN'
  if (httpStatus === 410 || status.reason === 'Expired' || status.reason === 'Gone') return 'GONE'
  return 'API'
}

function messageOf(context: RequestContext, httpStatus: number, status: ApiStatus): string {
  const { server, credentials, attributes } = context
  const said = status.message === '' ? '' : `: ${status.message}`
  if (httpStatus === 401) {
    return `${server} doesn't accept our credentials (${credentials})${said}; check that they are current and for this cluster`
  }
  if (httpStatus === 403) return forbiddenMessage(context, status)
  const reason = status.reason === '' ? '' : ` ${status.reason}`
  const what = attributes.resource === null ? attributes.path : requestText(attributes)
  if (httpStatus === 400 && /HTTP request to an HTTPS server/i.test(status.message)) {
    return `${server} speaks HTTPS: write https:// in the server's URL`
  }
  if (httpStatus === 404 && attributes.resource !== null && attributes.name === null) {
    return `${server} doesn't serve ${resourceName(groupResource(attributes))} at ${attributes.path} (404${reason})${said}`
  }
  return `${server} answered ${httpStatus}${reason} to ${what}${said}`
}

function forbiddenMessage({ server, credentials, attributes }: RequestContext, status: ApiStatus): string {
  // The authorizer's message starts: User "system:serviceaccount:ns:name" cannot list resource …
  const user = /User "([^"]+)"/.exec(status.message)?.[1]
  const who = user === undefined ? `we (${credentials})` : `user "${user}"`
  const needs = user === undefined ? 'need' : 'needs'
  if (attributes.resource === null) {
    return `${server} refuses: RBAC: ${who} ${needs} "${attributes.verb}" on the path ${attributes.path}; see docs/RBAC.md`
  }
  // An admission plugin or webhook also answers 403, with a reason of its own that no RBAC rule would change.
  const own = user === undefined && status.message !== '' ? ` (${status.message})` : ''
  return `${server} refuses: RBAC: ${who} ${needs} ${requestText(attributes)}; see docs/RBAC.md${own}`
}

function requestText(attributes: RequestAttributes): string {
  const scope = attributes.namespace === null ? 'cluster scope' : `namespace "${attributes.namespace}"`
  return `"${attributes.verb}" on ${resourceName(groupResource(attributes))} (${scope})`
}

function groupResource(attributes: RequestAttributes): { group: string; plural: string } {
  return { group: attributes.group, plural: attributes.resource ?? '' }
}
