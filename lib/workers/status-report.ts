// A worker's status as what has changed since its last one: with 10,000 service ports most are as they were, and saying
// so in full would cost both sides more than the proxying of a quiet node.

import type { DataPlaneStatus, ServicePortStatus } from '../dataplane/data-plane.ts'
import type { ServicePortKey } from '../model/proxy-table.ts'
import type { WorkerStatus } from '../ops/status.ts'
import type { StatusReport } from './messages.ts'

/** The worker's side. */
export class StatusReporter {
  readonly #last = new Map<ServicePortKey, ServicePortStatus>()

  report(status: DataPlaneStatus, worker: Pick<WorkerStatus, 'index' | 'draining'>): StatusReport {
    const { pid, engine, generation, activeConnections, udpFlows, descriptors, dialTimes, accessLog } = status
    const changed: ServicePortStatus[] = []
    for (const port of status.servicePorts) {
      const last = this.#last.get(port.key)
      // A data plane gives the same object again where nothing has changed.
      if (last === port) continue
      if (last === undefined || !isSame(last, port)) changed.push(port)
      this.#last.set(port.key, port)
    }
    const removed =
      this.#last.size > status.servicePorts.length ? this.#forgetAllBut(status.servicePorts) : []
    const own = {
      pid,
      engine,
      generation,
      activeConnections,
      udpFlows,
      descriptors,
      dialTimes,
      responding: true,
      ...(accessLog && { accessLog }),
    }
    return { type: 'status', worker: { ...worker, ...own }, changed, removed }
  }

  #forgetAllBut(ports: readonly ServicePortStatus[]): readonly ServicePortKey[] {
    const now = new Set(ports.map(({ key }) => key))
    const gone = [...this.#last.keys()].filter(key => !now.has(key))
    for (const key of gone) this.#last.delete(key)
    return gone
  }
}

/** The agent's side: what the reports so far come to. */
export class ReportedStatus {
  #worker: WorkerStatus | null = null
  readonly #ports = new Map<ServicePortKey, ServicePortStatus>()

  /** null before the first report. */
  get worker(): WorkerStatus | null {
    return this.#worker
  }

  get servicePorts(): Iterable<ServicePortStatus> {
    return this.#ports.values()
  }

  add({ worker, changed, removed }: StatusReport): void {
    this.#worker = worker
    for (const key of removed) this.#ports.delete(key)
    for (const port of changed) this.#ports.set(port.key, port)
  }
}

function isSame(a: ServicePortStatus, b: ServicePortStatus): boolean {
  const x = a.connections
  const y = b.connections
  return (
    x.total === y.total &&
    x.active === y.active &&
    x.bytesIn === y.bytesIn &&
    x.bytesOut === y.bytesOut &&
    x.dialRetries === y.dialRetries &&
    x.dialFailures === y.dialFailures &&
    // The reasons that aren't dial failures grow without any of the above.
    Object.entries(x.failures).every(
      ([reason, count]) => y.failures[reason as keyof typeof y.failures] === count,
    ) &&
    a.setAside.length === b.setAside.length &&
    a.setAside.every((endpoint, index) => b.setAside[index] === endpoint) &&
    a.frontends.length === b.frontends.length &&
    a.frontends.every((frontend, index) => {
      const other = b.frontends[index]
      return (
        frontend.address === other?.address &&
        frontend.state === other.state &&
        frontend.reason === other.reason
      )
    })
  )
}
