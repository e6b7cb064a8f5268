// PATCH in its four forms. Whatever the form, the patched object goes the way of an update: decoded, checked and
// written under the resourceVersion that it was made from, or that the patch itself asks for.

import type { IncomingMessage } from 'node:http'
import { objectKey, type KubeObject } from '../../model/objects.ts'
import { apiVersionOf, type ResourceType } from '../kinds/resources.ts'
import { schemaOf } from '../kinds/schemas.ts'
import {
  badRequest,
  conflict,
  invalid,
  invalidPatch,
  notFound,
  StatusError,
  unsupportedMediaType,
} from '../kinds/status.ts'
import { FieldErrors } from '../kinds/field-errors.ts'
import { applyPatch } from '../patch/apply-patch.ts'
import { jsonPatch } from '../patch/json-patch.ts'
import { mergePatch } from '../patch/merge-patch.ts'
import { isMapping, type Mapping } from '../patch/patch-schema.ts'
import { strategicMergePatch } from '../patch/strategic-merge-patch.ts'
import { decodeObject } from '../store/decode-object.ts'
import type { Registry } from '../store/registry.ts'
import type { Answer } from './answers.ts'
import { checkPlace } from './object-place.ts'
import { parseBody, readBody, type Body } from './request-body.ts'
import type { ObjectRoute } from './routes.ts'
import { complaintsOf, decodeStrictly, warningsFor } from './strict-decoding.ts'
import { requestOptions, type RequestOptions } from './write-options.ts'

const jsonPatchType = 'application/json-patch+json'
const mergePatchType = 'application/merge-patch+json'
const strategicPatchType = 'application/strategic-merge-patch+json'
const applyType = 'application/apply-patch+yaml'
const patchTypes = [jsonPatchType, mergePatchType, strategicPatchType, applyType]

export async function answerPatch(
  registry: Registry,
  route: ObjectRoute,
  request: IncomingMessage,
  query: URLSearchParams,
): Promise<Answer> {
  // A patch of no type could mean four things.
  if (!request.headers['content-type']) throw unsupportedMediaType(patchTypes)
  const body = await readBody(request, patchTypes)
  const isApply = body.contentType === applyType
  const options = requestOptions(query, 'PatchOptions', isApply)
  // Read after the body has arrived: from here to the write nothing else can happen.
  const answer = isApply ? apply(registry, route, body, options) : patch(registry, route, body, options)
  await registry.store.committed()
  return answer
}

function patch(registry: Registry, route: ObjectRoute, body: Body, options: RequestOptions): Answer {
  const { type, namespace, name } = route
  const stored = registry.get(type, { namespace, name })
  const parsed = parseBody(body, 'error decoding patch')
  const patched = patchedBy(body.contentType, type, stored, parsed.value)
  const { object, unknownFields } = decodePatched(route, patched, body)
  const unprocessable = (why: string) => invalidPatch(body.text, why)
  const complaints = complaintsOf(unknownFields, parsed.duplicates)
  const warnings = warningsFor(options.fieldValidation, complaints, unprocessable)
  return { ...update(registry, route, object, stored, options), warnings }
}

function patchedBy(contentType: string, type: ResourceType, stored: KubeObject, value: unknown): unknown {
  switch (contentType) {
    case jsonPatchType:
      return jsonPatch(stored, value)
    case mergePatchType:
      if (!isMapping(value)) throw badRequest('error decoding patch: a merge patch is a mapping')
      return mergePatch(stored, value)
    default:
      return strategicMergePatch(stored, value ?? {}, schemaOf(type))
  }
}

/** The patched object; what can't be one is the patch's fault, which is a 422. */
function decodePatched({ type, namespace }: ObjectRoute, patched: unknown, { text }: Body) {
  try {
    return decodeObject(type, patched, namespace)
  } catch (error) {
    if (!(error instanceof StatusError)) throw error
    throw invalidPatch(text, error.message)
  }
}

function update(
  registry: Registry,
  route: ObjectRoute,
  object: KubeObject,
  stored: KubeObject,
  { dryRun }: RequestOptions,
) {
  const { type, status } = route
  checkPlace(route, object)
  const { uid } = object.metadata
  if (uid && uid !== stored.metadata.uid) {
    const errors = new FieldErrors()
    errors.invalid('metadata.uid', uid, 'field is immutable')
    throw invalid(type, route.name, errors.causes)
  }
  const writing = { dryRun, decoded: true }
  const written = status
    ? registry.updateStatus(type, object, writing)
    : registry.update(type, object, writing)
  return { kind: 'object', code: 200, type, object: written } as const
}

/** Server-side apply, without ownership of fields: what is applied is merged, or makes a new object. */
function apply(registry: Registry, route: ObjectRoute, body: Body, options: RequestOptions): Answer {
  const { type, namespace, name, status } = route
  const parsed = parseBody(body, 'error decoding YAML')
  const applied = parsed.value ?? {}
  if (!isMapping(applied)) throw badRequest('error decoding YAML: what is applied is no mapping')
  const { object, warnings } = decodeApplied(route, applied, parsed.duplicates, options)
  checkPlace(route, object)
  const key = objectKey({ metadata: { name, namespace } })
  if (!registry.store.get(type.conversion?.stored ?? type, key)) {
    if (status) throw notFound(type, name)
    const { uid } = object.metadata
    if (uid) {
      const why = `uid mismatch: the provided object specified uid ${uid}, and no existing object was found`
      throw conflict(type, name, why)
    }
    const created = registry.create(type, object, { dryRun: options.dryRun, decoded: true })
    return { kind: 'object', code: 201, type, object: created, warnings }
  }
  const stored = registry.get(type, { namespace, name })
  // The applied text itself, and not the decoded object: a null in it removes a field.
  const merged = decodeObject(type, applyPatch(stored, applied, schemaOf(type)), namespace)
  return { ...update(registry, route, merged.object, stored, options), warnings }
}

/** What is applied must be an object of its kind by itself, whatever the request says of unknown fields. */
function decodeApplied(
  { type, namespace }: ObjectRoute,
  applied: Mapping,
  duplicates: readonly string[],
  { fieldValidation }: RequestOptions,
) {
  const { apiVersion, kind } = applied
  const expected = apiVersionOf(type)
  if (apiVersion !== expected) {
    const given = typeof apiVersion === 'string' ? apiVersion : ''
    throw badRequest(
      `Incorrect version specified in apply patch. Specified patch version: ${given}, expected: ${expected}`,
    )
  }
  if (kind === undefined) {
    throw badRequest(`what is applied needs a kind, which is ${type.kind} on this path`)
  }
  const { unknownFields } = decodeObject(type, applied, namespace)
  if (unknownFields.length > 0) {
    const fields = unknownFields.map(field => `.${field}: field not declared in schema`)
    throw badRequest(`failed to create typed patch object: ${fields.join(', ')}`)
  }
  const { managedFields } = isMapping(applied['metadata']) ? applied['metadata'] : {}
  if (Array.isArray(managedFields) && managedFields.length > 0) {
    throw badRequest('metadata.managedFields must be nil')
  }
  return decodeStrictly(type, { value: applied, duplicates }, namespace, fieldValidation)
}
