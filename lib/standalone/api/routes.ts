// From a request's path to what it is about. Only paths are read here; methods and queries are the server's matter.

import { resourceTypes, type ResourceType } from '../kinds/resources.ts'

export type Route =
  | { readonly kind: 'health' }
  | { readonly kind: 'version' }
  | { readonly kind: 'core-versions' }
  | { readonly kind: 'groups' }
  | { readonly kind: 'group'; readonly group: string }
  | { readonly kind: 'group-version'; readonly group: string; readonly version: string }
  /** `namespace` is "" for all namespaces and for cluster-scoped resources. */
  | { readonly kind: 'collection'; readonly type: ResourceType; readonly namespace: string }
  | {
      readonly kind: 'object'
      readonly type: ResourceType
      readonly namespace: string
      readonly name: string
      readonly status: boolean
    }
  | { readonly kind: 'unknown' }

const unknown: Route = { kind: 'unknown' }

/** The route of a path; `unknown` for everything that this server doesn't have. */
export function routeOf(pathname: string): Route {
  const steps = decodeSteps(pathname)
  if (!steps) return unknown
  const [first, second, third, ...rest] = steps
  switch (first) {
    case 'healthz':
    case 'readyz':
    case 'livez':
      return { kind: 'health' }
    case 'version':
      return second === undefined ? { kind: 'version' } : unknown
    case 'api':
      if (second === undefined) return { kind: 'core-versions' }
      if (third === undefined) return groupVersion('', second)
      return resourceRoute('', second, [third, ...rest])
    case 'apis':
      if (second === undefined) return { kind: 'groups' }
      if (third === undefined) return hasGroup(second) ? { kind: 'group', group: second } : unknown
      if (rest.length === 0) return groupVersion(second, third)
      return resourceRoute(second, third, rest)
    default:
      return unknown
  }
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
  return served ? { kind: 'group-version', group, version } : unknown
}

/** `steps` is what follows /api/v1 or /apis/GROUP/VERSION. */
function resourceRoute(group: string, version: string, steps: readonly string[]): Route {
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
  return isStatus ? { kind: 'object', type, namespace, name, status: true } : unknown
}
