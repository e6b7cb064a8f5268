// The difference between what a data plane has and what it should have, for a set of service ports. Applying
// the result of `diffServicePorts(old, new)` to `old` gives `new`, and equal tables give null.

import type { Frontend, ServicePort, ServicePortKey } from './proxy-table.ts'

export interface TableDiff {
  readonly changed: readonly ServicePort[]
  readonly removed: readonly ServicePortKey[]
}

/** Compares two sets of service ports. Null where nothing differs. */
export function diffServicePorts(
  before: ReadonlyMap<ServicePortKey, ServicePort>,
  after: ReadonlyMap<ServicePortKey, ServicePort>,
): TableDiff | null {
  const changed = [...after.values()].filter(port => !sameServicePort(before.get(port.key), port))
  const removed = [...before.keys()].filter(key => !after.has(key))
  return changed.length === 0 && removed.length === 0 ? null : { changed, removed }
}

/** Applies a diff in place. */
export function applyDiff(table: Map<ServicePortKey, ServicePort>, diff: TableDiff): void {
  for (const key of diff.removed) table.delete(key)
  for (const port of diff.changed) table.set(port.key, port)
}

function sameServicePort(a: ServicePort | undefined, b: ServicePort): boolean {
  return (
    a !== undefined &&
    a.type === b.type &&
    a.affinityTimeoutSeconds === b.affinityTimeoutSeconds &&
    sameList(a.cluster, b.cluster) &&
    sameList(a.local, b.local) &&
    sameList(a.serving, b.serving) &&
    a.frontends.length === b.frontends.length &&
    a.frontends.every((frontend, index) => sameFrontend(frontend, b.frontends[index]))
  )
}

function sameFrontend(a: Frontend, b: Frontend | undefined): boolean {
  return (
    a.kind === b?.kind && a.ip === b.ip && a.port === b.port && a.list === b.list && a.conflict === b.conflict
  )
}

function sameList(a: readonly string[] | null, b: readonly string[] | null): boolean {
  if (a === null || b === null) return a === b
  return a.length === b.length && a.every((entry, index) => entry === b[index])
}
