// JSON merge patch, RFC 7386.

import { isMapping } from './patch-schema.ts'

/** What `target` becomes: null removes, mappings merge, everything else replaces. Neither argument is changed. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isMapping(patch)) return patch
  // A Map, and not assignments: a key "__proto__" is then a key like any other.
  const merged = new Map(Object.entries(isMapping(target) ? target : {}))
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) merged.delete(key)
    else merged.set(key, mergePatch(merged.get(key), value))
  }
  return Object.fromEntries(merged)
}
