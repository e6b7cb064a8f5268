// The fields of Kubernetes API objects that kube-relay reads, as they arrive: JSON from someone else.
// Nothing here is trusted. Every field may be missing, null or of another type; the readers in this folder
// (service.ts, endpoint-slice.ts, node.ts) turn these into checked values or a reason why not.

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

/** "namespace/name", or just "name" for cluster-scoped objects. */
export function objectKey(object: { readonly metadata: ObjectMeta }): string {
  const { namespace, name } = object.metadata
  return namespace ? `${namespace}/${name ?? ''}` : (name ?? '')
}
