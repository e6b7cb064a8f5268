// The Status objects with which an API server answers every error, and the one error that carries them from
// wherever a request fails to the HTTP layer. Codes, reasons and messages are the real API server's (apimachinery
// pkg/api/errors), because clients decide by reason and people search for the messages.

import { RelayError } from '../../model/error.ts'
import { qualifiedName, type ResourceType } from './resources.ts'

export interface StatusCause {
  readonly reason: string
  readonly message: string
  readonly field: string
}

export interface StatusDetails {
  readonly name?: string
  readonly group?: string
  readonly kind?: string
  readonly uid?: string
  readonly causes?: readonly StatusCause[]
  /** When the client may try again: the answer has a Retry-After header as well. */
  readonly retryAfterSeconds?: number
}

export interface Status {
  readonly kind: 'Status'
  readonly apiVersion: 'v1'
  readonly metadata: Readonly<Record<string, never>>
  readonly status: 'Success' | 'Failure'
  readonly message?: string
  readonly reason?: string
  readonly details?: StatusDetails
  readonly code?: number
}

/** A request that failed, with the Status to answer. Its RelayError code is GONE for 410 and API for all others. */
export class StatusError extends RelayError {
  readonly status: Status

  constructor(code: number, reason: string, message: string, details?: StatusDetails) {
    super(code === 410 ? 'GONE' : 'API', message)
    this.status = {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message,
      reason,
      ...(details ? { details } : {}),
      code,
    }
  }
}

export function notFound(type: ResourceType, name: string): StatusError {
  return new StatusError(404, 'NotFound', `${qualifiedName(type)} "${name}" not found`, {
    name,
    ...groupOf(type),
    kind: type.plural,
  })
}

export function alreadyExists(type: ResourceType, name: string): StatusError {
  return new StatusError(409, 'AlreadyExists', `${qualifiedName(type)} "${name}" already exists`, {
    name,
    ...groupOf(type),
    kind: type.plural,
  })
}

/** 409 for a write that was meant for another version of the object than the present one. */
export function modified(type: ResourceType, name: string): StatusError {
  return conflict(
    type,
    name,
    'the object has been modified; please apply your changes to the latest version and try again',
  )
}

export function conflict(type: ResourceType, name: string, why: string): StatusError {
  return new StatusError(
    409,
    'Conflict',
    `Operation cannot be fulfilled on ${qualifiedName(type)} "${name}": ${why}`,
    { name, ...groupOf(type), kind: type.plural },
  )
}

/** 409 for a deletion that was meant for another object, or another version of it, than the present one. */
export function preconditionFailed(type: ResourceType, name: string, why: string): StatusError {
  const { kind } = type
  return new StatusError(
    409,
    'Conflict',
    `Operation cannot be fulfilled on ${kindOf(type)} "${name}": ${why}`,
    {
      name,
      ...groupOf(type),
      kind,
    },
  )
}

/** 422 with one cause per field; the message joins them as the real server does. */
export function invalid(type: ResourceType, name: string, causes: readonly StatusCause[]): StatusError {
  return new StatusError(422, 'Invalid', `${kindOf(type)} "${name}" is invalid: ${textOf(causes)}`, {
    ...(name === '' ? {} : { name }),
    ...groupOf(type),
    kind: type.kind,
    causes,
  })
}

/** 422 for a request's options ("ListOptions", "DeleteOptions"), one cause per field. */
export function invalidOptions(kind: string, causes: readonly StatusCause[]): StatusError {
  return new StatusError(422, 'Invalid', `${kind}.meta.k8s.io "" is invalid: ${textOf(causes)}`, {
    group: 'meta.k8s.io',
    kind,
    causes,
  })
}

/** 422 for a patch whose result is no object of its kind; `patch` is cut. */
export function invalidPatch(patch: string, why: string): StatusError {
  const shown = patch.length <= 1000 ? patch : `${patch.slice(0, 1000)}…`
  const message = `Invalid value: ${JSON.stringify(shown)}: ${why}`
  const causes = [{ reason: 'FieldValueInvalid', message, field: 'patch' }]
  return new StatusError(422, 'Invalid', ` "" is invalid: patch: ${message}`, { causes })
}

/** 422 for a patch that can't be applied to the object as it is. */
export function inapplicablePatch(why: string): StatusError {
  const message = `the server rejected our request due to an error in our request: ${why}`
  return new StatusError(422, 'Invalid', message, {})
}

export function badRequest(message: string): StatusError {
  return new StatusError(400, 'BadRequest', message)
}

export function forbidden(message: string): StatusError {
  return new StatusError(403, 'Forbidden', message)
}

/** 403 for one object. */
export function forbiddenObject(
  type: ResourceType,
  name: string,
  why: string,
  causes?: readonly StatusCause[],
): StatusError {
  return new StatusError(403, 'Forbidden', `${qualifiedName(type)} "${name}" is forbidden: ${why}`, {
    name,
    ...groupOf(type),
    kind: type.plural,
    ...(causes ? { causes } : {}),
  })
}

/** 405, for a path that exists. */
export function methodNotAllowed(
  message = 'the server does not allow this method on the requested resource',
): StatusError {
  return new StatusError(405, 'MethodNotAllowed', message, {})
}

/** 404, for a path of which nothing is known. */
export function resourceNotFound(): StatusError {
  return new StatusError(404, 'NotFound', 'the server could not find the requested resource', {})
}

/** 413, for more than this server reads or makes. */
export function tooLarge(message: string): StatusError {
  return new StatusError(413, 'RequestEntityTooLarge', message)
}

/** 415: a body in a form that this request doesn't take. */
export function unsupportedMediaType(accepted: readonly string[]): StatusError {
  const list = accepted.join(', ')
  const message = `the body of the request was in an unknown format - accepted media types include: ${list}`
  return new StatusError(415, 'UnsupportedMediaType', message)
}

/** 410: a watch or an exact list from before what the history still holds. */
export function tooOldResourceVersion(requested: number, oldest: number): StatusError {
  return new StatusError(410, 'Expired', `too old resource version: ${requested} (${oldest})`)
}

/** 410: a continue token whose snapshot can't be rebuilt any more. The client starts its list over. */
export function expiredContinue(): StatusError {
  return new StatusError(
    410,
    'Expired',
    'The provided continue parameter is too old to display a consistent list result. You must start a new list without the continue parameter.',
  )
}

/** 504: a resourceVersion that this server hasn't reached. */
export function tooLargeResourceVersion(requested: number, current: number): StatusError {
  const message = `Too large resource version: ${requested}, current: ${current}`
  return new StatusError(504, 'Timeout', `Timeout: ${message}`, {
    causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version', field: '' }],
    retryAfterSeconds: 1,
  })
}

/** "Service", "EndpointSlice.discovery.k8s.io". */
function kindOf(type: ResourceType): string {
  return type.group === '' ? type.kind : `${type.kind}.${type.group}`
}

/** What several causes have in common is said once. */
function textOf(causes: readonly StatusCause[]): string {
  const texts = [...new Set(causes.map(cause => `${cause.field}: ${cause.message}`))]
  return texts.length === 1 ? (texts[0] ?? '') : `[${texts.join(', ')}]`
}

/** 500: what the request asks for is right, and can't be done. Its one cause is a message and nothing else. */
export function internalError(why: string): StatusError {
  const causes = [{ message: why } as StatusCause]
  return new StatusError(500, 'InternalError', `Internal error occurred: ${why}`, { causes })
}

function groupOf(type: ResourceType): { readonly group?: string } {
  return type.group === '' ? {} : { group: type.group }
}
