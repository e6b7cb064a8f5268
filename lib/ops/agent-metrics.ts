// Our own metrics that are counted as things happen: who we are, how the list-watches do, what became of events. What
// the status document has is not counted here a second time.

import { Counter, Gauge, type Registry } from 'prom-client'
import { snapshotMetric } from './snapshot-metric.ts'

/** The kinds of a list-watch's state, in the order of its life. */
const watchStates = ['idle', 'listing', 'watching', 'backing-off', 'stopped'] as const
export type WatchState = (typeof watchStates)[number]

export type EventResult = 'created' | 'skipped' | 'dropped' | 'failed'

/** What became of the attempts to keep the table on disk. */
export type TableSaves = Readonly<Record<'saved' | 'failed', number>>

export class AgentMetrics {
  readonly #watchState: Gauge<'resource' | 'state'>
  readonly #lists: Counter<'resource'>
  readonly #watchFailures: Counter<'resource'>
  readonly #statusFailures: Counter
  #events: Readonly<Record<EventResult, number>> = { created: 0, skipped: 0, dropped: 0, failed: 0 }
  #tableSaves: TableSaves | null = null

  constructor(registry: Registry, version: string) {
    const of = (name: string, help: string) => ({ name: `kube_relay_${name}`, help, registers: [registry] })
    new Gauge({
      ...of('build_info', 'Always 1; the version of kube-relay and of the Node.js that it runs on'),
      labelNames: ['version', 'node_version'],
    }).set({ version, node_version: process.version }, 1)
    this.#watchState = new Gauge({
      ...of('list_watch_state', '1 for the state that the list-watch of a resource is in, 0 for the others'),
      labelNames: ['resource', 'state'],
    })
    this.#lists = new Counter({
      ...of('list_watch_lists_total', 'Lists begun; more than one per resource means it was listed again'),
      labelNames: ['resource'],
    })
    this.#watchFailures = new Counter({
      ...of('list_watch_failures_total', 'Lists and watches that failed and were backed off from'),
      labelNames: ['resource'],
    })
    this.#statusFailures = new Counter(
      of('scrape_status_failures_total', 'Scrapes that went without the series that come from the status'),
    )
    snapshotMetric({
      registry,
      type: 'counter',
      name: 'kube_relay_events_total',
      help: 'Kubernetes Events by what became of them',
      samples: () => Object.entries(this.#events).map(([result, value]) => ({ labels: { result }, value })),
    })
    snapshotMetric({
      registry,
      type: 'counter',
      name: 'kube_relay_snapshot_saves_total',
      help: 'Attempts to keep the table in the state directory, by what became of them',
      samples: () =>
        Object.entries(this.#tableSaves ?? {}).map(([result, value]) => ({ labels: { result }, value })),
    })
  }

  /** A list-watch has entered a state; to be called from its handler's `status`. */
  watchEntered(resource: string, state: WatchState): void {
    for (const each of watchStates) this.#watchState.set({ resource, state: each }, each === state ? 1 : 0)
    this.#lists.inc({ resource }, state === 'listing' ? 1 : 0)
    this.#watchFailures.inc({ resource }, state === 'backing-off' ? 1 : 0)
  }

  /** The event recorder's counts since the start; they may not go back. */
  setEvents(counts: Readonly<Record<EventResult, number>>): void {
    this.#events = counts
  }

  /** Counts that may not go back; until the first call there are none, as without a state directory. */
  setTableSaves(counts: TableSaves): void {
    this.#tableSaves = counts
  }

  statusFailed(): void {
    this.#statusFailures.inc()
  }
}
