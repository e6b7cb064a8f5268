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

export function conflict(type: ResourceType, name: string, why: string): StatusError {
  return new StatusError(
    409,
    'Conflict',
    `Operation cannot be fulfilled on ${qualifiedName(type)} "${name}": ${why}`,
    { name, ...groupOf(type), kind: type.plural },
  )
}

/** 422 with one cause per field; the message joins them as the real server does. */
export function invalid(type: ResourceType, name: string, causes: readonly StatusCause[]): StatusError {
  const texts = causes.map(cause => `${cause.field}: ${cause.message}`)
  const text = texts.length === 1 ? (texts[0] ?? '') : `[${texts.join(', ')}]`
  const kind = type.group === '' ? type.kind : `${type.kind}.${type.group}`
  return new StatusError(422, 'Invalid', `${kind} "${name}" is invalid: ${text}`, {
    name,
    ...groupOf(type),
    kind: type.kind,
    causes,
  })
}

export function badRequest(message: string): StatusError {
  return new StatusError(400, 'BadRequest', message)
}

export function forbidden(message: string): StatusError {
  return new StatusError(403, 'Forbidden', message)
}

/** 405, for a path that exists. */
export function methodNotAllowed(): StatusError {
  return new StatusError(
    405,
    'MethodNotAllowed',
    'the server does not allow this method on the requested resource',
  )
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
  })
}

function groupOf(type: ResourceType): { readonly group?: string } {
  return type.group === '' ? {} : { group: type.group }
}
