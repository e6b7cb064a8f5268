// The HTTP servers of Services with a healthCheckNodePort: a load balancer asks there whether this node has an endpoint
// of the Service, and sends clients to nodes that have one (externalTrafficPolicy Local). One server per port number and
// bind address, which a successor's may share for a while. They are open to the network, and take part in nothing but
// their answer.

import { formatAddress } from '../model/address.ts'
import { reasonOf } from '../model/error.ts'
import { nameKey } from '../model/objects.ts'
import { serviceReference, type ObjectEvent, type ObjectReference } from '../model/object-event.ts'
import type { Clock } from './clock.ts'
import { startHttpServer, type HttpAnswer, type HttpServer } from './http-server.ts'
import type { Log } from './log.ts'

export interface HealthChecked {
  readonly namespace: string
  readonly name: string
  /** The Service's UID, for events. */
  readonly uid: string
  /** 0 only in tests: any free port. */
  readonly port: number
  /** Different IPs of endpoints that are local and ready. Terminating ones don't count, so that clients go elsewhere. */
  readonly localEndpoints: number
}

export interface HealthCheckNodePortsOptions {
  readonly nodeName: string
  /** Where NodePorts are; wildcards where all addresses are. */
  readonly bindIps: readonly string[]
  readonly log: Log
  readonly clock: Clock
  /** `ProxierHealth.healthy`, asked for each answer. */
  readonly healthy: () => boolean
  /** A port can't be opened; called with each attempt, to be thinned out by the recorder. */
  readonly report: (event: ObjectEvent) => void
  /** What was reported about the Service is over. */
  readonly resolve: (regarding: ObjectReference, reason: string) => void
}

export const bindFailedReason = 'FailedToStartServiceHealthcheck'

interface Entry {
  checked: HealthChecked
  readonly servers: readonly HttpServer[]
}

export class HealthCheckNodePorts {
  readonly #options: HealthCheckNodePortsOptions
  /** By Service. */
  readonly #entries = new Map<string, Entry>()
  /** Services that have been told that their port belongs to another one. */
  readonly #refused = new Map<string, HealthChecked>()

  constructor(options: HealthCheckNodePortsOptions) {
    this.#options = options
  }

  /**
   * Brings the servers in line with all Services that have a healthCheckNodePort now. A Service whose number of
   * endpoints has changed keeps its server and its connections. Of two Services with one port, the one that has it
   * keeps it, else the first in the list gets it; the other one is reported, and gets it once it is free. `nodePorts`
   * are the TCP ports at which this node serves clients, each with its Service: none of them is opened, as the system
   * would share the clients out between the two.
   */
  sync(desired: readonly HealthChecked[], nodePorts: ReadonlyMap<number, string> = new Map()): void {
    const wanted = new Map(desired.map(each => [nameKey(each), each]))
    for (const [key, { checked, servers }] of this.#entries) {
      if (wanted.get(key)?.port === checked.port && !nodePorts.has(checked.port)) continue
      for (const server of servers) server.close()
      this.#entries.delete(key)
      this.#options.resolve(serviceReference(checked), bindFailedReason)
    }
    for (const [key, checked] of wanted) {
      const entry = this.#entries.get(key)
      if (entry !== undefined) entry.checked = checked
    }
    const owners = new Map([...this.#entries].map(([key, { checked }]) => [checked.port, key]))
    for (const [key, checked] of wanted) {
      if (this.#entries.has(key)) continue
      const owner = checked.port === 0 ? undefined : (nodePorts.get(checked.port) ?? owners.get(checked.port))
      if (owner === undefined) {
        owners.set(checked.port, key)
        this.#open(key, checked)
      } else this.#refuse(key, checked, owner)
    }
    for (const [key, checked] of this.#refused) {
      if (wanted.has(key)) continue
      this.#refused.delete(key)
      this.#options.resolve(serviceReference(checked), bindFailedReason)
    }
  }

  /** The servers of a Service, one per bind address; empty where it has none. */
  serversOf(namespace: string, name: string): readonly HttpServer[] {
    return this.#entries.get(nameKey({ namespace, name }))?.servers ?? []
  }

  /** Closes all servers. May be called twice; nothing may be synced after it. */
  close(): void {
    for (const { servers } of this.#entries.values()) for (const server of servers) server.close()
    this.#entries.clear()
    this.#refused.clear()
  }

  #open(key: string, checked: HealthChecked): void {
    if (this.#refused.delete(key)) this.#options.resolve(serviceReference(checked), bindFailedReason)
    const failed = new Set<string>()
    const servers = this.#options.bindIps.map(ip =>
      startHttpServer({ ip, port: checked.port }, async () => this.#answer(key), {
        purpose: `health check of Service ${key}`,
        log: this.#options.log,
        clock: this.#options.clock,
        ipv6Only: ip.includes(':'),
        onBindFailed: error => {
          failed.add(ip)
          this.#report(checked, formatAddress(ip, checked.port), reasonOf(error))
        },
        onBound: () => {
          if (failed.delete(ip) && failed.size === 0) {
            this.#options.resolve(serviceReference(checked), bindFailedReason)
          }
        },
      }),
    )
    this.#entries.set(key, { checked, servers })
  }

  #refuse(key: string, checked: HealthChecked, owner: string): void {
    const known = this.#refused.get(key)
    this.#refused.set(key, checked)
    if (known?.port === checked.port) return
    const why = `it belongs to Service ${owner}`
    this.#options.log.warn(`Service ${key}: healthCheckNodePort ${checked.port} is not served: ${why}`)
    this.#report(checked, `port ${checked.port}`, why)
  }

  #report(checked: HealthChecked, where: string, why: string): void {
    this.#options.report({
      regarding: serviceReference(checked),
      type: 'Warning',
      reason: bindFailedReason,
      action: 'Listen',
      note: `node ${this.#options.nodeName} failed to start healthcheck "${nameKey(checked)}" on ${where}: ${why}`,
      cause: where,
    })
  }

  #answer(key: string): HttpAnswer {
    const checked = this.#entries.get(key)?.checked
    // Closed between the request's first byte and its last.
    if (checked === undefined) return { status: 503, contentType: 'text/plain', body: '' }
    const { namespace, name, localEndpoints } = checked
    const serviceProxyHealthy = this.#options.healthy()
    const body = { service: { namespace, name }, localEndpoints, serviceProxyHealthy }
    return {
      status: localEndpoints > 0 && serviceProxyHealthy ? 200 : 503,
      contentType: 'application/json',
      headers: { 'x-load-balancing-endpoint-weight': String(localEndpoints) },
      // kube-proxy's layout, with tabs and without a line break at the end.
      body: JSON.stringify(body, null, '\t'),
    }
  }
}
