// What an agent and its workers say to each other over the IPC channel: plain JSON, in order, either way. A message
// with an `id` is answered by `done` with the same one, once its work is done.

import type { ServicePortStatus } from '../dataplane/data-plane.ts'
import type { DataPlaneOptions } from '../dataplane/local-data-plane.ts'
import type { SharedFact } from '../dataplane/shared-facts.ts'
import type { ServicePort, ServicePortKey, TableUpdate } from '../model/proxy-table.ts'
import type { AccessLogSettings } from '../ops/access-log.ts'
import type { ServicePortInspection } from '../ops/endpoint-detail.ts'
import type { LogFormat, LogLevel } from '../ops/log.ts'
import type { WorkerStatus } from '../ops/status.ts'

/** What a worker's data plane is made with: everything that can be sent. */
export interface WorkerDataPlaneOptions extends Omit<
  DataPlaneOptions,
  'engine' | 'clock' | 'log' | 'random' | 'onFact' | 'accessLog'
> {
  /** The path of the network namespace that has the VIPs; null: they are in the worker's own. */
  readonly vipNamespace: string | null
}

/** What a worker runs with, for its whole life. */
export interface WorkerOptions {
  readonly dataPlane: WorkerDataPlaneOptions
  readonly log: { readonly level: LogLevel; readonly format: LogFormat }
  /** How long a worker that has lost its agent serves on without a new one. */
  readonly orphanGraceMs: number
  /** How long connections may go on when a worker ends by itself: by SIGTERM, or as an orphan. */
  readonly shutdownTimeoutMs: number
  /** Where orphans are found by a new agent (in its folder `workers`); null: only the grace ends them. */
  readonly stateDir: string | null
  /** Absent or null: no line for any connection. */
  readonly accessLog?: AccessLogSettings | null
}

export type ToWorker =
  /** The first one. `members`: the workers that share the frontends that only one of them may have. */
  | {
      readonly type: 'start'
      readonly id: number
      readonly index: number
      readonly members: readonly number[]
      readonly options: WorkerOptions
    }
  /** A piece of a large update, to be put before what the next `apply` brings. */
  | { readonly type: 'part'; readonly servicePorts: readonly ServicePort[] }
  | { readonly type: 'apply'; readonly id: number; readonly update: TableUpdate }
  | { readonly type: 'members'; readonly id: number; readonly members: readonly number[] }
  /** Others are about to open this worker's frontends as well: flows must not move to them. */
  | { readonly type: 'prepare-hand-over'; readonly id: number }
  | { readonly type: 'facts'; readonly facts: readonly SharedFact[] }
  | { readonly type: 'ping'; readonly id: number }
  /** Answered by `status` before the `done`. */
  | { readonly type: 'status'; readonly id: number }
  /** Answered by `inspected` before the `done`. */
  | {
      readonly type: 'inspect'
      readonly id: number
      readonly keys: readonly ServicePortKey[]
      readonly clientIp: string | null
    }
  /** The file of the access log has been renamed, or may have been. */
  | { readonly type: 'reopen-access-log' }
  /** Takes nobody new, and ends when nothing is left or the time is over. */
  | { readonly type: 'drain'; readonly timeoutMs: number | null }
  /** Ends now. */
  | { readonly type: 'close' }

export type FromWorker =
  | { readonly type: 'ready' }
  | { readonly type: 'done'; readonly id: number }
  | { readonly type: 'facts'; readonly facts: readonly SharedFact[] }
  | StatusReport
  /** With the question's `id`. */
  | {
      readonly type: 'inspected'
      readonly id: number
      readonly servicePorts: readonly ServicePortInspection[]
    }
  /** It was told so by somebody else: it takes nobody new and ends when nothing is left. */
  | { readonly type: 'draining' }
  /** Why it is about to end, by its own account. */
  | { readonly type: 'failed'; readonly reason: string }

/** Only what differs from the worker's last report: most service ports are idle between two. */
export interface StatusReport {
  readonly type: 'status'
  readonly worker: WorkerStatus
  readonly changed: readonly ServicePortStatus[]
  readonly removed: readonly ServicePortKey[]
}
