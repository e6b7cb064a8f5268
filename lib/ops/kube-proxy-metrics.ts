// kube-proxy's own metrics, by its names, types, help texts, buckets and labels (1.34, pkg/proxy/metrics): dashboards
// and alerts that were written for kube-proxy go on working. docs/METRICS.md says what each means here.

import { Counter, Gauge, Histogram, exponentialBuckets, linearBuckets, type Registry } from 'prom-client'
import type { IpFamily } from '../model/address.ts'

export type TrafficPolicy = 'internal' | 'external'

/** kube-proxy's list begins with 0, from how it is put together; a bucket less would break sums over both. */
const programmingBuckets = [
  0,
  ...linearBuckets(0.25, 0.25, 2),
  ...linearBuckets(1, 1, 59),
  ...linearBuckets(60, 5, 12),
  ...linearBuckets(120, 30, 7),
]

export class KubeProxyMetrics {
  readonly #nowSeconds: () => number
  readonly #syncDuration: Histogram<'ip_family'>
  readonly #programming: Histogram<'ip_family'>
  readonly #lastSync: Gauge<'ip_family'>
  readonly #lastQueued: Gauge<'ip_family'>
  readonly #pending: Readonly<Record<'service' | 'endpoint', Gauge>>
  readonly #changes: Readonly<Record<'service' | 'endpoint', Counter>>
  readonly #noLocalEndpoints: Gauge<'ip_family' | 'traffic_policy'>
  readonly #healthAnswers: Readonly<Record<'healthz' | 'livez', Counter<'code'>>>

  /** `wallClock` is in milliseconds since 1970, as Date.now. */
  constructor(registry: Registry, wallClock: () => number) {
    this.#nowSeconds = () => wallClock() / 1000
    const of = (name: string, text: string) => ({
      name: `kubeproxy_${name}`,
      help: `[ALPHA] ${text}`,
      registers: [registry],
    })
    const byFamily = ['ip_family'] as const
    this.#syncDuration = new Histogram({
      ...of('sync_proxy_rules_duration_seconds', 'SyncProxyRules latency in seconds'),
      labelNames: byFamily,
      buckets: exponentialBuckets(0.001, 2, 15),
    })
    this.#programming = new Histogram({
      ...of('network_programming_duration_seconds', 'In Cluster Network Programming Latency in seconds'),
      labelNames: byFamily,
      buckets: programmingBuckets,
    })
    this.#lastSync = new Gauge({
      ...of('sync_proxy_rules_last_timestamp_seconds', 'The last time proxy rules were successfully synced'),
      labelNames: byFamily,
    })
    this.#lastQueued = new Gauge({
      ...of(
        'sync_proxy_rules_last_queued_timestamp_seconds',
        'The last time a sync of proxy rules was queued',
      ),
      labelNames: byFamily,
    })
    this.#pending = {
      service: new Gauge(
        of('sync_proxy_rules_service_changes_pending', 'Pending proxy rules Service changes'),
      ),
      endpoint: new Gauge(
        of('sync_proxy_rules_endpoint_changes_pending', 'Pending proxy rules Endpoint changes'),
      ),
    }
    this.#changes = {
      service: new Counter(
        of('sync_proxy_rules_service_changes_total', 'Cumulative proxy rules Service changes'),
      ),
      endpoint: new Counter(
        of('sync_proxy_rules_endpoint_changes_total', 'Cumulative proxy rules Endpoint changes'),
      ),
    }
    this.#noLocalEndpoints = new Gauge({
      ...of(
        'sync_proxy_rules_no_local_endpoints_total',
        'Number of services with a Local traffic policy and no endpoints',
      ),
      labelNames: ['ip_family', 'traffic_policy'],
    })
    this.#healthAnswers = {
      healthz: new Counter({
        ...of('proxy_healthz_total', 'Cumulative proxy healthz HTTP status'),
        labelNames: ['code'],
      }),
      livez: new Counter({
        ...of('proxy_livez_total', 'Cumulative proxy livez HTTP status'),
        labelNames: ['code'],
      }),
    }
  }

  /** A sync of the family has been asked for. */
  queued(family: IpFamily): void {
    this.#lastQueued.set({ ip_family: family }, this.#nowSeconds())
  }

  /** A sync of the family has ended well: the data plane has the table. */
  synced(family: IpFamily, durationSeconds: number): void {
    this.#syncDuration.observe({ ip_family: family }, durationSeconds)
    this.#lastSync.set({ ip_family: family }, this.#nowSeconds())
  }

  /** An endpoint change is served, so long after what triggered it. */
  programmed(family: IpFamily, latencySeconds: number): void {
    this.#programming.observe({ ip_family: family }, latencySeconds)
  }

  /** An object has changed; `pending` Services (or Services with changed endpoints) wait for the next sync with it. */
  changed(what: 'service' | 'endpoint', pending: number): void {
    this.#changes[what].inc()
    this.#pending[what].set(pending)
  }

  /** A sync has taken up every change. */
  taken(): void {
    this.#pending.service.set(0)
    this.#pending.endpoint.set(0)
  }

  /** How many service ports have a Local policy and endpoints, but none on this node. To be set at every sync. */
  setNoLocalEndpoints(family: IpFamily, trafficPolicy: TrafficPolicy, count: number): void {
    this.#noLocalEndpoints.set({ ip_family: family, traffic_policy: trafficPolicy }, count)
  }

  answered(path: 'healthz' | 'livez', code: number): void {
    this.#healthAnswers[path].inc({ code: String(code) })
  }
}
