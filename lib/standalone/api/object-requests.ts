// Requests that read or write one object: get, create, update, patch and delete, with the checks that belong to HTTP
// (the object's name and namespace against the URL's) before the registry's own.

import type { IncomingMessage } from 'node:http'
import type { KubeObject, ObjectName } from '../../model/objects.ts'
import { asFields, asString } from '../../model/fields.ts'
import { mergePatch } from '../patch/merge-patch.ts'
import type { Registry } from '../store/registry.ts'
import { readJson } from './request-body.ts'
import type { ResourceType } from '../kinds/resources.ts'
import type { Route } from './routes.ts'
import { badRequest, methodNotAllowed, type Status, StatusError } from '../kinds/status.ts'

export interface Answer {
  readonly code: number
  readonly body: object
}

type CollectionRoute = Extract<Route, { readonly kind: 'collection' }>
type ObjectRoute = Extract<Route, { readonly kind: 'object' }>

const mergePatchType = 'application/merge-patch+json'

/** POST to a collection: creates an object. */
export async function answerCollection(
  registry: Registry,
  { type, namespace }: CollectionRoute,
  request: IncomingMessage,
): Promise<Answer> {
  if (request.method !== 'POST' || (type.namespaced && namespace === '')) throw methodNotAllowed()
  const input = placed(type, namespace, await readJson(request))
  return { code: 201, body: registry.create(type, input) }
}

/** A request for one object or its status. */
export async function answerObject(
  registry: Registry,
  route: ObjectRoute,
  request: IncomingMessage,
): Promise<Answer> {
  const { type, namespace, name, status } = route
  const target: ObjectName = { namespace, name }
  const write = (input: unknown): KubeObject =>
    status ? registry.updateStatus(type, input) : registry.update(type, input)
  switch (request.method) {
    case 'GET':
    case 'HEAD':
      return { code: 200, body: registry.get(type, target) }
    case 'PUT': {
      const input = placed(type, namespace, await readJson(request), name)
      return { code: 200, body: write(input) }
    }
    case 'PATCH': {
      const patch = await readJson(request, [mergePatchType])
      if (request.headers['content-type'] === undefined) throw unsupportedPatch()
      // Read after the body has arrived: from here to the write nothing else can happen.
      const stored = registry.get(type, target)
      return { code: 200, body: write(placed(type, namespace, mergePatch(stored, patch), name)) }
    }
    case 'DELETE': {
      if (status) throw methodNotAllowed()
      const { preconditions } = asFields(await readJson(request))
      const { uid, resourceVersion } = asFields(preconditions)
      const { object, gone } = registry.delete(type, target, {
        ...(typeof uid === 'string' ? { uid } : {}),
        ...(typeof resourceVersion === 'string' ? { resourceVersion } : {}),
      })
      return { code: 200, body: gone ? deleted(type, object) : object }
    }
    default:
      throw methodNotAllowed()
  }
}

/** The input with the URL's namespace, after checking that it doesn't name another place. */
function placed(type: ResourceType, namespace: string, input: unknown, name?: string): unknown {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    throw badRequest(`the body must be a JSON object of kind ${type.kind}`)
  }
  const fields = input as Readonly<Record<string, unknown>>
  const metadata = asFields(fields['metadata'])
  if (type.namespaced && metadata['namespace'] && metadata['namespace'] !== namespace) {
    throw badRequest(`the namespace of the provided object does not match the namespace sent on the request`)
  }
  if (name !== undefined && metadata['name'] !== name) {
    throw badRequest(
      `the name of the object (${asString(metadata['name'])}) does not match the name on the URL (${name})`,
    )
  }
  return { ...fields, metadata: type.namespaced ? { ...metadata, namespace } : metadata }
}

function deleted(type: ResourceType, object: KubeObject): Status {
  const { name = '', uid = '' } = object.metadata
  const group = type.group === '' ? {} : { group: type.group }
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    details: { name, ...group, kind: type.plural, uid },
  }
}

function unsupportedPatch(): StatusError {
  return new StatusError(415, 'UnsupportedMediaType', `a patch needs the content type ${mergePatchType}`)
}
