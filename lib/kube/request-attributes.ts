// What a request asks for, in RBAC's words: verb, group, resource, namespace. Read from the request itself, as
// the API server does it, so that a 403 can say which rule is missing whoever made the request.

export interface RequestAttributes {
  readonly verb: string
  /** `''` for the core group. */
  readonly group: string
  /** The plural resource with its subresource, e.g. `nodes/status`; null for paths like `/version`. */
  readonly resource: string | null
  readonly namespace: string | null
  readonly name: string | null
  readonly path: string
}

const verbs: Readonly<Record<string, string>> = {
  GET: 'get',
  HEAD: 'get',
  POST: 'create',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
}

/**
 * The attributes of a request, by the rules of the API server's RequestInfoFactory for `/api/v1/…` and
 * `/apis/<group>/<version>/…`.
 */
export function requestAttributes(
  method: string,
  path: string,
  query: Readonly<Record<string, unknown>> = {},
): RequestAttributes {
  const verb = verbs[method] ?? method.toLowerCase()
  const parts = path.split('/').filter(part => part !== '')
  const inGroup = parts[0] === 'apis' && parts.length > 3
  if (!inGroup && !(parts[0] === 'api' && parts.length > 2)) {
    return { verb, group: '', resource: null, namespace: null, name: null, path }
  }
  const group = inGroup ? (parts[1] ?? '') : ''
  let rest = parts.slice(inGroup ? 3 : 2)
  let namespace: string | null = null
  // /namespaces/x is the namespace x itself; with more behind it, it is a scope.
  if (rest[0] === 'namespaces' && rest.length > 2 && rest[2] !== 'status' && rest[2] !== 'finalize') {
    namespace = rest[1] ?? null
    rest = rest.slice(2)
  }
  const [plural = '', name = null, subresource] = rest
  const resource = subresource === undefined ? plural : `${plural}/${subresource}`
  return { verb: collectionVerb(verb, name, query), group, resource, namespace, name, path }
}

function collectionVerb(verb: string, name: string | null, query: Readonly<Record<string, unknown>>): string {
  if (name !== null) return verb
  if (verb === 'get') return query['watch'] === true || query['watch'] === 'true' ? 'watch' : 'list'
  return verb === 'delete' ? 'deletecollection' : verb
}
