// How objects go. One that has finalizers, or whose kind gives it time to end, stays for a while with a
// deletionTimestamp; a Namespace takes what is in it along. Rules: apiserver pkg/registry/rest/delete.go and
// pkg/registry/generic/registry/store.go.

import { objectKey, type KubeObject, type ObjectName } from '../../model/objects.ts'
import { namespaces, resourceTypes, type ResourceType } from '../kinds/resources.ts'
import { forbiddenObject, notFound, preconditionFailed } from '../kinds/status.ts'
import type { Strategy } from '../kinds/strategy.ts'
import { finalizersOf, metaOf, nextGeneration, timestampOf } from './object-meta.ts'
import type { Store } from './store.ts'

export interface DeleteOptions {
  /** Preconditions: the object must be this one, and this version of it (409). */
  readonly uid?: string
  readonly resourceVersion?: string
  /** 0 for at once. Absent: as long as its kind says. */
  readonly gracePeriodSeconds?: number
  readonly dryRun?: boolean
}

export interface Deletion {
  readonly object: KubeObject
  /** False when the object is still there, terminating: finalizers hold it, or it has time left. */
  readonly gone: boolean
}

export interface DeletionContext {
  readonly store: Store
  readonly strategyOf: (type: ResourceType) => Strategy
  readonly wallTime: () => Date
}

const undeletableNamespaces = new Set(['default', 'kube-system'])
/** The last second that RFC 3339 has a notation for. */
const lastTimestamp = Date.UTC(9999, 11, 31, 23, 59, 59)

export function deleteObject(
  context: DeletionContext,
  type: ResourceType,
  name: ObjectName,
  options: DeleteOptions = {},
): Deletion {
  const { store } = context
  const stored = store.get(type, objectKey({ metadata: name }))
  if (!stored) throw notFound(type, name.name)
  checkPreconditions(type, stored, options)
  if (type === namespaces) return deleteNamespace(context, stored, options)
  const terminating = withTermination(context, type, stored, options)
  const held =
    finalizersOf(terminating).length > 0 || (metaOf(terminating).deletionGracePeriodSeconds ?? 0) > 0
  if (options.dryRun) return { object: terminating, gone: !held }
  const updated = terminating === stored ? stored : store.update(type, terminating)
  return held
    ? { object: updated, gone: false }
    : { object: removeObject(context, type, updated), gone: true }
}

/**
 * An object after its last finalizer, or the end of its time: out of the store, and its Namespace with it when that was
 * waiting for it alone. A Namespace still waits for what is in it.
 */
export function finishDeletion(context: DeletionContext, type: ResourceType, stored: KubeObject): KubeObject {
  if (type !== namespaces) return removeObject(context, type, stored)
  finishNamespace(context, stored)
  return stored
}

/** Goes on with the deletions that an earlier life was in the middle of. */
export function resumeDeletions(context: DeletionContext): void {
  const { store } = context
  for (const type of resourceTypes) {
    for (const object of store.list(type).items) {
      if (type !== namespaces && isReleased(object)) takeOut(context, type, object)
    }
  }
  for (const namespace of store.list(namespaces).items) {
    if (namespace.metadata.deletionTimestamp !== undefined) deleteNamespace(context, namespace, {})
  }
}

/** Takes an object out of the store, and its Namespace with it when that was waiting for it alone. */
function removeObject(context: DeletionContext, type: ResourceType, stored: KubeObject): KubeObject {
  const deleted = takeOut(context, type, stored)
  const { store } = context
  const namespace = type.namespaced && store.get(namespaces, stored.metadata.namespace ?? '')
  if (namespace && metaOf(namespace).deletionTimestamp !== undefined) finishNamespace(context, namespace)
  return deleted
}

function takeOut({ store, strategyOf }: DeletionContext, type: ResourceType, stored: KubeObject): KubeObject {
  const deleted = store.delete(type, objectKey(stored))
  strategyOf(type).released?.(stored)
  return deleted
}

/** Whether nothing holds an object that is being deleted any longer. */
export function isReleased(object: KubeObject): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds = 0 } = metaOf(object)
  return (
    deletionTimestamp !== undefined && deletionGracePeriodSeconds === 0 && finalizersOf(object).length === 0
  )
}

function checkPreconditions(type: ResourceType, stored: KubeObject, options: DeleteOptions): void {
  const { uid, resourceVersion, name = '' } = stored.metadata
  if (options.uid !== undefined && options.uid !== uid) {
    const why = `the UID in the precondition (${options.uid}) does not match the UID in record (${uid})`
    throw preconditionFailed(type, name, `${why}. The object might have been deleted and then recreated`)
  }
  if (options.resourceVersion !== undefined && options.resourceVersion !== resourceVersion) {
    const asked = `the ResourceVersion in the precondition (${options.resourceVersion})`
    const why = `${asked} does not match the ResourceVersion in record (${resourceVersion})`
    throw preconditionFailed(type, name, `${why}. The object might have been modified`)
  }
}

/** The object as its deletion leaves it, the stored one itself where that changes nothing. */
function withTermination(
  { strategyOf, wallTime }: DeletionContext,
  type: ResourceType,
  stored: KubeObject,
  options: DeleteOptions,
): KubeObject {
  const { gracePeriodSeconds: graceOf } = strategyOf(type)
  const metadata = metaOf(stored)
  const held = finalizersOf(stored).length > 0
  if (!graceOf && !held) return stored
  // A negative grace period means the shortest one there is.
  const { gracePeriodSeconds: asked } = options
  const wished = asked !== undefined && asked < 0 ? 1 : asked
  // Where nobody would end the object in time, it has none, whatever the client asks for.
  const usual = graceOf?.(stored) ?? 0
  const grace = usual === 0 ? 0 : (wished ?? usual)
  if (metadata.deletionTimestamp !== undefined) {
    const left = metadata.deletionGracePeriodSeconds ?? 0
    // A second deletion can only shorten what the first one gave.
    const shorter = wished === undefined ? left : Math.min(grace, left)
    if (shorter >= left) return stored
    return { ...stored, metadata: nextGeneration({ ...metadata, ...terminationAt(wallTime(), shorter) }) }
  }
  const termination = graceOf
    ? terminationAt(wallTime(), grace)
    : { deletionTimestamp: timestampOf(wallTime()), deletionGracePeriodSeconds: 0 }
  return { ...stored, metadata: nextGeneration({ ...metadata, ...termination }) }
}

function terminationAt(now: Date, graceSeconds: number) {
  const at = Math.min(now.getTime() + graceSeconds * 1000, lastTimestamp)
  return { deletionTimestamp: timestampOf(new Date(at)), deletionGracePeriodSeconds: graceSeconds }
}

/** A Namespace is seen to terminate, loses all that is in it, and goes once nothing holds it or any of that. */
function deleteNamespace(context: DeletionContext, stored: KubeObject, { dryRun }: DeleteOptions): Deletion {
  const { store, wallTime } = context
  const { name = '', deletionTimestamp } = stored.metadata
  if (undeletableNamespaces.has(name)) {
    throw forbiddenObject(namespaces, name, 'this namespace may not be deleted')
  }
  const status = { ...(stored['status'] as object | undefined), phase: 'Terminating' }
  const metadata = { ...stored.metadata, deletionTimestamp: deletionTimestamp ?? timestampOf(wallTime()) }
  const terminating = { ...stored, metadata, status }
  if (dryRun) return { object: terminating, gone: false }
  const object = store.update(namespaces, terminating)
  for (const type of resourceTypes.filter(candidate => candidate.namespaced)) {
    for (const inner of store.list(type).items) {
      if (inner.metadata.namespace === name) endWithNamespace(context, type, inner)
    }
  }
  finishNamespace(context, object)
  return { object, gone: store.get(namespaces, name) === undefined }
}

function endWithNamespace(context: DeletionContext, type: ResourceType, stored: KubeObject): void {
  const { store, wallTime } = context
  if (!store.get(type, objectKey(stored))) return
  if (finalizersOf(stored).length === 0) {
    takeOut(context, type, stored)
    return
  }
  const termination = { deletionTimestamp: timestampOf(wallTime()), deletionGracePeriodSeconds: 0 }
  const metadata = nextGeneration({ ...stored.metadata, ...termination })
  store.update(type, { ...stored, metadata })
}

function finishNamespace(context: DeletionContext, namespace: KubeObject): void {
  const { store } = context
  const { name = '' } = namespace.metadata
  const stored = store.get(namespaces, name)
  if (!stored || finalizersOf(stored).length > 0) return
  const holds = (type: ResourceType) =>
    type.namespaced && store.list(type).items.some(object => object.metadata.namespace === name)
  if (resourceTypes.some(holds)) return
  takeOut(context, namespaces, stored)
}
