// What the server itself writes into an object's metadata: names, times and generations.

import { randomInt } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { KubeObject, ObjectMeta } from '../../model/objects.ts'
import { endpointSlices, pods, type ResourceType } from '../kinds/resources.ts'

/** The metadata that only this server reads, beside what all of kube-relay does. */
export interface StoredMeta extends ObjectMeta {
  readonly generateName?: string
  readonly generation?: number
  readonly finalizers?: readonly string[]
  readonly deletionGracePeriodSeconds?: number
}

/** The kinds whose generation counts changes of what their author wants. */
const counted: ReadonlySet<ResourceType> = new Set([endpointSlices, pods])
const suffixLetters = 'bcdfghjklmnpqrstvwxz2456789'
/** So that a generated name is at most 63 characters long, which every kind allows. */
const maxPrefixLength = 58

export function metaOf(object: KubeObject): StoredMeta {
  return object.metadata
}

/** The name, or one made of its prefix and five random characters. */
export function nameOrGenerated({ name, generateName }: StoredMeta): string {
  if (name || !generateName) return name ?? ''
  const suffix = Array.from({ length: 5 }, () => suffixLetters[randomInt(suffixLetters.length)])
  return generateName.slice(0, maxPrefixLength) + suffix.join('')
}

export function finalizersOf(object: KubeObject): readonly string[] {
  return metaOf(object).finalizers ?? []
}

/** A time as objects carry it, to the second. */
export function timestampOf(time: Date): string {
  return time.toISOString().replace(/\.\d+Z$/, 'Z')
}

/** The object with the generation that its change makes: 1 at first, one more whenever what is wanted changes. */
export function withGeneration(type: ResourceType, object: KubeObject, stored?: KubeObject): KubeObject {
  const { generation: _, ...metadata } = metaOf(object)
  const before = stored && metaOf(stored).generation
  if (!counted.has(type)) {
    const kept: StoredMeta = before === undefined ? metadata : { ...metadata, generation: before }
    return { ...object, metadata: kept }
  }
  const changed = !stored || !isDeepStrictEqual(wanted(type, object), wanted(type, stored))
  const counting: StoredMeta = { ...metadata, generation: (before ?? 0) + (changed ? 1 : 0) }
  return { ...object, metadata: counting }
}

/** A deletion is a change of what is wanted, too. */
export function nextGeneration(metadata: StoredMeta): StoredMeta {
  return metadata.generation === undefined ? metadata : { ...metadata, generation: metadata.generation + 1 }
}

function wanted(type: ResourceType, object: KubeObject): unknown {
  if (type === pods) return object['spec']
  const { metadata, ...rest } = object
  return { ...rest, labels: metadata.labels ?? {} }
}
