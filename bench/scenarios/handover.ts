// handover: what clients notice of a reload, in which a new generation of workers takes over from the old one. A steady
// load on open connections and one of new connections go on meanwhile; what fails, and how latency grows.

import { setTimeout as delay } from 'node:timers/promises'
import { RelayError } from '../../lib/model/error.ts'
import { statusOf, type RunningKubeRelay } from '../contestants/kube-relay.ts'
import { mergeLatencies } from '../latency.ts'
import type { Marked } from '../load/counters.ts'
import type { Part } from '../load/part.ts'
import { startPart } from '../load/part.ts'
import type { LoadTools } from '../load/tools.ts'
import { takeTurn } from '../load/turn.ts'
import type { Measurement, Metric, RoundOptions, Scenario } from '../scenario.ts'
import { asKubeRelay } from './sync.ts'
import { addErrors, requestBytes, responseBytes } from './traffic.ts'

const connections = 32
/** Far below what any machine's limit is: latency is to come from the reload alone. */
const requestsPerSecond = 400
const reloads = 3
const reloadLimitMs = 60_000
const lookEveryMs = 20
/** What is late is still to be seen as the reload's doing. */
const settleMs = 300

export function handover(tools: LoadTools): Scenario {
  return {
    name: 'handover',
    describe: `${reloads} reloads, under requests on ${connections} connections and new connections one after another`,
    metrics,
    async measure(contestant, round, options) {
      const relay = asKubeRelay(contestant)
      const serve = { kind: 'rr', requestBytes, responseBytes } as const
      return await takeTurn(tools, relay, serve, options, async turn => {
        const running = turn.running as RunningKubeRelay
        const newcomers = await startPart('generator')
        try {
          await tools.pinning.pin([newcomers.pid], 'load')
          const sizes = { target: turn.target, requestBytes, responseBytes }
          await turn.generator.call('start', { kind: 'tcp-rr', connections, ...sizes })
          await turn.generator.call('openLoop', { ratePerSecond: requestsPerSecond })
          await newcomers.call('start', { kind: 'tcp-crr', concurrency: 1, ...sizes })
          return await measureReloads(
            { running, open: turn.generator, newcomers, name: contestant.name, round, signal: turn.signal },
            options,
          )
        } finally {
          await newcomers.stop()
        }
      })
    },
  }
}

const metrics: readonly Metric[] = [
  {
    name: 'failures_per_reload',
    unit: '',
    better: 'lower',
    describe: 'requests and connections that failed, for each reload',
  },
  {
    name: 'added_p99_us',
    unit: 'µs',
    better: 'lower',
    describe: 'by how much the 99th percentile is higher during reloads, on open connections',
  },
  {
    name: 'added_connect_p99_us',
    unit: 'µs',
    better: 'lower',
    describe: 'the same for a new connection with a request',
  },
  { name: 'calm_p99_us', unit: 'µs', better: 'lower', describe: 'the 99th percentile without a reload' },
  { name: 'reload_max_us', unit: 'µs', better: 'lower', describe: 'the slowest request during reloads' },
  { name: 'reload_ms', unit: 'ms', better: 'lower', describe: 'from the signal until the new workers serve' },
]

interface Reloading {
  readonly name: string
  readonly round: number
  readonly running: RunningKubeRelay
  /** The generator with the open connections, and the one that always opens new ones. */
  readonly open: Part
  readonly newcomers: Part
  readonly signal: AbortSignal
}

async function measureReloads(reloading: Reloading, options: RoundOptions): Promise<Measurement> {
  const { name, round, running, open, newcomers, signal } = reloading
  const { durationMs, progress, warmUpMs } = options
  await delay(warmUpMs, undefined, { signal })
  const mark = async (): Promise<readonly [Marked, Marked]> =>
    (await Promise.all([open.call('mark'), newcomers.call('mark')])) as [Marked, Marked]
  await mark()
  await delay(durationMs, undefined, { signal })
  const [calm, calmNew] = await mark()
  let reloadMs = 0
  for (let number = 1; number <= reloads; number++) {
    progress.update(`handover: ${name}, reload ${number} of ${reloads}`)
    reloadMs += await reload(running, signal)
    await delay(settleMs, undefined, { signal })
  }
  const [busy, busyNew] = await mark()
  const errors = addErrors(busy.errors, busyNew.errors)
  const failures = Object.values(errors).reduce((sum, count) => sum + count, 0)
  return {
    contestant: name,
    scenario: 'handover',
    round,
    values: {
      failures_per_reload: failures / reloads,
      added_p99_us: percentile(busy, 99) - percentile(calm, 99),
      added_connect_p99_us: percentile(busyNew, 99) - percentile(calmNew, 99),
      calm_p99_us: percentile(calm, 99),
      reload_max_us: Math.max(percentile(busy, 100), percentile(busyNew, 100)),
      reload_ms: reloadMs / reloads,
    },
    latency: busy.latency,
    operations: busy.operations + busyNew.operations,
    errors: addErrors(errors, calm.errors, calmNew.errors),
    bottleneck: 'none',
  }
}

/** @throws BENCH where nothing came through at all. */
function percentile({ latency }: Marked, at: number): number {
  const value = mergeLatencies([latency])?.getValueAtPercentile(at)
  if (value === undefined) throw new RelayError('BENCH', 'nothing came through')
  return value
}

/** Resolves with how long it took. */
async function reload({ pid, metrics }: RunningKubeRelay, signal: AbortSignal): Promise<number> {
  const before = (await statusOf(metrics))?.agent?.reloadRequests
  if (before === undefined) throw new RelayError('BENCH', 'the agent does not answer')
  const startedMs = performance.now()
  process.kill(pid, 'SIGHUP')
  for (;;) {
    const last = (await statusOf(metrics))?.agent?.lastReload
    if (last && last.request > before) {
      if (last.ok) return performance.now() - startedMs
      throw new RelayError('BENCH', `the agent has refused to reload: ${last.reason ?? 'for no reason'}`)
    }
    if (performance.now() - startedMs > reloadLimitMs) {
      throw new RelayError('BENCH', `a reload has not ended in ${reloadLimitMs / 1000} s`)
    }
    await delay(lookEveryMs, undefined, { signal })
  }
}
