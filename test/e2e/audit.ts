// What the agent asked the API server for, by the server's own account: its audit log.

import { existsSync, readFileSync } from 'node:fs'
import type { Cluster } from './cluster.ts'
import { agentUser } from './service-account.ts'

export interface AuditEvent {
  readonly verb: string
  readonly requestURI: string
  readonly user: { readonly username: string }
  readonly objectRef?: { readonly resource?: string; readonly apiGroup?: string }
  readonly responseStatus?: { readonly code?: number }
}

/** All requests of the agent's user so far, in order; long ones twice, as they start and as they end. */
export function agentRequests(cluster: Cluster): readonly AuditEvent[] {
  // The server writes its first line when a service account first asks for something.
  if (!existsSync(cluster.apiserver.auditFile)) return []
  const lines = readFileSync(cluster.apiserver.auditFile, 'utf8').trimEnd().split('\n')
  const events = lines.map(line => JSON.parse(line) as AuditEvent)
  return events.filter(event => event.user.username === agentUser)
}
