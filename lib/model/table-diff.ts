// The difference between what a data plane has and what it should have, for a set of service ports. Applying
// the result of `diffServicePorts(old, new)` to `old` gives `new`, and equal tables give null.

import type { ServicePort, ServicePortKey } from './proxy-table.ts'

export interface TableDiff {
  readonly changed: readonly ServicePort[]
  readonly removed: readonly ServicePortKey[]
}

/** Compares two sets of service ports. Null where nothing differs. */
export function diffServicePorts(
  before: ReadonlyMap<ServicePortKey, ServicePort>,
  after: ReadonlyMap<ServicePortKey, ServicePort>,
): TableDiff | null {
  const changed = [...after.values()].filter(port => !isSame(before.get(port.key), port))
  const removed = [...before.keys()].filter(key => !after.has(key))
  return changed.length === 0 && removed.length === 0 ? null : { changed, removed }
}

/** Applies a diff in place. */
export function applyDiff(table: Map<ServicePortKey, ServicePort>, diff: TableDiff): void {
  for (const key of diff.removed) table.delete(key)
  for (const port of diff.changed) table.set(port.key, port)
}

/** Deep equality of plain JSON: whatever a service port is made of, now or later, none of it is forgotten. */
function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((entry, index) => isSame(entry, b[index]))
  }
  const left = Object.entries(a)
  const right = b as Readonly<Record<string, unknown>>
  return (
    !Array.isArray(b) &&
    left.length === Object.keys(b).length &&
    left.every(([key, entry]) => key in right && isSame(entry, right[key]))
  )
}
