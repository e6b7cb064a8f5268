// Server-side apply without ownership of fields: what is applied is merged into the object, and what isn't mentioned
// stays. Lists are merged by their items' keys as the schema says: for ports the protocol is one of them, so that a
// Service can have port 53 twice.

import type { Schema } from '../../model/schema.ts'
import { isMapping, listSchema, memberSchema } from './patch-schema.ts'

/** A key that an item leaves out has its default, if it has one. */
const keyDefaults: ReadonlyMap<string, string> = new Map([['protocol', 'TCP']])

/** What `live` becomes. Neither argument is changed. */
export function applyPatch(live: unknown, applied: unknown, schema: Schema | undefined): unknown {
  if (isMapping(applied) && !(schema?.type === 'object' && schema.atomic)) {
    // A Map, and not assignments: a key "__proto__" is then a key like any other.
    const merged = new Map(Object.entries(isMapping(live) ? live : {}))
    for (const [key, value] of Object.entries(applied)) {
      merged.set(key, applyPatch(merged.get(key), value, memberSchema(schema, key)))
    }
    return Object.fromEntries(merged)
  }
  const list = listSchema(schema)
  if (!list?.merge || !Array.isArray(applied)) return applied
  // Also where there is no list yet: an item that is applied twice is one item.
  const items: readonly unknown[] = Array.isArray(live) ? live : []
  if (list.merge === 'set') return [...new Set([...items, ...applied])]
  const { key, mapKeys = [key] } = list.merge
  return applyItems(items, applied, list.items, mapKeys)
}

function applyItems(
  live: readonly unknown[],
  applied: readonly unknown[],
  schema: Schema,
  keys: readonly string[],
): readonly unknown[] {
  const identityOf = (item: unknown): string =>
    JSON.stringify(isMapping(item) ? keys.map(key => item[key] ?? keyDefaults.get(key)) : item)
  const merged = new Map(live.map(item => [identityOf(item), item]))
  for (const item of applied) {
    const identity = identityOf(item)
    merged.set(identity, applyPatch(merged.get(identity), item, schema))
  }
  return [...merged.values()]
}
