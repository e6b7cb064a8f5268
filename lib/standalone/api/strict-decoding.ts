// What a write is told about fields that its kind doesn't have, or that it gives twice: an error, warnings or nothing,
// as it asked for (fieldValidation).

import type { KubeObject } from '../../model/objects.ts'
import type { ResourceType } from '../kinds/resources.ts'
import { badRequest } from '../kinds/status.ts'
import { decodeObject } from '../store/decode-object.ts'
import type { ParsedBody } from './request-body.ts'
import type { FieldValidation } from './write-options.ts'

/** More than anyone reads; the real server's decoder stops there as well. */
const maxComplaints = 100

export interface StrictlyDecoded {
  readonly object: KubeObject
  readonly warnings: readonly string[]
}

/** The object of a create or update. Throws a 400. */
export function decodeStrictly(
  type: ResourceType,
  { value, duplicates }: ParsedBody,
  namespace: string,
  fieldValidation: FieldValidation,
): StrictlyDecoded {
  const { object, unknownFields } = decodeObject(type, value, namespace)
  const complaints = complaintsOf(unknownFields, duplicates)
  const { version, kind } = type
  const warnings = warningsFor(fieldValidation, complaints, why =>
    badRequest(`${kind} in version "${version}" cannot be handled as a ${kind}: ${why}`),
  )
  return { object, warnings }
}

export function complaintsOf(
  unknownFields: readonly string[],
  duplicates: readonly string[],
): readonly string[] {
  return [
    ...unknownFields.map(field => `unknown field ${JSON.stringify(field)}`),
    ...duplicates.map(field => `duplicate field ${JSON.stringify(field)}`),
  ].slice(0, maxComplaints)
}

/** The complaints as warnings; with Strict, throws what `errorOf` makes of them. */
export function warningsFor(
  fieldValidation: FieldValidation,
  complaints: readonly string[],
  errorOf: (why: string) => Error,
): readonly string[] {
  if (fieldValidation === 'Ignore' || complaints.length === 0) return []
  if (fieldValidation === 'Strict') throw errorOf(`strict decoding error: ${complaints.join(', ')}`)
  return complaints
}
