// Whether this proxy keeps up, as kube-proxy answers it on its health port (pkg/proxy/healthcheck, 1.33 and later), so
// that load balancers and probes made for kube-proxy can stay as they are. One addition: where a reason is known why the
// data path doesn't work, the answer says so, which kube-proxy can't (kubernetes/kubernetes#134648).

import type { IpFamily } from '../model/address.ts'
import type { Clock } from './clock.ts'
import type { HttpAnswer, HttpRoutes } from './http-server.ts'

/** kube-proxy's: twice its sync period. */
export const lateAfterMs = 60_000

/** How Go writes the time zero: no update yet. */
const never = '0001-01-01T00:00:00Z'

export interface ProxierHealthOptions {
  readonly families: readonly IpFamily[]
  readonly clock: Clock
  /** Milliseconds since 1970, as Date.now; only shown. */
  readonly wallClock: () => number
  /** Each answer's code, for the metrics. */
  readonly answered: (path: 'healthz' | 'livez', code: number) => void
  /**
   * Why clients can't be served although the table is up to date, as one sentence; null while they can. Called for each
   * answer, so it must look at something that is known already. It counts for /healthz and healthCheckNodePorts, which
   * send clients elsewhere, not for /livez: a restart would cut the connections that do work.
   */
  readonly dataPathProblem?: () => string | null
}

interface FamilyHealth {
  lastUpdatedMs: number
  /** On the monotonic clock; null while nothing is queued. */
  oldestQueuedAt: number | null
}

interface HealthBody {
  lastUpdated: string
  readonly currentTime: string
  readonly nodeEligible?: boolean
  readonly healthy: boolean
  readonly reason?: string
  readonly status: Readonly<Record<string, { readonly lastUpdated: string; readonly healthy: boolean }>>
}

export class ProxierHealth {
  readonly #options: ProxierHealthOptions
  readonly #families: ReadonlyMap<IpFamily, FamilyHealth>
  #nodeEligible = true

  /** All families begin healthy, as kube-proxy's do: nothing is late before something is queued. */
  constructor(options: ProxierHealthOptions) {
    this.#options = options
    const lastUpdatedMs = options.wallClock()
    // In the order in which the answer names them.
    const families = options.families.toSorted()
    this.#families = new Map(families.map(family => [family, { lastUpdatedMs, oldestQueuedAt: null }]))
  }

  /** A change waits to be brought to the data plane. Not to be called before everything has been listed once. */
  queued(family: IpFamily): void {
    const health = this.#families.get(family)
    if (health !== undefined) health.oldestQueuedAt ??= this.#options.clock.now()
  }

  /** The data plane has all that was queued for the family, or a sync found nothing to change. */
  updated(family: IpFamily): void {
    const health = this.#families.get(family)
    if (health === undefined) return
    health.oldestQueuedAt = null
    health.lastUpdatedMs = this.#options.wallClock()
  }

  /**
   * Whether load balancers may use this node, see `isNodeEligible`. Until the first call it is eligible: the node's
   * object may come late or, outside a cluster, never. A node whose object is gone isn't eligible.
   */
  setNodeEligible(eligible: boolean): void {
    this.#nodeEligible = eligible
  }

  /** What healthCheckNodePorts report as serviceProxyHealthy. Ignores the node, as kube-proxy does. */
  get healthy(): boolean {
    return this.keepsUp && this.#problem() === null
  }

  /** 200 or 503, by updates, data path and node. */
  healthz(): HttpAnswer {
    const reason = this.#problem()
    const healthy = this.keepsUp && reason === null
    const body = this.#body(healthy, { nodeEligible: this.#nodeEligible }, reason)
    return this.#answer('healthz', body, healthy && this.#nodeEligible)
  }

  /** 200 or 503, by updates alone. */
  livez(): HttpAnswer {
    const healthy = this.keepsUp
    return this.#answer('livez', this.#body(healthy, {}, null), healthy)
  }

  /** The routes of the health server. */
  routes(): HttpRoutes {
    return { '/healthz': async () => this.healthz(), '/livez': async () => this.livez() }
  }

  /** What /livez answers: no update has been waiting for too long. */
  get keepsUp(): boolean {
    return [...this.#families.values()].every(health => !this.#isLate(health))
  }

  #isLate({ oldestQueuedAt }: FamilyHealth): boolean {
    return oldestQueuedAt !== null && this.#options.clock.now() - oldestQueuedAt >= lateAfterMs
  }

  #problem(): string | null {
    return this.#options.dataPathProblem?.() ?? null
  }

  /** The members in the order of kube-proxy's answer. */
  #body(healthy: boolean, node: { readonly nodeEligible?: boolean }, reason: string | null): HealthBody {
    const families = [...this.#families]
    const latest = Math.max(...families.map(([, { lastUpdatedMs }]) => lastUpdatedMs))
    return {
      lastUpdated: families.length === 0 ? never : timeText(latest),
      currentTime: timeText(this.#options.wallClock()),
      ...node,
      healthy,
      ...(reason !== null && { reason }),
      status: Object.fromEntries(
        families.map(([family, health]) => [
          family,
          { lastUpdated: timeText(health.lastUpdatedMs), healthy: !this.#isLate(health) },
        ]),
      ),
    }
  }

  #answer(path: 'healthz' | 'livez', body: HealthBody, ok: boolean): HttpAnswer {
    const status = ok ? 200 : 503
    this.#options.answered(path, status)
    // From before there was `healthy`: whoever looks at the age of lastUpdated must find it young in a healthy proxy.
    if (ok) body.lastUpdated = body.currentTime
    return { status, contentType: 'application/json', body: JSON.stringify(body) }
  }
}

function timeText(ms: number): string {
  return new Date(ms).toISOString()
}
