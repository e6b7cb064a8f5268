// What the control side sees of a data plane, wherever it runs: in the agent's own process today, behind a
// process boundary tomorrow. Everything that crosses is plain JSON.

import type { ServicePortKey, TableUpdate } from '../model/proxy-table.ts'
import type { ServicePortInspection } from '../ops/endpoint-detail.ts'
import type { ConnectionCounts, WorkerRestarts, WorkerStatus } from '../ops/status.ts'
import type { FailureReason } from './service-state.ts'

export interface FrontendStatus {
  readonly address: string
  readonly state: 'listening' | 'refusing' | 'binding' | 'bind-failed'
  /** For bind-failed: the system's code, such as EADDRINUSE. */
  readonly reason?: string
}

export interface ConnectionStatus extends ConnectionCounts {
  readonly failures: Readonly<Record<FailureReason, number>>
}

export interface ServicePortStatus {
  readonly key: ServicePortKey
  readonly frontends: readonly FrontendStatus[]
  /** Endpoints that get no new connections for now because dials to them keep failing. */
  readonly setAside: readonly string[]
  readonly connections: ConnectionStatus
}

/** The sums over all workers; `pid` is the asked process's own, `generation` what all of them have applied. */
export interface DataPlaneStatus extends Omit<WorkerStatus, 'index' | 'draining' | 'responding'> {
  readonly servicePorts: readonly ServicePortStatus[]
  readonly workers: readonly WorkerStatus[]
  readonly workerRestarts: WorkerRestarts
}

export interface DataPlane {
  /**
   * Applies an update. Resolves when every frontend it touches is listening, refusing or known to have failed;
   * never rejects because one of them failed. Updates are applied in the order of the calls.
   */
  apply(update: TableUpdate): Promise<void>
  status(): Promise<DataPlaneStatus>
  /** A closer look at a few service ports, for whoever asks about them; changes nothing. Unknown keys are left out. */
  inspect(keys: readonly ServicePortKey[], clientIp: string | null): Promise<readonly ServicePortInspection[]>
  /**
   * To be awaited before another data plane opens the same addresses: from then on each UDP client's datagrams come
   * here as long as its flow lasts, although both sockets could get them.
   */
  prepareHandOver?(): Promise<void>
  /**
   * Takes nobody new: closes the listeners, and lets what is established go on until it ends or `timeoutMs` have passed
   * (null: however long it takes). Resolves when nothing is left. Updates are still to be applied meanwhile, for the
   * endpoints that go.
   */
  drain(timeoutMs: number | null): Promise<void>
  /** Closes listeners, flows and connections. May be called twice. */
  close(): Promise<void>
}
