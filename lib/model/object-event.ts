// What is worth telling about an API object, in the words of events.k8s.io/v1. Whoever finds out (a frontend that can't
// be bound, a protocol that can't be served) makes one of these; how and whether it is written is the recorder's.

/** An object that an event is about; a cluster-scoped one has no namespace. */
export interface ObjectReference {
  readonly apiVersion: string
  readonly kind: string
  readonly namespace: string
  readonly name: string
  readonly uid: string
}

export interface ObjectEvent {
  readonly regarding: ObjectReference
  readonly type: 'Normal' | 'Warning'
  /** Why, as one CamelCase word for machines, such as `FailedToStartServiceHealthcheck`. */
  readonly reason: string
  /** What was done or attempted, as one CamelCase word, such as `Listen`. */
  readonly action: string
  /** One sentence for people. */
  readonly note: string
  /**
   * What tells one cause from another with the same reason, such as an address; the note, where there is none. An
   * event isn't repeated while its cause lasts, even if the note's wording changes.
   */
  readonly cause?: string
}

/** The reference for a Service; without a UID (no list has brought it yet) `kubectl describe` won't find the event. */
export function serviceReference(service: {
  readonly namespace: string
  readonly name: string
  readonly uid: string
}): ObjectReference {
  const { namespace, name, uid } = service
  return { apiVersion: 'v1', kind: 'Service', namespace, name, uid }
}

/** The reference for a Node. Its UID is its name, as the kubelet and kube-proxy write it and `kubectl` looks for it. */
export function nodeReference(name: string): ObjectReference {
  return { apiVersion: 'v1', kind: 'Node', namespace: '', name, uid: name }
}
