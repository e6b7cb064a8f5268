// Requests that read or write objects one by one, and the deletion of a collection: what belongs to HTTP (paths, bodies
// and options) before the registry's own checks. A write is answered only once it would survive a crash.

import type { IncomingMessage } from 'node:http'
import type { KubeObject, ObjectName } from '../../model/objects.ts'
import { events, eventsV1, pods, services, type ResourceType } from '../kinds/resources.ts'
import { badRequest, methodNotAllowed, StatusError, type Status } from '../kinds/status.ts'
import type { DeleteOptions, Deletion, Registry } from '../store/registry.ts'
import type { Answer, ListAnswer } from './answers.ts'
import { answerList } from './list-request.ts'
import { checkPlace } from './object-place.ts'
import { answerPatch } from './patch-requests.ts'
import { resourceVersionOf } from './query.ts'
import { objectTypes, parseBody, readBody } from './request-body.ts'
import type { CollectionRoute, ObjectRoute } from './routes.ts'
import { decodeStrictly } from './strict-decoding.ts'
import { deleteOptions, requestOptions, type RequestOptions } from './write-options.ts'

/** The kinds whose deletion is answered with the deleted object; of the others it is a Status. */
const deletionShowsObject: ReadonlySet<ResourceType> = new Set([pods, services])
/** The kinds of which a PUT may make a new object. */
const putCreates: ReadonlySet<ResourceType> = new Set([events, eventsV1])

/** A write to a collection: POST creates an object, DELETE deletes all that the query selects. */
export async function answerCollection(
  registry: Registry,
  { type, namespace }: CollectionRoute,
  request: IncomingMessage,
  query: URLSearchParams,
): Promise<Answer> {
  const { method } = request
  if (method !== 'POST' && method !== 'DELETE') throw methodNotAllowed()
  if (type.namespaced && namespace === '') throw methodNotAllowed()
  refuseReadOnly(type)
  if (method === 'POST') return create(registry, type, namespace, request, query)
  if (type.plural === 'namespaces') throw methodNotAllowed()
  const body = await readBody(request, objectTypes)
  const options = deleteOptions(query, body)
  const list = answerList(registry.store, type, namespace, query)
  for (const { metadata } of list.items) deleteUnlessGone(registry, list, metadata, options)
  await registry.store.committed()
  return list
}

/** A request for one object or its status. */
export async function answerObject(
  registry: Registry,
  route: ObjectRoute,
  request: IncomingMessage,
  query: URLSearchParams,
): Promise<Answer> {
  const { type, namespace, name, status } = route
  const target: ObjectName = { namespace, name }
  switch (request.method) {
    case 'GET':
      // The newest is as new as any version asked for; it only has to be one.
      resourceVersionOf(query)
      return { kind: 'object', code: 200, type, object: registry.get(type, target) }
    case 'PUT':
      refuseReadOnly(type)
      return update(registry, route, request, query)
    case 'PATCH':
      refuseReadOnly(type)
      return answerPatch(registry, route, request, query)
    case 'DELETE': {
      if (status) throw methodNotAllowed()
      refuseReadOnly(type)
      const options = deleteOptions(query, await readBody(request, objectTypes))
      const deletion = registry.delete(type, target, options)
      await registry.store.committed()
      return deletionAnswer(type, deletion)
    }
    default:
      throw methodNotAllowed()
  }
}

async function create(
  registry: Registry,
  type: ResourceType,
  namespace: string,
  request: IncomingMessage,
  query: URLSearchParams,
): Promise<Answer> {
  const body = await readBody(request, objectTypes)
  const options = requestOptions(query, 'CreateOptions')
  const parsed = parseBody(body, unrecognized(type))
  const { object, warnings } = decodeStrictly(type, parsed, namespace, options.fieldValidation)
  if (type.namespaced && object.metadata.namespace !== namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request')
  }
  const created = registry.create(type, object, { dryRun: options.dryRun, decoded: true })
  await registry.store.committed()
  return { kind: 'object', code: 201, type, object: created, warnings }
}

async function update(
  registry: Registry,
  route: ObjectRoute,
  request: IncomingMessage,
  query: URLSearchParams,
): Promise<Answer> {
  const { type, namespace } = route
  const body = await readBody(request, objectTypes)
  const options = requestOptions(query, 'UpdateOptions')
  const parsed = parseBody(body, unrecognized(type))
  const { object, warnings } = decodeStrictly(type, parsed, namespace, options.fieldValidation)
  checkPlace(route, object)
  const { code, written } = writeOrCreate(registry, route, object, options)
  await registry.store.committed()
  return { kind: 'object', code, type, object: written, warnings }
}

function writeOrCreate(
  registry: Registry,
  { type, status }: ObjectRoute,
  object: KubeObject,
  { dryRun }: RequestOptions,
): { readonly code: number; readonly written: KubeObject } {
  const writing = { dryRun, decoded: true }
  if (status) return { code: 200, written: registry.updateStatus(type, object, writing) }
  try {
    return { code: 200, written: registry.update(type, object, writing) }
  } catch (error) {
    const isMissing = error instanceof StatusError && error.status.code === 404
    if (!isMissing || !putCreates.has(type) || object.metadata.resourceVersion) throw error
    return { code: 201, written: registry.create(type, object, writing) }
  }
}

function deleteUnlessGone(
  registry: Registry,
  { type }: ListAnswer,
  { namespace = '', name = '' }: KubeObject['metadata'],
  options: DeleteOptions,
): void {
  try {
    registry.delete(type, { namespace, name }, options)
  } catch (error) {
    // What an earlier deletion of this collection took along, or a watcher of it.
    if (!(error instanceof StatusError && error.status.code === 404)) throw error
  }
}

function deletionAnswer(type: ResourceType, { object, gone }: Deletion): Answer {
  if (!gone || deletionShowsObject.has(type) || type.plural === 'namespaces') {
    return { kind: 'object', code: 200, type, object }
  }
  const { name = '', uid = '' } = object.metadata
  const group = type.group === '' ? {} : { group: type.group }
  const status: Status = {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    details: { name, ...group, kind: type.plural, uid },
  }
  return { kind: 'document', code: 200, body: status }
}

/** Throws a 405 for what clients only read. */
function refuseReadOnly(type: ResourceType): void {
  if (!type.readOnly) return
  throw methodNotAllowed(
    `${type.plural} are derived from EndpointSlices and can't be written: write an EndpointSlice (discovery.k8s.io/v1) with the label kubernetes.io/service-name instead`,
  )
}

function unrecognized(type: ResourceType): string {
  return `the object provided is unrecognized (must be of type ${type.kind}): couldn't get version/kind`
}
