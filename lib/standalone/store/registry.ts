// The one way in which objects are written: checked against their schema, completed by their kind's strategy, then
// stored, so that what is in the store is always valid. Everything is synchronous, which makes each write atomic.
// (Tests that want invalid objects served put them into the Store directly.)

import { randomUUID } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { objectKey, type KubeObject, type ObjectName } from '../../model/objects.ts'
import { FieldErrors } from '../kinds/field-errors.ts'
import { checkMetadata, checkMetadataUpdate } from '../kinds/metadata-validation.ts'
import { namespaces, resourceOfKind, type ResourceType } from '../kinds/resources.ts'
import {
  alreadyExists,
  badRequest,
  conflict,
  forbiddenObject,
  invalid,
  modified,
  notFound,
  StatusError,
  type StatusCause,
} from '../kinds/status.ts'
import type { Strategy } from '../kinds/strategy.ts'
import { decodeObject } from './decode-object.ts'
import {
  deleteObject,
  finishDeletion,
  isReleased,
  resumeDeletions,
  type DeleteOptions,
  type Deletion,
  type DeletionContext,
} from './deletion.ts'
import { metaOf, nameOrGenerated, timestampOf, withGeneration, type StoredMeta } from './object-meta.ts'
import type { Store } from './store.ts'

export type { DeleteOptions, Deletion } from './deletion.ts'

export interface RegistryOptions {
  readonly store: Store
  readonly strategyOf: (type: ResourceType) => Strategy
  /** Wall-clock time for creationTimestamp and deletionTimestamp. */
  readonly wallTime?: () => Date
}

export interface WriteOptions {
  /** The answer is what would be written, and nothing is. */
  readonly dryRun?: boolean
  /** The input is what decodeObject returned, and needs no second look. */
  readonly decoded?: boolean
}

export type Applied = {
  readonly outcome: 'created' | 'configured' | 'unchanged'
  readonly object: KubeObject
}

/** As many as the real server makes for a name that it generates. */
const maxNameTries = 8

export class Registry {
  readonly store: Store
  readonly #strategyOf: (type: ResourceType) => Strategy
  readonly #wallTime: () => Date
  readonly #deletion: DeletionContext

  constructor({ store, strategyOf, wallTime = () => new Date() }: RegistryOptions) {
    this.store = store
    this.#strategyOf = strategyOf
    this.#wallTime = wallTime
    this.#deletion = { store, strategyOf, wallTime }
  }

  /** The object, or 404. */
  get(type: ResourceType, name: ObjectName): KubeObject {
    return presented(type, this.#stored(type, name))
  }

  create(type: ResourceType, input: unknown, options: WriteOptions = {}): KubeObject {
    const { dryRun = false } = options
    const given = decoded(type, input, options)
    const { conversion } = type
    if (conversion) {
      const stored = conversion.toStored(given)
      this.#strategyOf(type).prepare(stored, undefined, { dryRun: true })
      return conversion.fromStored(this.create(conversion.stored, stored, { dryRun, decoded: true }))
    }
    if (metaOf(given).resourceVersion) {
      throw badRequest('resourceVersion should not be set on objects to be created')
    }
    const {
      deletionTimestamp: _,
      deletionGracePeriodSeconds: __,
      resourceVersion: ___,
      ...authored
    } = metaOf(given)
    const name = this.#freeName(type, authored)
    const metadata: StoredMeta = {
      ...authored,
      name,
      uid: randomUUID(),
      creationTimestamp: timestampOf(this.#wallTime()),
    }
    if (type.namespaced) this.#checkNamespace(type, metadata)
    const strategy = this.#strategyOf(type)
    const { initialStatus } = strategy
    const object: KubeObject = { ...given, metadata, ...(initialStatus ? { status: initialStatus } : {}) }
    const errors = new FieldErrors()
    checkMetadata(type, metadata, errors)
    this.#checkMetadataErrors(type, errors, object)
    if (this.store.get(type, objectKey(object))) {
      // What is wrong with the object, or can't be had by it, is said first.
      this.#strategyOf(type).prepare(object, undefined, { dryRun: true })
      throw alreadyExists(type, name)
    }
    const prepared = withGeneration(type, this.#strategyOf(type).prepare(object, undefined, { dryRun }))
    return dryRun ? prepared : this.#write(type, prepared, () => this.store.create(type, prepared))
  }

  /** Replaces all but the status, where status is a subresource. A resourceVersion in it is a condition (409). */
  update(type: ResourceType, input: unknown, options: WriteOptions = {}): KubeObject {
    const { dryRun = false } = options
    const given = decoded(type, input, options)
    const { conversion } = type
    if (conversion) {
      const stored = conversion.toStored(given)
      const { namespace = '', name = '' } = given.metadata
      const before = this.get(conversion.stored, { namespace, name })
      this.#strategyOf(type).prepare(stored, before, { dryRun: true })
      return conversion.fromStored(this.update(conversion.stored, stored, { dryRun, decoded: true }))
    }
    const { stored, metadata } = this.#forUpdate(type, given)
    const { status: _, ...rest } = given
    const object: KubeObject = { ...rest, metadata, ...statusOf(type.statusSubresource ? stored : given) }
    const errors = new FieldErrors()
    checkMetadataUpdate(metadata, stored.metadata, errors)
    this.#checkMetadataErrors(type, errors, object, stored)
    const prepared = this.#strategyOf(type).prepare(object, stored, { dryRun })
    const replaced = this.#replace(storedTypeOf(type), withGeneration(type, prepared, stored), dryRun)
    return presented(type, replaced)
  }

  /** Replaces the status, and of the metadata what a client may write; nothing else. */
  updateStatus(type: ResourceType, input: unknown, options: WriteOptions = {}): KubeObject {
    const { dryRun = false } = options
    const given = decoded(type, input, options)
    const { stored, metadata } = this.#forUpdate(type, given)
    const { status: _, ...rest } = stored
    const errors = new FieldErrors()
    checkMetadataUpdate(metadata, stored.metadata, errors)
    if (errors.causes.length > 0) throw invalid(type, metadata.name ?? '', errors.causes)
    const object: KubeObject = { ...rest, metadata, ...statusOf(given) }
    const prepared = this.#strategyOf(type).prepareStatus?.(object, stored) ?? object
    return this.#replace(type, withGeneration(type, prepared, stored), dryRun)
  }

  /**
   * Deletes an object, if it is still the one that the preconditions name (409). It stays, terminating, while
   * finalizers hold it or its grace period lasts.
   */
  delete(type: ResourceType, name: ObjectName, options: DeleteOptions = {}): Deletion {
    this.#stored(type, name)
    const { object, gone } = deleteObject(this.#deletion, storedTypeOf(type), name, options)
    return { object: presented(type, object), gone }
  }

  /** Goes on with the deletions that an earlier life was in the middle of. */
  resumeDeletions(): void {
    resumeDeletions(this.#deletion)
  }

  /**
   * Makes an object be as given, status included: what a manifest's or a test's author means. Where it exists, its
   * labels and annotations are replaced, and allocated fields that the author left out stay.
   */
  apply(input: unknown, options: Pick<WriteOptions, 'dryRun'> = {}): Applied {
    const { apiVersion, kind, metadata } = (input ?? {}) as Partial<KubeObject>
    const type = resourceOfKind(String(apiVersion), String(kind))
    if (!type) throw badRequest(`no resource for apiVersion "${apiVersion}" and kind "${kind}"`)
    const { dryRun = false } = options
    const given = decodeObject(type, input).object
    const before = this.store.get(storedTypeOf(type), objectKey(given))
    const { resourceVersion: _, ...unversioned } = given.metadata
    const writing = { dryRun, decoded: true }
    let object = before
      ? this.update(
          type,
          { ...given, metadata: metadata?.resourceVersion ? given.metadata : unversioned },
          writing,
        )
      : this.create(type, { ...given, metadata: unversioned }, writing)
    const status: unknown = given['status']
    if (type.statusSubresource && status !== undefined && !isDeepStrictEqual(object['status'], status)) {
      // A controller may have written to it already, in answer to the first write.
      const { resourceVersion: __, ...metadataNow } = object.metadata
      const next = { ...object, metadata: metadataNow, status }
      object = dryRun ? { ...object, status } : this.updateStatus(type, next, writing)
    }
    const { resourceVersion } = object.metadata
    const unchanged = before !== undefined && before.metadata.resourceVersion === resourceVersion
    return { outcome: !before ? 'created' : unchanged ? 'unchanged' : 'configured', object }
  }

  #stored(type: ResourceType, name: ObjectName): KubeObject {
    const object = this.store.get(storedTypeOf(type), objectKey({ metadata: name }))
    if (!object) throw notFound(type, name.name)
    return object
  }

  /** The name as given, or a generated one that no object has yet, as far as a few tries find one. */
  #freeName(type: ResourceType, metadata: StoredMeta): string {
    const { namespace = '' } = metadata
    const kept = storedTypeOf(type)
    const isTaken = (name: string) => this.store.get(kept, objectKey({ metadata: { namespace, name } }))
    let name = nameOrGenerated(metadata)
    for (let tries = 1; tries < maxNameTries && !metadata.name && isTaken(name); tries++) {
      name = nameOrGenerated(metadata)
    }
    return name
  }

  /** What an update starts from, after its conditions: the stored object and the metadata to write. */
  #forUpdate(type: ResourceType, given: KubeObject) {
    const { namespace = '', name = '' } = given.metadata
    const stored = this.#stored(type, { namespace, name })
    const before = metaOf(stored)
    const { uid, creationTimestamp, deletionTimestamp, deletionGracePeriodSeconds } = before
    if (given.metadata.uid && given.metadata.uid !== uid) {
      const why = `Precondition failed: UID in precondition: ${given.metadata.uid}, UID in object meta: ${uid}`
      throw conflict(type, name, why)
    }
    const { resourceVersion } = given.metadata
    if (resourceVersion && resourceVersion !== before.resourceVersion) {
      if (!/^\d+$/.test(resourceVersion)) {
        throw badRequest(`metadata.resourceVersion "${resourceVersion}" is no version of this server's`)
      }
      throw modified(type, name)
    }
    const { deletionTimestamp: _, deletionGracePeriodSeconds: __, ...authored } = metaOf(given)
    const metadata: StoredMeta = {
      ...authored,
      ...(uid === undefined ? {} : { uid }),
      ...(creationTimestamp === undefined ? {} : { creationTimestamp }),
      ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }),
      ...(deletionGracePeriodSeconds === undefined ? {} : { deletionGracePeriodSeconds }),
    }
    return { stored, metadata }
  }

  #replace(type: ResourceType, object: KubeObject, dryRun: boolean): KubeObject {
    if (dryRun) return this.#asStored(type, object)
    const updated = this.#write(type, object, () => this.store.update(type, object))
    // The last finalizer is what held a deleted object.
    return isReleased(updated) ? finishDeletion(this.#deletion, type, updated) : updated
  }

  /** Writes what a strategy has prepared. If that fails (a full disk), what it allocated is given back. */
  #write(type: ResourceType, prepared: KubeObject, write: () => KubeObject): KubeObject {
    const key = objectKey(prepared)
    const before = this.store.get(type, key)
    try {
      return write()
    } catch (error) {
      if (this.store.get(type, key) !== before) throw error
      const strategy = this.#strategyOf(type)
      strategy.released?.(prepared)
      if (before) strategy.adopted?.(before)
      throw error
    }
  }

  /** A dry run's object has the version that is stored: it changes nothing. */
  #asStored(type: ResourceType, object: KubeObject): KubeObject {
    const { resourceVersion = '' } = this.store.get(type, objectKey(object))?.metadata ?? {}
    return { ...object, metadata: { ...object.metadata, resourceVersion } }
  }

  /** Throws a 422 for what is wrong with the metadata, together with all that its kind finds. */
  #checkMetadataErrors(
    type: ResourceType,
    { causes }: FieldErrors,
    object: KubeObject,
    stored?: KubeObject,
  ): void {
    if (causes.length === 0) return
    const more = causesOf(() => this.#strategyOf(type).prepare(object, stored, { dryRun: true }))
    throw invalid(type, object.metadata.name ?? '', [...causes, ...more])
  }

  #checkNamespace(type: ResourceType, { namespace = '', name = '' }: StoredMeta): void {
    const stored = this.store.get(namespaces, namespace)
    if (!stored) throw notFound(namespaces, namespace)
    if (stored.metadata.deletionTimestamp === undefined) return
    const why = `unable to create new content in namespace ${namespace} because it is being terminated`
    const message = `namespace ${namespace} is being terminated`
    const cause = { reason: 'NamespaceTerminating', message, field: 'metadata.namespace' }
    throw forbiddenObject(type, name, why, [cause])
  }
}

/** The input as its resource stores it. Throws a 400 for what has another shape. */
function decoded(type: ResourceType, input: unknown, options: WriteOptions): KubeObject {
  const object = options.decoded ? (input as KubeObject) : decodeObject(type, input).object
  return type.conversion?.toStored(object) ?? object
}

/** The resource whose objects these are: another one's, for a resource that is its second form. */
function storedTypeOf(type: ResourceType): ResourceType {
  return type.conversion?.stored ?? type
}

function presented(type: ResourceType, stored: KubeObject): KubeObject {
  return type.conversion?.fromStored(stored) ?? stored
}

function causesOf(prepare: () => unknown): readonly StatusCause[] {
  try {
    prepare()
  } catch (error) {
    if (error instanceof StatusError) return error.status.details?.causes ?? []
    throw error
  }
  return []
}

function statusOf(object: KubeObject): { readonly status?: unknown } {
  return object['status'] === undefined ? {} : { status: object['status'] }
}
