// What a list-watch is about: a resource of the API, where it is served, and which objects of it are wanted.
// Pure naming; the API's words are group, version and plural resource name.

/** A collection of API objects. Without a namespace: all of them, or a cluster-scoped kind. */
export interface WatchedResource {
  /** `''` for the core group. */
  readonly group: string
  readonly version: string
  /** The plural resource name as in URLs and RBAC rules, e.g. `endpointslices`. */
  readonly plural: string
  readonly kind: string
  readonly namespace?: string
  readonly labelSelector?: string
  /** A server that refuses the field selector is asked without it: a handler must filter again by itself. */
  readonly fieldSelector?: string
}

/** The collection's path below the server's URL. */
export function resourcePath(resource: WatchedResource): string {
  const root =
    resource.group === '' ? `/api/${resource.version}` : `/apis/${resource.group}/${resource.version}`
  const scope = resource.namespace ? `/namespaces/${encodeURIComponent(resource.namespace)}` : ''
  return `${root}${scope}/${resource.plural}`
}

/** The resource as RBAC and error messages name it: `services`, `endpointslices.discovery.k8s.io`. */
export function resourceName(resource: Pick<WatchedResource, 'group' | 'plural'>): string {
  return resource.group === '' ? resource.plural : `${resource.plural}.${resource.group}`
}
