// UDP on frontends: each client address gets a flow to one endpoint, and the endpoint's datagrams go back from
// the address the client wrote to. A flow whose endpoint stops serving is cut at once, so that the client's next
// datagram goes elsewhere.

import type { Address } from '../model/address.ts'
import { newAccessRecord, type AccessRecord, type AccessSink } from '../ops/access-record.ts'
import type { Clock } from '../ops/clock.ts'
import type { Log } from '../ops/log.ts'
import { listFor } from '../policy/source-ranges.ts'
import type { Engine } from './engine.ts'
import type { FrontendSocket, FrontendState } from './frontend-state.ts'
import type { FailureReason, ServiceState } from './service-state.ts'
import type { SharedState } from './shared-state.ts'
import { FlowTable, type Flow, type FlowEnd, type FlowTimeouts } from './udp-flows.ts'
import { UdpFrontend } from './udp-frontend.ts'

export interface UdpOptions extends FlowTimeouts {
  readonly maxFlows: number
}

export interface UdpProxyOptions {
  readonly engine: Engine
  readonly clock: Clock
  readonly log: Log
  readonly udp: UdpOptions
  /** Told of each flow that has ended; absent: nobody wants to know. */
  readonly accessLog?: AccessSink | undefined
}

/** A client without a flow has a line in the access log this often per frontend, however much it sends. */
const logRejectionEveryMs = 1000

export class UdpProxy {
  readonly #options: UdpProxyOptions
  readonly #shared: SharedState
  readonly #flows: FlowTable
  /** Those that are open, and those that were left with flows of theirs. */
  readonly #frontends = new Map<FrontendState, UdpFrontend>()
  #successorExpected = false

  constructor(options: UdpProxyOptions, shared: SharedState) {
    this.#options = options
    this.#shared = shared
    const { budget } = shared
    // Flows live for minutes after their last datagram: at most half of the descriptors may wait in them.
    const maxFlows = Math.max(1, Math.min(options.udp.maxFlows, Math.floor(budget.usable / 2)))
    this.#flows = new FlowTable(options.clock, options.udp, maxFlows, (flow, end) => {
      flow.endpoint.active--
      const { counters } = flow.service
      counters.active--
      budget.giveBack(flow.client === null ? 1 : 2)
      shared.onGone()
      if (flow.record === null) return
      options.accessLog?.ended(finished(flow.record, end), flow.lastUsedAt)
    })
  }

  get size(): number {
    return this.#flows.size
  }

  async listen(frontend: FrontendState): Promise<FrontendSocket> {
    // Left with flows and opened again: they are the same frontend's.
    const udp = this.#frontends.get(frontend) ?? this.#create(frontend)
    await udp.listen()
    this.#frontends.set(frontend, udp)
    udp.expectSuccessor(this.#successorExpected)
    return {
      expectSuccessor: expected => udp.expectSuccessor(expected || this.#successorExpected),
      leave: () => udp.leave(),
      close: () => {
        udp.close()
        if (this.#frontends.get(frontend) === udp) this.#frontends.delete(frontend)
      },
    }
  }

  /** As FrontendSocket.expectSuccessor, for every frontend that is open or opened later. */
  expectSuccessor(expected: boolean): void {
    this.#successorExpected = expected
    for (const frontend of this.#frontends.values()) frontend.expectSuccessor(expected)
  }

  /** Closes the flows of a service port whose endpoint serves no more. */
  cutUnserved(service: ServiceState): void {
    if (service.port.protocol !== 'UDP' || service.counters.active === 0) return
    for (const flow of this.#flows) {
      if (flow.service === service && !service.serves(flow.endpoint)) {
        this.#flows.close(flow, 'endpoint-gone')
      }
    }
  }

  /** Ends all flows; listeners stay open. */
  close(): void {
    this.#flows.closeAll()
  }

  #create(frontend: FrontendState): UdpFrontend {
    const { engine, log } = this.#options
    const udp = new UdpFrontend(frontend, {
      engine,
      log,
      flows: this.#flows,
      shared: this.#shared,
      openFlow: (clientIp, clientPort) => this.#open(udp, clientIp, clientPort),
    })
    return udp
  }

  #open(udp: UdpFrontend, clientIp: string, clientPort: number): Flow | null {
    const { service, frontend: owned, sources } = udp.state.owner
    const { clock, engine, log } = this.#options
    const client = { ip: clientIp, port: clientPort }
    if (sources !== null && !sources.contains(clientIp)) return this.#refuse(udp, client, 'source-range')
    const list = listFor(owned, clientIp, this.#shared.nodeSources())
    const endpoint = service.pick(list, clientIp)
    if (endpoint === null) return this.#refuse(udp, client, 'no-endpoints')
    this.#flows.makeRoom()
    while (!this.#shared.budget.hasRoom && this.#flows.evictOldest());
    const onReply = (data: Uint8Array): void => {
      if (!flow.answered) service.succeeded(endpoint)
      flow.answered = true
      service.counters.bytesOut += data.length
      if (flow.record !== null) flow.record.bytesOut += data.length
      udp.reply(flow, data, clientIp, clientPort)
    }
    const onError = (error: Error): void => {
      log.debug({ service: service.port.key, endpoint: endpoint.key, err: error }, 'UDP flow failed')
      service.counters.dialFailures++
      service.counters.failures.refused++
      service.failed(endpoint)
      service.moveAway(list, clientIp, endpoint)
      this.#flows.close(flow, 'refused')
    }
    let flow: Flow
    try {
      const now = clock.now()
      const upstream = engine.openUdp(endpoint.address, onReply, onError)
      flow = {
        service,
        endpoint,
        upstream,
        client: null,
        startedAt: now,
        lastUsedAt: now,
        orderedAt: now,
        answered: false,
        record: this.#record(udp, client, endpoint.key, now),
        forget: () => udp.forget(clientIp, clientPort),
      }
    } catch (error) {
      log.debug({ service: service.port.key, endpoint: endpoint.key, err: error }, 'no socket for a UDP flow')
      this.#shared.budget.starved()
      return this.#refuse(udp, client, 'local')
    }
    this.#shared.budget.take(1)
    endpoint.active++
    endpoint.total++
    service.counters.total++
    service.counters.active++
    this.#flows.add(flow)
    return flow
  }

  /** The datagram is dropped, and counted. */
  #refuse(udp: UdpFrontend, client: Address, reason: FailureReason): null {
    const { counters } = udp.state.owner.service
    if (reason !== 'source-range') counters.dialFailures++
    counters.failures[reason]++
    const { accessLog, clock } = this.#options
    const now = clock.now()
    if (accessLog === undefined || now - udp.rejectionLoggedAt < logRejectionEveryMs) return null
    udp.rejectionLoggedAt = now
    const record = this.#record(udp, client, null, now)
    if (record !== null) {
      record.end = reason === 'source-range' ? 'rejected' : 'failed'
      record.reason = reason
      accessLog.ended(record)
    }
    return null
  }

  /** null where there is no access log. */
  #record(
    { state }: UdpFrontend,
    client: Address,
    endpoint: string | null,
    now: number,
  ): AccessRecord | null {
    if (this.#options.accessLog === undefined) return null
    const record = newAccessRecord('UDP', client, state.address, state.owner.service.port, now)
    record.endpoint = endpoint
    record.tries = endpoint === null ? 0 : 1
    return record
  }
}

function finished(record: AccessRecord, end: FlowEnd): AccessRecord {
  if (end === 'idle' || end === 'evicted') record.end = end
  else {
    record.end = end === 'refused' ? 'failed' : 'aborted'
    record.reason = end
  }
  return record
}
