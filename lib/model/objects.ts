// The fields of Kubernetes API objects that kube-relay reads, as they arrive: JSON from someone else.
// Nothing here is trusted. Every field may be missing, null or of another type; the readers in this folder
// (service.ts, endpoint-slice.ts, node.ts) turn these into checked values or a reason why not.

import { asFields, asString } from './fields.ts'

export interface ObjectMeta {
  readonly name?: string
  readonly namespace?: string
  readonly uid?: string
  readonly resourceVersion?: string
  readonly creationTimestamp?: string
  readonly deletionTimestamp?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
}

/** Any object of the API: what the list-watch and the embedded control plane's store handle. */
export interface KubeObject {
  readonly apiVersion?: string
  readonly kind?: string
  readonly metadata: ObjectMeta
  readonly [field: string]: unknown
}

/** An object's place in the API, for log lines, errors and keys. Cluster-scoped kinds have no namespace. */
export interface ObjectName {
  readonly namespace: string
  readonly name: string
}

/** The name as it stands in the object, with "" for what is missing or isn't text. */
export function objectName(object: { readonly metadata: ObjectMeta }): ObjectName {
  const { namespace, name } = asFields(object.metadata)
  return { namespace: asString(namespace), name: asString(name) }
}

/** "namespace/name", or just "name" for cluster-scoped objects. */
export function objectKey(object: { readonly metadata: ObjectMeta }): string {
  return nameKey(objectName(object))
}

/** The same key from a name alone. */
export function nameKey({ namespace, name }: ObjectName): string {
  return namespace === '' ? name : `${namespace}/${name}`
}

/**
 * Whether both parts are names as the API allows them for namespaced objects (RFC 1123 subdomains). Anything else
 * may hold the "/" and ":" that keys are put together with, and pass for another object.
 */
export function isNamespacedName({ namespace, name }: ObjectName): boolean {
  return [namespace, name].every(part => part.length <= 253 && /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(part))
}
