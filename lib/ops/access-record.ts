// What is known of one TCP connection or UDP flow when it has ended: the content of a line of the access log.
// Whoever holds the connection makes one object for it and fills it in on the way; without a log nobody does.

import type { Protocol } from '../model/address.ts'

/**
 * `failed`: no endpoint answered. `rejected`: a limit or the source ranges of the Service kept the client out.
 * `aborted`: ended by us. `idle`, `evicted`: UDP flows that were silent, or made room for another client.
 */
export const accessEnds = [
  'closed',
  'client-reset',
  'upstream-reset',
  'aborted',
  'failed',
  'rejected',
  'idle',
  'evicted',
] as const
export type AccessEnd = (typeof accessEnds)[number]

/** Why kube-relay ended an established connection or flow by itself. */
export type OwnReason =
  | 'drain-timeout'
  | 'max-connection-age'
  | 'half-closed-timeout'
  | 'shutdown'
  | 'endpoint-gone'
  | 'frontend-gone'
  | 'local'

export interface AccessRecord {
  readonly protocol: Protocol
  readonly clientIp: string
  readonly clientPort: number
  /** What the client connected to. */
  readonly frontendIp: string
  readonly frontendPort: number
  readonly service: ServicePortName
  /** In milliseconds of the data plane's clock, like `answeredAt`. */
  readonly startedAt: number
  /** "ip:port"; null where none answered. Of a UDP flow the one that it went to. */
  endpoint: string | null
  /** When the endpoint answered the dial; null for UDP, which has none. */
  answeredAt: number | null
  /** Endpoints that were dialed. */
  tries: number
  /** From the client to the endpoint, and back. */
  bytesIn: number
  bytesOut: number
  end: AccessEnd
  /** Which failure, limit, or decision of our own; null: the peers ended it. */
  reason: string | null
}

/** As a service port of the table has it. */
export interface ServicePortName {
  readonly namespace: string
  readonly name: string
  /** "" where the port has no name. */
  readonly portName: string
}

export interface AccessCounts {
  readonly written: number
  /** Lines that couldn't be written, or not fast enough. */
  readonly dropped: number
}

/** Where a data plane leaves its records. */
export interface AccessSink {
  /** `lastUsedAt`: when a UDP flow had its last datagram; absent: it has ended now. */
  ended(record: AccessRecord, lastUsedAt?: number): void
  counts(): AccessCounts
}

export function newAccessRecord(
  protocol: Protocol,
  client: { readonly ip: string; readonly port: number },
  frontend: { readonly ip: string; readonly port: number },
  service: ServicePortName,
  startedAt: number,
): AccessRecord {
  return {
    protocol,
    clientIp: client.ip,
    clientPort: client.port,
    frontendIp: frontend.ip,
    frontendPort: frontend.port,
    service,
    startedAt,
    endpoint: null,
    answeredAt: null,
    tries: 0,
    bytesIn: 0,
    bytesOut: 0,
    end: 'closed',
    reason: null,
  }
}
