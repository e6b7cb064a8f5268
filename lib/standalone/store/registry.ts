// The one way in which objects are written: checked against their schema, completed by their kind's strategy, then
// stored, so that what is in the store is always valid. Everything is synchronous, which makes each write atomic.
// (Tests that want invalid objects served put them into the Store directly.)

import { randomInt, randomUUID } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { objectKey, type KubeObject, type ObjectMeta, type ObjectName } from '../../model/objects.ts'
import { FieldErrors } from '../kinds/field-errors.ts'
import { schemaOf } from '../kinds/schemas.ts'
import { checkLabelMap, checkMetadata } from '../kinds/metadata-validation.ts'
import {
  apiVersionOf,
  namespaces,
  resourceOfKind,
  resourceTypes,
  type ResourceType,
} from '../kinds/resources.ts'
import { conform } from '../../model/schema.ts'
import { alreadyExists, badRequest, conflict, forbidden, invalid, notFound } from '../kinds/status.ts'
import type { Store } from './store.ts'
import type { Strategy } from '../kinds/strategy.ts'

export interface RegistryOptions {
  readonly store: Store
  readonly strategyOf: (type: ResourceType) => Strategy
  /** Wall-clock time for creationTimestamp and deletionTimestamp. */
  readonly wallTime?: () => Date
}

export interface Deletion {
  readonly object: KubeObject
  /** False when a finalizer still holds the object: it is terminating, and goes with its last finalizer. */
  readonly gone: boolean
}

export type Applied = {
  readonly outcome: 'created' | 'configured' | 'unchanged'
  readonly object: KubeObject
}

const undeletableNamespaces = new Set(['default', 'kube-system'])
const suffixLetters = 'bcdfghjklmnpqrstvwxz2456789'

export class Registry {
  readonly store: Store
  readonly #strategyOf: (type: ResourceType) => Strategy
  readonly #wallTime: () => Date

  constructor({ store, strategyOf, wallTime = () => new Date() }: RegistryOptions) {
    this.store = store
    this.#strategyOf = strategyOf
    this.#wallTime = wallTime
  }

  /** The object, or 404. */
  get(type: ResourceType, name: ObjectName): KubeObject {
    const object = this.store.get(type, objectKey({ metadata: name }))
    if (!object) throw notFound(type, name.name)
    return object
  }

  create(type: ResourceType, input: unknown): KubeObject {
    const given = this.#decode(type, input)
    const {
      deletionTimestamp: _,
      deletionGracePeriodSeconds: __,
      ...authored
    } = given.metadata as ObjectMeta & {
      readonly deletionGracePeriodSeconds?: number
    }
    const metadata: ObjectMeta = {
      ...authored,
      name: nameOf(given),
      uid: randomUUID(),
      creationTimestamp: this.#now(),
    }
    const object: KubeObject = { ...given, metadata }
    const errors = new FieldErrors()
    checkMetadata(type, metadata, errors)
    if (errors.causes.length > 0) throw invalid(type, metadata.name ?? '', errors.causes)
    if (type.namespaced) this.#checkNamespace(metadata.namespace ?? '')
    if (this.store.get(type, objectKey(object))) throw alreadyExists(type, metadata.name ?? '')
    const strategy = this.#strategyOf(type)
    const { initialStatus } = strategy
    return this.store.create(
      type,
      strategy.prepare(initialStatus ? { ...object, status: initialStatus } : object, undefined, {
        dryRun: false,
      }),
    )
  }

  /** Replaces all but the status, where status is a subresource. A resourceVersion in it is a condition (409). */
  update(type: ResourceType, input: unknown): KubeObject {
    const { given, stored, metadata } = this.#forUpdate(type, input)
    const { status: _, ...rest } = given
    const object: KubeObject = { ...rest, metadata, ...statusOf(type.statusSubresource ? stored : given) }
    const errors = new FieldErrors()
    checkLabelMap(metadata.labels ?? {}, 'metadata.labels', errors)
    if (errors.causes.length > 0) throw invalid(type, metadata.name ?? '', errors.causes)
    const strategy = this.#strategyOf(type)
    const prepared = strategy.prepare(object, stored, { dryRun: false })
    const updated = this.store.update(type, prepared)
    // The last finalizer is what held a deleted object.
    if (metadata.deletionTimestamp !== undefined && finalizersOf(updated).length === 0) {
      return this.#remove(type, updated)
    }
    return updated
  }

  /** Replaces the status and nothing else. */
  updateStatus(type: ResourceType, input: unknown): KubeObject {
    const { given, stored } = this.#forUpdate(type, input)
    const { status: _, ...rest } = stored
    return this.store.update(type, { ...rest, metadata: stored.metadata, ...statusOf(given) })
  }

  /** Deletes an object, if it is still the one that the preconditions name (409). */
  delete(
    type: ResourceType,
    name: ObjectName,
    preconditions: { readonly uid?: string; readonly resourceVersion?: string } = {},
  ): Deletion {
    const stored = this.get(type, name)
    for (const field of ['uid', 'resourceVersion'] as const) {
      const wanted = preconditions[field]
      if (wanted !== undefined && wanted !== stored.metadata[field]) {
        const label = field === 'uid' ? 'UID' : 'ResourceVersion'
        const why = `${label} in precondition: ${wanted}, ${label} in object meta: ${stored.metadata[field]}`
        throw conflict(type, name.name, `Precondition failed: ${why}`)
      }
    }
    if (type === namespaces) this.#emptyNamespace(name.name)
    if (finalizersOf(stored).length > 0) {
      if (stored.metadata.deletionTimestamp !== undefined) return { object: stored, gone: false }
      const metadata = { ...stored.metadata, deletionTimestamp: this.#now() }
      return { object: this.store.update(type, { ...stored, metadata }), gone: false }
    }
    return { object: this.#remove(type, stored), gone: true }
  }

  /**
   * Makes an object be as given, status included: what a manifest's or a test's author means. Where it exists, its
   * labels and annotations are replaced, and allocated fields that the author left out stay.
   */
  apply(input: unknown): Applied {
    const { apiVersion, kind, metadata } = (input ?? {}) as Partial<KubeObject>
    const type = resourceOfKind(String(apiVersion), String(kind))
    if (!type) throw badRequest(`no resource for apiVersion "${apiVersion}" and kind "${kind}"`)
    const decoded = this.#decode(type, input)
    const before = this.store.get(type, objectKey(decoded))
    const { resourceVersion: _, ...unversioned } = decoded.metadata
    let object = before
      ? this.update(type, {
          ...decoded,
          metadata: metadata?.resourceVersion ? decoded.metadata : unversioned,
        })
      : this.create(type, { ...decoded, metadata: unversioned })
    const status: unknown = decoded['status']
    if (type.statusSubresource && status !== undefined && !isDeepStrictEqual(object['status'], status)) {
      object = this.updateStatus(type, { ...object, status })
    }
    return { outcome: !before ? 'created' : object === before ? 'unchanged' : 'configured', object }
  }

  #forUpdate(type: ResourceType, input: unknown) {
    const given = this.#decode(type, input)
    const stored = this.get(type, {
      namespace: given.metadata.namespace ?? '',
      name: given.metadata.name ?? '',
    })
    const { name = '', uid, creationTimestamp, deletionTimestamp, resourceVersion } = stored.metadata
    if (given.metadata.uid && given.metadata.uid !== uid) {
      const why = `Precondition failed: UID in precondition: ${given.metadata.uid}, UID in object meta: ${uid}`
      throw conflict(type, name, why)
    }
    if (given.metadata.resourceVersion && given.metadata.resourceVersion !== resourceVersion) {
      throw conflict(
        type,
        name,
        'the object has been modified; please apply your changes to the latest version and try again',
      )
    }
    const { deletionTimestamp: _, ...authored } = given.metadata
    const metadata: ObjectMeta = {
      ...authored,
      ...(uid === undefined ? {} : { uid }),
      ...(creationTimestamp === undefined ? {} : { creationTimestamp }),
      ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }),
    }
    return { given, stored, metadata }
  }

  /** The input in its resource's shape: 400 for wrong types, unknown fields and nulls dropped. */
  #decode(type: ResourceType, input: unknown): KubeObject {
    if (typeof input !== 'object' || input === null || Array.isArray(input)) {
      throw badRequest(`the body must be a JSON object of kind ${type.kind}`)
    }
    const { value, problems } = conform(schemaOf(type), input)
    const wrong = problems.find(problem => problem.kind === 'wrong-type')
    if (wrong) {
      throw badRequest(
        `${type.kind} in version "${type.version}" cannot be handled as a ${type.kind}: ${wrong.message}`,
      )
    }
    const object = value as Partial<KubeObject>
    const apiVersion = apiVersionOf(type)
    if (object.kind !== undefined && object.kind !== type.kind) {
      throw badRequest(
        `${object.kind} in version "${object.apiVersion ?? ''}" cannot be handled as a ${type.kind}`,
      )
    }
    if (object.apiVersion !== undefined && object.apiVersion !== apiVersion) {
      throw badRequest(
        `the API version in the data (${object.apiVersion}) does not match the expected API version (${apiVersion})`,
      )
    }
    const { namespace, ...metadata } = object.metadata ?? {}
    const placed = type.namespaced ? { ...metadata, namespace: namespace || 'default' } : metadata
    return { ...object, apiVersion, kind: type.kind, metadata: placed }
  }

  #remove(type: ResourceType, stored: KubeObject): KubeObject {
    const deleted = this.store.delete(type, objectKey(stored))
    this.#strategyOf(type).released?.(stored)
    return deleted
  }

  #checkNamespace(name: string): void {
    if (!this.store.get(namespaces, name)) throw notFound(namespaces, name)
  }

  #emptyNamespace(name: string): void {
    if (undeletableNamespaces.has(name)) {
      throw forbidden(`namespaces "${name}" is forbidden: this namespace may not be deleted`)
    }
    for (const type of resourceTypes.filter(candidate => candidate.namespaced)) {
      for (const object of this.store.list(type).items) {
        if (object.metadata.namespace === name) this.#remove(type, object)
      }
    }
  }

  #now(): string {
    return this.#wallTime()
      .toISOString()
      .replace(/\.\d+Z$/, 'Z')
  }
}

function nameOf(object: KubeObject): string {
  const { name, generateName } = object.metadata as ObjectMeta & { readonly generateName?: string }
  if (name || !generateName) return name ?? ''
  const suffix = Array.from({ length: 5 }, () => suffixLetters[randomInt(suffixLetters.length)])
  return generateName + suffix.join('')
}

function finalizersOf(object: KubeObject): readonly string[] {
  return (object.metadata as ObjectMeta & { readonly finalizers?: readonly string[] }).finalizers ?? []
}

function statusOf(object: KubeObject): { readonly status?: unknown } {
  return object['status'] === undefined ? {} : { status: object['status'] }
}
