// What clients did with Services, added up over everything that the status has said so far, so that the counters on the
// metrics page never go back. One row of numbers per service port: with 10,000 of them a scrape must stay cheap.

import { Monotonic, type Row } from './monotonic.ts'
import type { ConnectionCounts, ServiceStatus } from './status.ts'

export type Protocol = ServiceStatus['protocol']
export const protocols: readonly Protocol[] = ['TCP', 'UDP']

interface Column {
  readonly name: string
  readonly help: string
  readonly read: (counts: ConnectionCounts) => number
}

/** Every counter but the failures, which come after them, one for each reason. */
export const columns: readonly Column[] = [
  {
    name: 'connections_total',
    help: 'Connections (TCP) and flows (UDP) that clients opened',
    read: ({ total }) => total,
  },
  { name: 'received_bytes_total', help: 'Bytes from clients to endpoints', read: ({ bytesIn }) => bytesIn },
  { name: 'sent_bytes_total', help: 'Bytes from endpoints to clients', read: ({ bytesOut }) => bytesOut },
  {
    name: 'dial_retries_total',
    help: 'Dials of another endpoint after one had failed; the client notices nothing',
    read: ({ dialRetries }) => dialRetries,
  },
  {
    name: 'dial_failures_total',
    help: 'Connections and flows that no endpoint got, whether one was dialed or there was none',
    read: ({ dialFailures }) => dialFailures,
  },
]

export const failures = {
  name: 'connection_failures_total',
  help: 'Connections and flows that no endpoint got, by reason',
} as const

export class ServiceCounters {
  readonly #byProtocol: Readonly<Record<Protocol, Monotonic>> = { TCP: new Monotonic(), UDP: new Monotonic() }
  /** In the order in which they have been met. */
  readonly #reasons: string[] = []

  /** Takes in what the status says; every service port once. */
  update(services: readonly ServiceStatus[]): void {
    const rows: Record<Protocol, Map<string, Row>> = { TCP: new Map(), UDP: new Map() }
    for (const port of services) rows[port.protocol].set(keyOf(port), this.#rowOf(port.connections))
    for (const protocol of protocols) this.#byProtocol[protocol].update(rows[protocol])
  }

  /** By the indexes of `columns`. */
  valuesOf(port: ServiceStatus): Row {
    return this.#byProtocol[port.protocol].valuesOf(keyOf(port))
  }

  totalsOf(protocol: Protocol): Row {
    return this.#byProtocol[protocol].totals
  }

  /** The failures in a row, by reason. */
  failuresIn(row: Row): readonly (readonly [string, number])[] {
    return this.#reasons.map((reason, index) => [reason, row[columns.length + index] ?? 0])
  }

  #rowOf(counts: ConnectionCounts): Row {
    for (const reason in counts.failures) if (!this.#reasons.includes(reason)) this.#reasons.push(reason)
    return [
      ...columns.map(({ read }) => read(counts)),
      ...this.#reasons.map(reason => counts.failures[reason] ?? 0),
    ]
  }
}

function keyOf({ namespace, name, portName }: ServiceStatus): string {
  return `${namespace}/${name}:${portName}`
}
