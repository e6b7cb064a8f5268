// What a list or watch request asks for, from its query, and the answer to a list. Every page of a paged list shows
// the state as of the first page's resourceVersion; when the history no longer allows that, the answer is 410.

import { objectKey, type KubeObject } from '../../model/objects.ts'
import { apiVersionOf, type ResourceType } from '../kinds/resources.ts'
import { parseFieldSelector, parseLabelSelector, type Matcher } from '../kinds/selectors.ts'
import { badRequest, expiredContinue, StatusError } from '../kinds/status.ts'
import type { Store } from '../store/store.ts'

/** The objects that a request is about: a namespace ("" for all) and its selectors. */
export function matcherOf(type: ResourceType, namespace: string, query: URLSearchParams): Matcher {
  const labels = parseLabelSelector(query.get('labelSelector') ?? '')
  const fields = parseFieldSelector(query.get('fieldSelector') ?? '', type)
  return object =>
    (namespace === '' || object.metadata.namespace === namespace) && labels(object) && fields(object)
}

/** A non-negative integer of the query; undefined where it is missing or empty. Throws a 400. */
export function integerOf(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name)
  if (text === null || text === '') return undefined
  const value = Number(text)
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) {
    throw badRequest(`unable to decode query parameter ${name}: "${text}" is not a number`)
  }
  return value
}

/** A boolean of the query, read as the real server does: "0", "false" and absence are false, the rest is true. */
export function booleanOf(query: URLSearchParams, name: string): boolean {
  const text = query.get(name)?.toLowerCase()
  return text !== undefined && text !== '0' && text !== 'false'
}

/** The List object that answers a list request. Throws 400 and 410. */
export function answerList(
  store: Store,
  type: ResourceType,
  namespace: string,
  query: URLSearchParams,
): object {
  const matches = matcherOf(type, namespace, query)
  const limit = integerOf(query, 'limit') ?? 0
  const { snapshot, after } = snapshotFor(store, type, query)
  const items: KubeObject[] = []
  let more = false
  for (const object of snapshot.items) {
    if ((after !== undefined && objectKey(object) <= after) || !matches(object)) continue
    if (limit > 0 && items.length === limit) {
      more = true
      break
    }
    items.push(object)
  }
  const last = items.at(-1)
  return {
    kind: `${type.kind}List`,
    apiVersion: apiVersionOf(type),
    metadata: {
      resourceVersion: String(snapshot.resourceVersion),
      ...(more && last ? { continue: encodeContinue(snapshot.resourceVersion, objectKey(last)) } : {}),
    },
    items,
  }
}

function snapshotFor(store: Store, type: ResourceType, query: URLSearchParams) {
  const resourceVersion = integerOf(query, 'resourceVersion')
  const match = query.get('resourceVersionMatch') ?? ''
  const token = query.get('continue') ?? ''
  if (token !== '') {
    if (resourceVersion) throw badRequest('specifying resource version is not allowed when using continue')
    const { at, after } = decodeContinue(token)
    try {
      return { snapshot: store.list(type, at), after }
    } catch (error) {
      if (error instanceof StatusError && error.status.code === 410) throw expiredContinue()
      throw error
    }
  }
  if (match === 'Exact') {
    if (!resourceVersion) throw badRequest('resourceVersionMatch Exact needs a resourceVersion other than 0')
    return { snapshot: store.list(type, resourceVersion), after: undefined }
  }
  if (match !== '' && match !== 'NotOlderThan') throw badRequest(`unknown resourceVersionMatch "${match}"`)
  // "Not older than" an earlier version is answered by the newest, but one to come is an error: list() checks.
  if (resourceVersion !== undefined && resourceVersion > store.resourceVersion)
    store.list(type, resourceVersion)
  return { snapshot: store.list(type), after: undefined }
}

function encodeContinue(at: number, after: string): string {
  return Buffer.from(JSON.stringify({ v: 'meta.k8s.io/v1', rv: at, start: after })).toString('base64url')
}

function decodeContinue(token: string): { readonly at: number; readonly after: string } {
  try {
    const { rv, start } = JSON.parse(Buffer.from(token, 'base64url').toString()) as Record<string, unknown>
    if (Number.isSafeInteger(rv) && typeof start === 'string') return { at: rv as number, after: start }
  } catch {
    // Not JSON: the same answer as for JSON of another shape.
  }
  throw badRequest('continue key is not valid')
}
