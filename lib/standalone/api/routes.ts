// From a request's path to what it is about. Only paths are read here; methods and queries are the server's matter.

import { apiVersionOf, pods, resourceTypes, type ResourceType } from '../kinds/resources.ts'

/** A document about the API itself: see documents.ts. */
export type DocumentRoute =
  | { readonly kind: 'version' }
  | { readonly kind: 'core-versions' }
  | { readonly kind: 'groups' }
  | { readonly kind: 'group'; readonly group: string }
  | { readonly kind: 'group-version'; readonly group: string; readonly version: string }
  | { readonly kind: 'openapi-v2' }
  /** Without `apiVersion`: the index of all of them. */
  | { readonly kind: 'openapi-v3'; readonly apiVersion?: string }

export type Route =
  | { readonly kind: 'health' }
  | DocumentRoute
  /** "/": which paths there are. */
  | { readonly kind: 'index' }
  /**
   * `namespace` is "" for all namespaces and for cluster-scoped resources. `watch`: the old form of a watch, with
   * /watch/ before the resource, of one object when there is a `name`.
   */
  | {
      readonly kind: 'collection'
      readonly type: ResourceType
      readonly namespace: string
      readonly watch?: { readonly name?: string }
    }
  | {
      readonly kind: 'object'
      readonly type: ResourceType
      readonly namespace: string
      readonly name: string
      readonly status: boolean
    }
  /**
   * What there isn't: a resource of a group that there is, what only a kubelet knows of a Pod's containers, a group or
   * its version, or anything else.
   */
  | { readonly kind: 'unknown'; readonly what: 'resource' | 'group' | 'path' | 'containers' }

export type CollectionRoute = Extract<Route, { readonly kind: 'collection' }>
export type ObjectRoute = Extract<Route, { readonly kind: 'object' }>

const unknown: Route = { kind: 'unknown', what: 'resource' }
const unknownContainers: Route = { kind: 'unknown', what: 'containers' }
const unknownGroup: Route = { kind: 'unknown', what: 'group' }
const unknownPath: Route = { kind: 'unknown', what: 'path' }

/** What kubectl logs, exec, cp, attach and port-forward ask for. */
const containerSubresources: ReadonlySet<string> = new Set(['log', 'exec', 'attach', 'portforward'])

/** The paths that lead on to all others, sorted. */
export function indexPaths(): readonly string[] {
  const versions = resourceTypes.map(type => apiVersionOf(type)).filter(version => version.includes('/'))
  const groups = versions.map(version => version.slice(0, version.indexOf('/')))
  const apis = [...groups, ...versions].map(path => `/apis/${path}`)
  const others = ['/api', '/api/v1', '/apis', '/healthz', '/livez', '/openapi/v2', '/openapi/v3', '/readyz']
  return [...new Set([...apis, ...others, '/version'])].sort()
}

/** The route of a path; `unknown` for everything that this server doesn't have. */
export function routeOf(pathname: string): Route {
  const steps = decodeSteps(pathname)
  if (!steps) return unknown
  const [first, second, third, ...rest] = steps
  switch (first) {
    case undefined:
      return { kind: 'index' }
    case 'healthz':
    case 'readyz':
    case 'livez':
      return { kind: 'health' }
    case 'version':
      return second === undefined ? { kind: 'version' } : unknownPath
    case 'api':
      if (second === undefined) return { kind: 'core-versions' }
      if (third === undefined) return groupVersion('', second)
      return resourceRoute('', second, [third, ...rest])
    case 'apis':
      if (second === undefined) return { kind: 'groups' }
      if (third === undefined) return hasGroup(second) ? { kind: 'group', group: second } : unknownGroup
      if (rest.length === 0) return groupVersion(second, third)
      return resourceRoute(second, third, rest)
    case 'openapi':
      return openApiRoute(steps.slice(1))
    default:
      return unknownPath
  }
}

/** `steps` is what follows /openapi. */
function openApiRoute(steps: readonly string[]): Route {
  const [version, api, group, groupVersion, ...rest] = steps
  if (version === 'v2' && steps.length === 1) return { kind: 'openapi-v2' }
  if (version !== 'v3' || rest.length > 0) return unknownPath
  if (api === undefined) return { kind: 'openapi-v3' }
  const apiVersion = api === 'api' ? group : `${group ?? ''}/${groupVersion ?? ''}`
  const known = steps.length === (api === 'api' ? 3 : 4) && (api === 'api' || api === 'apis')
  const served = resourceTypes.find(type => apiVersionOf(type) === apiVersion)
  return known && served ? { kind: 'openapi-v3', apiVersion: apiVersionOf(served) } : unknownPath
}

function decodeSteps(pathname: string): readonly string[] | null {
  try {
    return pathname
      .split('/')
      .filter(step => step !== '')
      .map(step => decodeURIComponent(step))
  } catch {
    return null // a lone "%"
  }
}

function hasGroup(group: string): boolean {
  return group !== '' && resourceTypes.some(type => type.group === group)
}

function groupVersion(group: string, version: string): Route {
  const served = resourceTypes.some(type => type.group === group && type.version === version)
  if (served) return { kind: 'group-version', group, version }
  return group === '' ? unknown : unknownGroup
}

/** `steps` is what follows /api/v1 or /apis/GROUP/VERSION. */
function resourceRoute(group: string, version: string, steps: readonly string[]): Route {
  if (groupVersion(group, version).kind === 'unknown') return groupVersion(group, version)
  if (steps[0] === 'watch') return watchRoute(resourceRoute(group, version, steps.slice(1)))
  const find = (plural: string | undefined, namespaced: boolean) =>
    resourceTypes.find(
      type =>
        type.group === group &&
        type.version === version &&
        type.plural === plural &&
        type.namespaced === namespaced,
    )
  if (steps[0] === 'namespaces' && steps.length >= 3) {
    const [, namespace = '', plural, name, subresource, ...rest] = steps
    const type = find(plural, true)
    if (type) return routeTo(type, namespace, name, subresource, rest)
  }
  const [plural, name, subresource, ...rest] = steps
  const type = find(plural, false)
  if (type) return routeTo(type, '', name, subresource, rest)
  const acrossNamespaces = find(plural, true)
  return acrossNamespaces && name === undefined
    ? routeTo(acrossNamespaces, '', undefined, undefined, [])
    : unknown
}

/** The old form of a watch of what another path names. */
function watchRoute(route: Route): Route {
  if (route.kind === 'collection') return route.watch ? unknown : { ...route, watch: {} }
  if (route.kind !== 'object' || route.status) return unknown
  const { type, namespace, name } = route
  return { kind: 'collection', type, namespace, watch: { name } }
}

function routeTo(
  type: ResourceType,
  namespace: string,
  name: string | undefined,
  subresource: string | undefined,
  rest: readonly string[],
): Route {
  if (name === undefined) return { kind: 'collection', type, namespace }
  if (subresource === undefined) return { kind: 'object', type, namespace, name, status: false }
  const isStatus = subresource === 'status' && type.statusSubresource && rest.length === 0
  if (isStatus) return { kind: 'object', type, namespace, name, status: true }
  return type === pods && containerSubresources.has(subresource) ? unknownContainers : unknown
}
