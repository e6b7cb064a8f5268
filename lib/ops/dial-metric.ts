// kube_relay_dial_duration_seconds: the agent's histogram of how long endpoints take to answer a dial, out of what its
// data plane has counted. It never goes back, whatever becomes of the workers that counted.

import type { Registry } from 'prom-client'
import { addDialTimes, dialBoundsSeconds, noDialTimes, type DialTimes } from './dial-times.ts'
import { snapshotMetric, type Sample } from './snapshot-metric.ts'

const name = 'kube_relay_dial_duration_seconds'

export class DialMetric {
  #last: DialTimes = noDialTimes
  /** What was counted before the counts began anew. */
  #before: DialTimes = noDialTimes

  constructor(registry: Registry) {
    snapshotMetric({
      registry,
      type: 'histogram',
      name,
      help: 'How long endpoints took to answer a dial; dials that failed are not in it',
      samples: () => this.#samples(),
    })
  }

  /** Takes in what the status says, before a page is made. */
  update(now: DialTimes): void {
    const { counts } = this.#last
    if (now.counts.some((count, bucket) => count < (counts[bucket] ?? 0))) {
      this.#before = addDialTimes(this.#before, this.#last)
    }
    this.#last = now
  }

  #samples(): readonly Sample[] {
    const { counts, totalSeconds } = addDialTimes(this.#before, this.#last)
    let count = 0
    const buckets = [...dialBoundsSeconds, Infinity].map((bound, bucket): Sample => {
      count += counts[bucket] ?? 0
      const le = bound === Infinity ? '+Inf' : String(bound)
      return { metricName: `${name}_bucket`, labels: { le }, value: count }
    })
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels: {}, value: totalSeconds },
      { metricName: `${name}_count`, labels: {}, value: count },
    ]
  }
}
