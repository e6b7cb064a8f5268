// start: from the start of the agent until the first proxied byte, with what the API server lists (cold), and without
// an API server, from the table of an earlier run (snapshot).

import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { startGuard } from '../contestants/guard.ts'
import type { KubeRelay } from '../contestants/kube-relay.ts'
import { freeAddress } from '../load/free-port.ts'
import { startPart } from '../load/part.ts'
import { throwIfAborted } from '../load/turn.ts'
import type { RoundOptions, Scenario } from '../scenario.ts'
import { startAgent } from './agent-process.ts'
import { startProber, type Prober } from './prober.ts'
import { addressOf, probedServices, type ClusterSize } from './synthetic-cluster.ts'
import { asKubeRelay } from './sync.ts'

const usualServices = 1000
const limitMs = 60_000
const probeEveryMs = 2

export function start(services: number = usualServices): Scenario {
  return {
    name: 'start',
    describe: `from the start of the agent to the first proxied byte, ${services} Services`,
    metrics: [
      {
        name: 'cold_start_ms',
        unit: 'ms',
        better: 'lower',
        describe: 'with nothing but what the API server lists',
      },
      {
        name: 'snapshot_start_ms',
        unit: 'ms',
        better: 'lower',
        describe: 'without an API server, from the table of an earlier run',
      },
    ],
    async measure(contestant, round, options) {
      const relay = asKubeRelay(contestant)
      await using stack = new AsyncDisposableStack()
      const stateDir = stack.adopt(mkdtempSync(path.join(tmpdir(), 'kube-relay-bench-')), folder =>
        rmSync(folder, { recursive: true, force: true }),
      )
      // Should the benchmark be killed, the agents' guards end these, and this one removes what they have left.
      stack.adopt(startGuard(randomUUID(), stateDir), guard => guard.dismiss())
      const prober = stack.adopt(await startProber(), each => each.close())
      const size: ClusterSize = {
        services,
        endpointsPerService: 5,
        probed: 1,
        servicePort: (await freeAddress('TCP')).port,
        endpointPort: prober.port,
      }
      const controlPlane = stack.adopt(await startPart('control-plane'), each => each.stop())
      const master = (await controlPlane.call('start', size)) as string
      const starting = { relay, master, stateDir, prober, size, options }
      const cold = await timeStart({ ...starting, wholeTable: true })
      await controlPlane.stop()
      const snapshot = await timeStart({ ...starting, wholeTable: false })
      return {
        contestant: contestant.name,
        scenario: 'start',
        round,
        values: { cold_start_ms: cold, snapshot_start_ms: snapshot },
        latency: null,
        operations: 2,
        errors: {},
        bottleneck: 'none',
      }
    },
  }
}

interface Starting {
  readonly relay: KubeRelay
  readonly master: string
  readonly stateDir: string
  readonly prober: Prober
  readonly size: ClusterSize
  readonly options: RoundOptions
  /** It lists everything before it is ended: its end leaves the table in the state directory. */
  readonly wholeTable: boolean
}

async function timeStart(starting: Starting): Promise<number> {
  const { relay, master, stateDir, prober, size, options, wholeTable } = starting
  const { progress, signal, threads } = options
  throwIfAborted(signal)
  progress.update(`start: ${relay.name}, ${wholeTable ? 'cold' : 'from a snapshot'}`)
  const [service = 0] = probedServices(size)
  const over = new AbortController()
  const probing = { everyMs: probeEveryMs, limitMs, signal: AbortSignal.any([signal, over.signal]) }
  const startedMs = performance.now()
  let tookMs: number | null = null
  // Refusals are what is to be expected until it serves.
  const served = prober
    .until(addressOf(service, size), null, probing)
    .then(() => (tookMs = performance.now() - startedMs))
  served.catch(() => {})
  try {
    const agent = await startAgent(relay, {
      threads,
      master,
      stateDir,
      startLimitMs: limitMs,
      signal,
      ...(wholeTable ? {} : { isReady: () => Promise.resolve(tookMs !== null) }),
    })
    try {
      return await Promise.race([served, agent.ended])
    } finally {
      await agent.stop()
    }
  } finally {
    over.abort()
  }
}
