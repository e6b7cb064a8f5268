// Strategic merge patch, Kubernetes' own: like a JSON merge patch, but lists of mappings are merged by a key of their
// items and some lists of plain values as sets, as the schema says, and the patch may hold directives. kubectl makes
// such patches for apply and edit. Rules: apimachinery pkg/util/strategicpatch/patch.go.

import type { Schema } from '../../model/schema.ts'
import { badRequest } from '../kinds/status.ts'
import { isMapping, listSchema, memberSchema, type Mapping } from './patch-schema.ts'

const directive = '$patch'
const retainKeys = '$retainKeys'
const deleteFromList = '$deleteFromPrimitiveList/'
const elementOrder = '$setElementOrder/'

/** What `original` becomes; neither argument is changed. Throws a 400 for a patch that makes no sense. */
export function strategicMergePatch(original: unknown, patch: unknown, schema: Schema | undefined): unknown {
  if (!isMapping(patch)) throw badRequest('a strategic merge patch is a mapping')
  return mergeMapping(isMapping(original) ? original : {}, patch, schema)
}

function mergeMapping(original: Mapping, patch: Mapping, schema: Schema | undefined): Mapping {
  if (Object.hasOwn(patch, directive)) {
    const { [directive]: what, ...rest } = patch
    if (what === 'replace') return rest
    if (what === 'delete') return {}
    throw badRequest(`unknown patch type: ${JSON.stringify(what)}`)
  }
  // A Map, and not assignments: a key "__proto__" is then a key like any other.
  const merged = new Map(Object.entries(original))
  if (Object.hasOwn(patch, retainKeys)) retain(merged, patch)
  const ordered = new Set<string>()
  for (const [key, order] of Object.entries(patch)) {
    if (!key.startsWith(elementOrder)) continue
    const name = key.slice(elementOrder.length)
    ordered.add(name)
    mergeOrdered(merged, name, { patch: patch[name], order, schema: memberSchema(schema, name) })
  }
  for (const [key, value] of Object.entries(patch)) {
    if (key === retainKeys || key.startsWith(elementOrder) || ordered.has(key)) continue
    if (key.startsWith(deleteFromList)) {
      const name = key.slice(deleteFromList.length)
      if (!Array.isArray(value)) throw badRequest(`${key} must be a list`)
      const present = merged.get(name)
      if (Array.isArray(present)) merged.set(name, without(present, value))
      continue
    }
    if (value === null) merged.delete(key)
    else merged.set(key, mergeValue(merged.get(key), value, memberSchema(schema, key)))
  }
  return Object.fromEntries(merged)
}

function mergeValue(original: unknown, patch: unknown, schema: Schema | undefined): unknown {
  if (isMapping(patch)) {
    // Also where nothing is there yet: its directives and nulls are for the patch alone.
    return mergeMapping(isMapping(original) ? original : {}, patch, schema)
  }
  if (!Array.isArray(patch)) return patch
  const list = listSchema(schema)
  if (!list?.merge) return patch
  return Array.isArray(original) ? mergeList(original, patch, list) : newList(patch, list)
}

type MergedList = NonNullable<ReturnType<typeof listSchema>>

/** A list where there was none: its items as they are, also several with one key, but without directives. */
function newList(patch: readonly unknown[], { items, merge }: MergedList): unknown[] {
  if (merge === 'set') return [...patch]
  return mappingsOf(patch)
    .filter(item => !Object.hasOwn(item, directive))
    .map(item => mergeMapping({}, item, items))
}

function mergeList(original: readonly unknown[], patch: readonly unknown[], list: MergedList): unknown[] {
  if (list.merge === undefined || list.merge === 'set') {
    const present = [...new Set([...original, ...patch])]
    return inOrder(present, item => item, patch, original)
  }
  const { key } = list.merge
  const { items, remaining } = mergeItems(original, patch, list.items, key)
  const keyed = remaining.map(item => keyOf(item, key))
  return inOrder(items, item => keyOf(item, key), keyed, originalKeys(original, key))
}

/** The merged items, before they are put in order, and the patch's items that aren't directives. */
function mergeItems(original: readonly unknown[], patch: readonly unknown[], schema: Schema, key: string) {
  const remaining: Mapping[] = []
  const deleted = new Set<unknown>()
  let replaced = false
  for (const item of mappingsOf(patch)) {
    const what = item[directive]
    if (what === undefined) remaining.push(item)
    else if (what === 'replace') replaced = true
    else if (what === 'delete') deleted.add(keyOf(item, key))
    else throw badRequest(`unknown patch type: ${JSON.stringify(what)} in a list that is merged by "${key}"`)
  }
  if (replaced) return { items: remaining, remaining }
  // The first of several with the same key is the one that is meant; the others stay.
  const merged = mappingsOf(original).filter(item => !deleted.has(item[key]))
  const places = new Map<unknown, number>()
  for (const [i, item] of merged.entries()) if (!places.has(item[key])) places.set(item[key], i)
  for (const item of remaining) {
    const identity = keyOf(item, key)
    const place = places.get(identity) ?? merged.length
    places.set(identity, place)
    merged[place] = mergeMapping(merged[place] ?? {}, item, schema)
  }
  return { items: merged, remaining }
}

/** A list whose order the patch gives in a parallel list, `$setElementOrder/NAME`. */
function mergeOrdered(
  merged: Map<string, unknown>,
  name: string,
  { patch, order, schema }: { patch: unknown; order: unknown; schema: Schema | undefined },
): void {
  const list = listSchema(schema)
  if (!Array.isArray(order)) throw badRequest(`${elementOrder}${name} must be a list`)
  if (patch !== undefined && !Array.isArray(patch))
    throw badRequest(`${name} must be a list, as its order is given`)
  if (!list?.merge)
    throw badRequest(`${name} is no list that is merged, so ${elementOrder}${name} means nothing`)
  const { merge } = list
  const present = merged.get(name)
  const original: readonly unknown[] | undefined = Array.isArray(present) ? present : undefined
  if (!original && patch === undefined) return
  const identityOf = (item: unknown): unknown => (merge === 'set' ? item : keyOf(item, merge.key))
  const wanted = order.map(item => identityOf(item))
  checkOrder(name, patch ?? [], wanted, identityOf)
  const items = patch === undefined ? (original ?? []) : (mergeValue(original, patch, schema) as unknown[])
  const before = merge === 'set' ? (original ?? []) : originalKeys(original ?? [], merge.key)
  merged.set(name, inOrder(items, identityOf, wanted, before))
}

/** The patch's items must be in the given order, in that order. */
function checkOrder(
  name: string,
  patch: readonly unknown[],
  wanted: readonly unknown[],
  identityOf: (item: unknown) => unknown,
): void {
  if (wanted.length === 0) return
  const places = new Map(wanted.map((identity, i) => [identity, i]))
  let last = -1
  for (const item of patch) {
    if (isMapping(item) && Object.hasOwn(item, directive)) continue
    const place = places.get(identityOf(item)) ?? -1
    if (place <= last)
      throw badRequest(`The order in patch list of ${name} doesn't match ${elementOrder}${name}`)
    last = place
  }
}

/**
 * Items that the patch names come in its order, and those that only the server has keep their places among them: one
 * comes before the first of the patch's that it already came before.
 */
function inOrder<T>(
  items: readonly T[],
  identityOf: (item: T) => unknown,
  wanted: readonly unknown[],
  original: readonly unknown[],
): T[] {
  const wantedPlace = new Map(wanted.map((identity, i) => [identity, i]))
  const originalPlace = new Map(original.map((identity, i) => [identity, i]))
  const placeIn = (places: ReadonlyMap<unknown, number>, item: T) => places.get(identityOf(item))
  const isNamed = (item: T) => placeIn(wantedPlace, item) !== undefined
  const named = items
    .filter(item => isNamed(item))
    .sort((a, b) => (placeIn(wantedPlace, a) ?? 0) - (placeIn(wantedPlace, b) ?? 0))
  const others = items.filter(item => !isNamed(item))
  const result: T[] = []
  let next = 0
  for (const item of named) {
    const place = placeIn(originalPlace, item)
    // A new item has no place yet, and lets none of the server's before it.
    if (place !== undefined) {
      for (let other = others[next]; other !== undefined; other = others[++next]) {
        if ((placeIn(originalPlace, other) ?? Infinity) > place) break
        result.push(other)
      }
    }
    result.push(item)
  }
  return [...result, ...others.slice(next)]
}

function retain(merged: Map<string, unknown>, patch: Mapping): void {
  const names = patch[retainKeys]
  if (!Array.isArray(names)) throw badRequest('invalid patch format of retainKeys')
  const kept = new Set<unknown>(names)
  for (const [key, value] of Object.entries(patch)) {
    if (key === retainKeys || value === null) continue
    if (key.startsWith(deleteFromList) || key.startsWith(elementOrder)) continue
    if (!kept.has(key)) throw badRequest('invalid patch format of retainKeys')
  }
  for (const key of merged.keys()) if (!kept.has(key)) merged.delete(key)
}

function without(list: readonly unknown[], removed: readonly unknown[]): unknown[] {
  const gone = new Set(removed)
  return list.filter(item => !gone.has(item))
}

function originalKeys(items: readonly unknown[], key: string): readonly unknown[] {
  return mappingsOf(items).map(item => item[key])
}

function mappingsOf(items: readonly unknown[]): readonly Mapping[] {
  return items.map(item => {
    if (!isMapping(item)) throw badRequest('list element types are not identical: an item is no mapping')
    return item
  })
}

function keyOf(item: unknown, key: string): unknown {
  const value = isMapping(item) ? item[key] : undefined
  if (value === undefined || value === null) {
    throw badRequest(`map: ${JSON.stringify(item)} does not contain declared merge key: ${key}`)
  }
  return value
}
