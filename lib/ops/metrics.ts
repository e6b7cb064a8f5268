// The page that Prometheus scrapes: kube-proxy's metrics, our own, and the process's. It has a registry of its own, so
// that several agents in one process (tests) don't share counts. docs/METRICS.md lists every name.

import { collectDefaultMetrics, Registry } from 'prom-client'
import { reasonOf } from '../model/error.ts'
import { AgentMetrics } from './agent-metrics.ts'
import { DialMetric } from './dial-metric.ts'
import type { HttpAnswer } from './http-server.ts'
import { KubeProxyMetrics } from './kube-proxy-metrics.ts'
import type { Log } from './log.ts'
import { ServiceCounters } from './service-counters.ts'
import { registerServiceMetrics } from './service-metrics.ts'
import { serviceSeries } from './service-series.ts'
import { registerStatusMetrics } from './status-metrics.ts'
import type { StatusDocument } from './status.ts'

export interface MetricsOptions {
  readonly version: string
  readonly log: Log
  /** Milliseconds since 1970, as Date.now. */
  readonly wallClock: () => number
  /** What is served now; asked for once per scrape. A failure costs that scrape the series that come from it. */
  readonly status: () => Promise<StatusDocument>
  /**
   * Whether each service port has series of its own: about ten per port, which with thousands of Services is most of
   * the page. The sums over all Services are there in either case.
   */
  readonly perService: boolean
  /** process_* and nodejs_*; they watch the event loop and the garbage collector of this process until `close`. */
  readonly processMetrics: boolean
}

export interface Metrics {
  /** kube-proxy's, to be fed as things happen. */
  readonly kubeProxy: KubeProxyMetrics
  /** Our own that don't come from the status, to be fed as things happen. */
  readonly agent: AgentMetrics
  /** The page, in Prometheus' text format 0.0.4. Never rejects because the status can't be had. */
  answer(): Promise<HttpAnswer>
  /** Ends what watches the process. May be called twice. */
  close(): void
}

export function createMetrics(options: MetricsOptions): Metrics {
  const { version, log, wallClock, perService } = options
  const registry = new Registry()
  const kubeProxy = new KubeProxyMetrics(registry, wallClock)
  const agent = new AgentMetrics(registry, version)
  let status: StatusDocument | null = null
  const counters = new ServiceCounters()
  const dials = new DialMetric(registry)
  registerServiceMetrics(registry, counters, () => status)
  registerStatusMetrics(registry, () => status, wallClock)
  if (options.processMetrics) collectDefaultMetrics({ register: registry })

  return {
    kubeProxy,
    agent,
    async answer() {
      try {
        status = await options.status()
        counters.update(status.services)
        dials.update(status.dialTimes)
      } catch (error) {
        status = null
        agent.statusFailed()
        log.error({ err: error }, `metrics go without the status: ${reasonOf(error)}`)
      }
      // Another scrape may change `status` while this one is written.
      const services = perService ? (status?.services ?? []) : []
      const page = await registry.metrics()
      const series = perService ? await serviceSeries(services, counters) : ''
      return { status: 200, contentType: registry.contentType, body: page + series }
    },
    close() {
      registry.clear()
    },
  }
}
