// UDP on frontends: each client address gets a flow to one endpoint, and the endpoint's datagrams go back from
// the address the client wrote to. A flow whose endpoint stops serving is cut at once, so that the client's next
// datagram goes elsewhere.

import type { Clock } from '../ops/clock.ts'
import type { Log } from '../ops/log.ts'
import { listFor } from '../policy/source-ranges.ts'
import type { Engine, UdpListener } from './engine.ts'
import type { FrontendSocket, FrontendState } from './frontend-state.ts'
import type { FailureReason, ServiceState } from './service-state.ts'
import type { SharedState } from './shared-state.ts'
import { FlowTable, type Flow, type FlowTimeouts } from './udp-flows.ts'

export interface UdpOptions extends FlowTimeouts {
  readonly maxFlows: number
}

export interface UdpProxyOptions {
  readonly engine: Engine
  readonly clock: Clock
  readonly log: Log
  readonly udp: UdpOptions
}

/** One frontend's flows by client address and port. Two levels, so that no key is built per datagram. */
type Clients = Map<string, Map<number, Flow>>

export class UdpProxy {
  readonly #options: UdpProxyOptions
  readonly #shared: SharedState
  readonly #flows: FlowTable

  constructor(options: UdpProxyOptions, shared: SharedState) {
    this.#options = options
    this.#shared = shared
    const { budget } = shared
    // Flows live for minutes after their last datagram: at most half of the descriptors may wait in them.
    const maxFlows = Math.max(1, Math.min(options.udp.maxFlows, Math.floor(budget.usable / 2)))
    this.#flows = new FlowTable(options.clock, options.udp, maxFlows, flow => {
      flow.endpoint.active--
      const { counters } = flow.service
      counters.active--
      budget.giveBack(1)
    })
  }

  get size(): number {
    return this.#flows.size
  }

  async listen(frontend: FrontendState): Promise<FrontendSocket> {
    const { engine, log } = this.#options
    const clients: Clients = new Map()
    const listener = await engine.bindUdp(
      frontend.address,
      (data, ip, port) => {
        let flow = clients.get(ip)?.get(port) ?? null
        if (flow !== null && flow.service !== frontend.owner.service) {
          // The frontend has moved to another service port since.
          this.#flows.close(flow)
          flow = null
        }
        flow ??= this.#open(frontend, listener, clients, ip, port)
        if (flow === null) return
        this.#flows.touch(flow)
        flow.service.counters.bytesIn += data.length
        flow.upstream.send(data)
      },
      error => log.debug({ frontend: frontend.address, err: error }, 'UDP socket error'),
    )
    this.#shared.budget.takeListener()
    let open = true
    return {
      close: () => {
        if (!open) return
        open = false
        for (const ports of clients.values()) for (const flow of ports.values()) this.#flows.close(flow)
        listener.close()
        this.#shared.budget.giveBackListener()
      },
    }
  }

  /** Closes the flows of a service port whose endpoint serves no more. */
  cutUnserved(service: ServiceState): void {
    if (service.port.protocol !== 'UDP' || service.counters.active === 0) return
    for (const flow of this.#flows) {
      if (flow.service === service && !service.serves(flow.endpoint)) this.#flows.close(flow)
    }
  }

  close(): void {
    this.#flows.closeAll()
  }

  #open(
    frontend: FrontendState,
    listener: UdpListener,
    clients: Clients,
    clientIp: string,
    clientPort: number,
  ): Flow | null {
    const { service, frontend: owned, sources } = frontend.owner
    const { clock, engine, log } = this.#options
    if (sources !== null && !sources.contains(clientIp)) return this.#refuse(service, 'source-range')
    const list = listFor(owned, clientIp, this.#shared.nodeSources())
    const endpoint = service.pick(list, clientIp)
    if (endpoint === null) return this.#refuse(service, 'no-endpoints')
    this.#flows.makeRoom()
    while (!this.#shared.budget.hasRoom && this.#flows.evictOldest());
    const onReply = (data: Uint8Array): void => {
      this.#flows.touch(flow)
      if (!flow.answered) service.succeeded(endpoint)
      flow.answered = true
      service.counters.bytesOut += data.length
      listener.send(data, clientIp, clientPort)
    }
    const onError = (error: Error): void => {
      log.debug({ service: service.port.key, endpoint: endpoint.key, err: error }, 'UDP flow failed')
      service.counters.dialFailures++
      service.counters.failures.refused++
      service.failed(endpoint)
      service.moveAway(list, clientIp, endpoint)
      this.#flows.close(flow)
    }
    let flow: Flow
    try {
      const now = clock.now()
      const upstream = engine.openUdp(endpoint.address, onReply, onError)
      const forget = (): void => {
        const ports = clients.get(clientIp)
        ports?.delete(clientPort)
        if (ports?.size === 0) clients.delete(clientIp)
      }
      flow = { service, endpoint, upstream, startedAt: now, lastUsedAt: now, answered: false, forget }
    } catch (error) {
      log.debug({ service: service.port.key, endpoint: endpoint.key, err: error }, 'no socket for a UDP flow')
      this.#shared.budget.starved()
      return this.#refuse(service, 'local')
    }
    this.#shared.budget.take(1)
    endpoint.active++
    service.counters.total++
    service.counters.active++
    const ports = clients.get(clientIp) ?? new Map<number, Flow>()
    clients.set(clientIp, ports.set(clientPort, flow))
    this.#flows.add(flow)
    return flow
  }

  /** The datagram is dropped, and counted. */
  #refuse(service: ServiceState, reason: FailureReason): null {
    if (reason !== 'source-range') service.counters.dialFailures++
    service.counters.failures[reason]++
    return null
  }
}
