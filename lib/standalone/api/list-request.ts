// What a list or watch request asks for, from its query, and the answer to a list. Every page of a paged list shows
// the state as of the first page's resourceVersion; when the history no longer allows that, the answer is 410.

import { objectKey, type KubeObject } from '../../model/objects.ts'
import { FieldErrors } from '../kinds/field-errors.ts'
import type { ResourceType } from '../kinds/resources.ts'
import { parseFieldSelector, parseLabelSelector, type Matcher } from '../kinds/selectors.ts'
import { badRequest, expiredContinue, invalidOptions, StatusError } from '../kinds/status.ts'
import type { Store } from '../store/store.ts'
import type { ListAnswer } from './answers.ts'
import { integerOf, resourceVersionOf } from './query.ts'

/** The objects that a request is about: a namespace ("" for all) and its selectors. */
export function matcherOf(type: ResourceType, namespace: string, query: URLSearchParams): Matcher {
  const labels = parseLabelSelector(query.get('labelSelector') ?? '')
  const fields = parseFieldSelector(query.get('fieldSelector') ?? '', type)
  return object =>
    (namespace === '' || object.metadata.namespace === namespace) && labels(object) && fields(object)
}

/** The list that a request asks for. Throws 400, 410, 422 and 504. */
export function answerList(
  store: Store,
  type: ResourceType,
  namespace: string,
  query: URLSearchParams,
): ListAnswer {
  checkListOptions(query)
  const matches = matcherOf(type, namespace, query)
  integerOf(query, 'timeoutSeconds')
  const { snapshot, after, limit } = snapshotFor(store, type, query)
  const items: KubeObject[] = []
  let remaining = 0
  for (const stored of snapshot.items) {
    if (after !== undefined && objectKey(stored) <= after) continue
    const object = type.conversion?.fromStored(stored) ?? stored
    if (!matches(object)) continue
    if (limit === 0 || items.length < limit) items.push(object)
    else remaining++
  }
  const last = items.at(-1)
  const more = remaining > 0 && last
  const selected = query.get('labelSelector') || query.get('fieldSelector')
  return {
    kind: 'list',
    type,
    metadata: {
      resourceVersion: String(snapshot.resourceVersion),
      ...(more ? { continue: encodeContinue(snapshot.resourceVersion, objectKey(last)) } : {}),
      // With a selector the real server can't count what it hasn't read, and doesn't say.
      ...(more && !selected ? { remainingItemCount: remaining } : {}),
    },
    items,
  }
}

/** The rules of apimachinery pkg/apis/meta/internalversion/validation for a list. */
function checkListOptions(query: URLSearchParams): void {
  const errors = new FieldErrors()
  const match = query.get('resourceVersionMatch') ?? ''
  if (match !== '') {
    const field = 'resourceVersionMatch'
    const resourceVersion = query.get('resourceVersion') ?? ''
    if (resourceVersion === '') {
      errors.forbidden(field, `${field} is forbidden unless resourceVersion is provided`)
    }
    if (query.get('continue')) errors.forbidden(field, `${field} is forbidden when continue is provided`)
    if (match !== 'Exact' && match !== 'NotOlderThan') {
      errors.unsupported(field, match, ['Exact', 'NotOlderThan', ''])
    }
    if (match === 'Exact' && resourceVersion === '0') {
      errors.forbidden(field, `${field} "exact" is forbidden for resourceVersion "0"`)
    }
  }
  if (query.has('sendInitialEvents')) {
    errors.forbidden('sendInitialEvents', 'sendInitialEvents is forbidden for list')
  }
  if (errors.causes.length > 0) throw invalidOptions('ListOptions', errors.causes)
}

/** Which state the list shows, after which key it goes on, and how many items it may have (0 for all). */
function snapshotFor(store: Store, type: ResourceType, query: URLSearchParams) {
  const stored = type.conversion?.stored ?? type
  const limit = Math.max(integerOf(query, 'limit') ?? 0, 0)
  const token = query.get('continue') ?? ''
  if (token !== '') {
    const { at, after } = decodeContinue(token)
    if (resourceVersionOf(query)) {
      throw badRequest('specifying resource version is not allowed when using continue')
    }
    try {
      return { snapshot: store.list(stored, at), after, limit }
    } catch (error) {
      if (error instanceof StatusError && error.status.code === 410) throw expiredContinue()
      throw error
    }
  }
  const resourceVersion = resourceVersionOf(query)
  const match = query.get('resourceVersionMatch') ?? ''
  // A page of a given version is exactly of that version, also where the client doesn't say so.
  if (resourceVersion && (match === 'Exact' || (match === '' && limit > 0))) {
    return { snapshot: store.list(stored, resourceVersion), after: undefined, limit }
  }
  // "Not older than" an earlier version is answered by the newest, but one to come is an error: list() checks.
  if (resourceVersion !== undefined && resourceVersion > store.resourceVersion) {
    store.list(stored, resourceVersion)
  }
  // Version 0 is what a cache holds, and comes as a whole.
  return { snapshot: store.list(stored), after: undefined, limit: resourceVersion === 0 ? 0 : limit }
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
  throw badRequest('invalid continue token: continue key is not valid')
}
