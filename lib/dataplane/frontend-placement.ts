// Which worker opens a frontend. Most are opened by all of them, and the kernel spreads the connections. Some belong to
// one: UDP frontends, because a client's datagrams must always meet the same flow, and those of a Service with a
// connection limit, because one process can count exactly. Each worker knows by itself which are its own.

import type { ServicePort } from '../model/proxy-table.ts'
import { hashOf, weight } from '../policy/rendezvous.ts'
import { serviceName } from './connection-limits.ts'

/** The workers that take part, by number, and which of them this one is. */
export interface Members {
  readonly own: number
  readonly all: readonly number[]
}

/** Whether this worker opens the frontend; `frontendKey` is its protocol and address. */
export function isOwn(members: Members, port: ServicePort, frontendKey: string): boolean {
  const key = placementKey(port, frontendKey)
  return key === null || ownerOf(members.all, key) === members.own
}

/** What decides about the worker: equal for all frontends that must be together; null where every worker opens it. */
function placementKey(port: ServicePort, frontendKey: string): string | null {
  if (port.protocol === 'UDP') return frontendKey
  // The limit holds over all frontends of a Service, so they stay together.
  return port.settings.maxConnections === null ? null : serviceName(port)
}

/** The member that weighs most; of equals, the lowest number. */
function ownerOf(members: readonly number[], key: string): number | null {
  const keyHash = hashOf(key)
  let owner: number | null = null
  let heaviest = -1
  for (const member of members) {
    const weighs = weight(keyHash, hashOf(`worker ${member}`))
    if (weighs < heaviest || (weighs === heaviest && owner !== null && member > owner)) continue
    owner = member
    heaviest = weighs
  }
  return owner
}
