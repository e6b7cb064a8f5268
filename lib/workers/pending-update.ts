// Several table updates as one: what a worker gets that couldn't be told of each in turn. Applying the result is the
// same as applying them in order.

import type { ServicePort, ServicePortKey, TableUpdate } from '../model/proxy-table.ts'

/** `after` is the later one. */
export function mergeUpdates(before: TableUpdate | null, after: TableUpdate): TableUpdate {
  if (before === null || after.type === 'snapshot') return after
  const { generation, localSources } = after
  const ports = before.type === 'snapshot' ? before.servicePorts : before.changed
  const changed = new Map<ServicePortKey, ServicePort>(ports.map(port => [port.key, port]))
  for (const key of after.removed) changed.delete(key)
  for (const port of after.changed) changed.set(port.key, port)
  if (before.type === 'snapshot') {
    return { type: 'snapshot', generation, localSources, servicePorts: [...changed.values()] }
  }
  const removed = [...new Set([...before.removed, ...after.removed])].filter(key => !changed.has(key))
  return { type: 'delta', generation, localSources, changed: [...changed.values()], removed }
}

/** Large updates go out in pieces of so many service ports: a worker goes on with its connections in between. */
export const portsPerPart = 250

/** The pieces that go ahead, and the update that ends them. */
export function splitUpdate(update: TableUpdate): {
  readonly parts: readonly (readonly ServicePort[])[]
  readonly last: TableUpdate
} {
  const ports = update.type === 'snapshot' ? update.servicePorts : update.changed
  const parts: (readonly ServicePort[])[] = []
  let next = 0
  for (; ports.length - next > portsPerPart; next += portsPerPart) {
    parts.push(ports.slice(next, next + portsPerPart))
  }
  return { parts, last: withPorts(update, ports.slice(next)) }
}

/** The inverse: `parts` as they came. */
export function joinUpdate(parts: readonly ServicePort[], last: TableUpdate): TableUpdate {
  return withPorts(last, [...parts, ...(last.type === 'snapshot' ? last.servicePorts : last.changed)])
}

function withPorts(update: TableUpdate, ports: readonly ServicePort[]): TableUpdate {
  return update.type === 'snapshot' ? { ...update, servicePorts: ports } : { ...update, changed: ports }
}
