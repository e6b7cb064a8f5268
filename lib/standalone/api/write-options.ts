// What a write may ask for beside what it writes: from its query, and for a deletion from its body as well. Rules:
// apimachinery pkg/apis/meta/v1/validation.

import { asFields } from '../../model/fields.ts'
import { conform, type Schema } from '../../model/schema.ts'
import { FieldErrors } from '../kinds/field-errors.ts'
import { badRequest, invalidOptions } from '../kinds/status.ts'
import type { DeleteOptions } from '../store/registry.ts'
import { booleanOf, integerOf } from './query.ts'
import { parseBody, type Body } from './request-body.ts'

/** What becomes of fields that the kind doesn't have and of those that come twice. */
export type FieldValidation = 'Ignore' | 'Warn' | 'Strict'

export interface RequestOptions {
  readonly dryRun: boolean
  readonly fieldValidation: FieldValidation
}

const maxFieldManagerBytes = 128
const unprintable = /[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/u
const policies = ['Foreground', 'Background', 'Orphan']

/** The options of a create, an update or a patch. Throws 400 and 422. */
export function requestOptions(
  query: URLSearchParams,
  kind: 'CreateOptions' | 'UpdateOptions' | 'PatchOptions',
  isApply = false,
): RequestOptions {
  const errors = new FieldErrors()
  const fieldManager = query.get('fieldManager') ?? ''
  if (kind === 'PatchOptions') {
    if (isApply && fieldManager === '') errors.required('fieldManager', 'is required for apply patch')
    if (!isApply && query.has('force')) errors.forbidden('force', 'may not be specified for non-apply patch')
  }
  if (Buffer.byteLength(fieldManager) > maxFieldManagerBytes) {
    errors.tooLong('fieldManager', maxFieldManagerBytes)
  }
  const [odd] = unprintable.exec(fieldManager) ?? []
  if (odd !== undefined) {
    const code = (odd.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')
    const at = fieldManager.indexOf(odd)
    errors.invalid('fieldManager', fieldManager, `invalid character U+${code} (at position ${at})`)
  }
  const dryRun = query.getAll('dryRun')
  checkDryRun(dryRun, errors)
  const fieldValidation = query.get('fieldValidation') || 'Warn'
  if (!isFieldValidation(fieldValidation)) {
    errors.unsupported('fieldValidation', fieldValidation, ['', 'Ignore', 'Strict', 'Warn'])
  }
  if (errors.causes.length > 0) throw invalidOptions(kind, errors.causes)
  return { dryRun: dryRun.length > 0, fieldValidation: fieldValidation as FieldValidation }
}

const deleteOptionsSchema: Schema = {
  type: 'object',
  fields: {
    kind: { type: 'string' },
    apiVersion: { type: 'string' },
    gracePeriodSeconds: { type: 'integer' },
    preconditions: {
      type: 'object',
      fields: { uid: { type: 'string' }, resourceVersion: { type: 'string' } },
    },
    orphanDependents: { type: 'boolean' },
    propagationPolicy: { type: 'string' },
    dryRun: { type: 'list', items: { type: 'string' } },
    ignoreStoreReadErrorWithClusterBreakingPotential: { type: 'boolean' },
  },
}

/** A deletion's options: those of its body, or without one those of its query. Throws 400 and 422. */
export function deleteOptions(query: URLSearchParams, body: Body): DeleteOptions {
  const options = body.text === '' ? optionsOfQuery(query) : optionsOfBody(body)
  const { gracePeriodSeconds, orphanDependents, propagationPolicy, dryRun } = options
  const { uid, resourceVersion } = asFields(options['preconditions'])
  const errors = new FieldErrors()
  if (orphanDependents !== undefined && propagationPolicy !== undefined) {
    const why = 'orphanDependents and deletionPropagation cannot be both set'
    errors.invalid('propagationPolicy', propagationPolicy, why)
  }
  if (propagationPolicy !== undefined && !policies.some(policy => policy === propagationPolicy)) {
    errors.unsupported('propagationPolicy', propagationPolicy, [...policies, 'nil'])
  }
  const dryRuns = (dryRun ?? []) as readonly string[]
  checkDryRun(dryRuns, errors)
  if (errors.causes.length > 0) throw invalidOptions('DeleteOptions', errors.causes)
  return {
    ...(typeof uid === 'string' ? { uid } : {}),
    ...(typeof resourceVersion === 'string' ? { resourceVersion } : {}),
    ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds: Number(gracePeriodSeconds) }),
    dryRun: dryRuns.length > 0,
  }
}

type Options = Readonly<Record<string, unknown>>

function optionsOfQuery(query: URLSearchParams): Options {
  return {
    gracePeriodSeconds: integerOf(query, 'gracePeriodSeconds'),
    orphanDependents: query.has('orphanDependents') ? booleanOf(query, 'orphanDependents') : undefined,
    propagationPolicy: query.get('propagationPolicy') ?? undefined,
    dryRun: query.getAll('dryRun'),
  }
}

function optionsOfBody(body: Body): Options {
  const { value } = parseBody(body, "the DeleteOptions can't be read")
  const { value: options, problems } = conform(deleteOptionsSchema, value ?? {})
  const wrong = problems.find(problem => problem.kind === 'wrong-type')
  if (wrong) throw badRequest(`the DeleteOptions can't be read: ${wrong.message}`)
  const { kind = 'DeleteOptions' } = options as Options
  if (kind !== 'DeleteOptions') {
    throw badRequest(`the body of a deletion is of kind DeleteOptions, not ${JSON.stringify(kind)}`)
  }
  return options as Options
}

function checkDryRun(values: readonly string[], errors: FieldErrors): void {
  if (values.some(value => value !== 'All')) errors.unsupported('dryRun', values, ['All'])
}

function isFieldValidation(text: string): text is FieldValidation {
  return text === 'Ignore' || text === 'Warn' || text === 'Strict'
}
