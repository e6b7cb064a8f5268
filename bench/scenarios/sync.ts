// sync: how long an API change takes until the first connection obeys it, and what that costs the agent, with few and
// with many Services. An API server of its own, an agent, and endpoints that say who they are.

import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { RelayError, reasonOf } from '../../lib/model/error.ts'
import type { Contestant } from '../contestant.ts'
import { isKubeRelay, type KubeRelay } from '../contestants/kube-relay.ts'
import { descriptorLimit } from '../environment.ts'
import { mergeLatencies, recordLatency, type LatencyRecorder } from '../latency.ts'
import { freeAddress } from '../load/free-port.ts'
import { startPart } from '../load/part.ts'
import { throwIfAborted } from '../load/turn.ts'
import { memoryOf } from '../process-cost.ts'
import type { Measurement, Metric, RoundOptions, Scenario } from '../scenario.ts'
import { startAgent, type AgentProcess } from './agent-process.ts'
import type { EndpointChange } from './control-plane-calls.ts'
import { cpuUsOf } from './precise-cpu.ts'
import { startProber, type Prober } from './prober.ts'
import { addressOf, liveEndpoints, probedServices, type ClusterSize } from './synthetic-cluster.ts'
import { addErrors, latencyMetric } from './traffic.ts'

export const usualSizes: readonly number[] = [100, 1000, 10_000]

const endpointsPerService = 5
const probed = 20

/** Above --min-sync-period (100 ms): a lone change is what is measured, not one that waits for the last one's sake. */
const changeEveryMs = 120
const fewestChanges = 10
const mostChanges = 200

/** Before the changes and after them: what is used then isn't their doing. */
const calmMs = 500
/** An agent that uses less than this is at rest. */
const calmUsPerSecond = 20_000
const calmLimitMs = 10_000

const startLimitMs = 120_000
const effectLimitMs = 30_000
/** Fine enough for milliseconds, and little work beside what is measured. */
const probeEveryMs = 1

/** What a worker has open beside a listener for each Service. */
const otherDescriptors = 500

export function sync(sizes: readonly number[] = usualSizes): Scenario {
  return {
    name: 'sync',
    describe: `an endpoint is replaced, among ${sizes.map(inWords).join(', ')} Services with ${endpointsPerService} endpoints each`,
    metrics: metricsFor(sizes),
    async measure(contestant, round, options) {
      const relay = asKubeRelay(contestant)
      const perSize: SizeResult[] = []
      for (const services of sizes) {
        throwIfAborted(options.signal)
        perSize.push(await measureSize(relay, services, options))
      }
      const largest = perSize.at(-1)
      return {
        contestant: contestant.name,
        scenario: 'sync',
        round,
        values: Object.assign({}, ...perSize.map(({ values }) => values)) as Measurement['values'],
        latency: largest?.latency ?? null,
        operations: perSize.reduce((sum, { changes }) => sum + changes, 0),
        errors: addErrors(...perSize.map(({ errors }) => errors)),
        bottleneck: 'none',
      }
    },
  }
}

/** For those that have no part in a scenario about an agent, whatever their excuses say. */
export function asKubeRelay(contestant: Contestant): KubeRelay {
  if (isKubeRelay(contestant)) return contestant
  throw new RelayError('BENCH', `${contestant.name} is no Kubernetes agent`)
}

function metricsFor(sizes: readonly number[]): readonly Metric[] {
  const largest = sizes.at(-1) ?? 0
  const each = (name: string, unit: string, describe: string): readonly Metric[] =>
    sizes.map(services => ({
      name: `${name}@${services}`,
      unit,
      better: 'lower',
      describe: `${describe}, at ${inWords(services)} Services`,
    }))
  const latency = `from an API change to the first connection that obeys it, at ${inWords(largest)} Services`
  return [
    latencyMetric(99, latency),
    latencyMetric(50, latency),
    ...each('change_p50_ms', 'ms', 'from an API change to the first connection that obeys it, median'),
    ...each('agent_cpu_us_per_change', 'µs', "the agent's CPU time for a change, beside what it uses anyway"),
    ...each('agent_idle_cpu_us_per_s', 'µs/s', "the agent's CPU time per second without changes"),
    ...each('workers_cpu_us_per_change', 'µs', "the workers' CPU time for a change, with its probes"),
    ...each('list_s', 's', 'from the start of the agent until all Services are served'),
    ...each('list_cpu_s', 's', 'CPU time of agent and workers until then'),
    ...each('agent_bytes', 'B', "the agent's memory"),
    ...each('agent_peak_bytes', 'B', "the agent's memory at its highest"),
    ...each('workers_bytes', 'B', "the workers' memory"),
  ]
}

function inWords(count: number): string {
  return new Intl.NumberFormat('en').format(count)
}

interface SizeResult {
  readonly values: Measurement['values']
  readonly latency: string | null
  readonly changes: number
  readonly errors: Measurement['errors']
}

async function measureSize(relay: KubeRelay, services: number, options: RoundOptions): Promise<SizeResult> {
  const { progress, signal, threads } = options
  failUnlessEnoughDescriptors(services)
  progress.update(`sync: ${relay.name}, filling an API server with ${services} Services`)
  await using stack = new AsyncDisposableStack()
  const prober = stack.adopt(await startProber(), each => each.close())
  const size: ClusterSize = {
    services,
    endpointsPerService,
    probed,
    servicePort: (await freeAddress('TCP')).port,
    endpointPort: prober.port,
  }
  const controlPlane = stack.adopt(await startPart('control-plane'), each => each.stop())
  const master = (await controlPlane.call('start', size)) as string
  throwIfAborted(signal)
  progress.update(`sync: ${relay.name}, listing ${services} Services`)
  const startedMs = performance.now()
  const starting = startAgent(relay, { threads, master, stateDir: null, startLimitMs, signal })
  const agent = stack.adopt(await starting, each => each.stop())
  const listMs = performance.now() - startedMs
  const { agentUs, workersUs } = cpuOf(agent)
  const change = async (to: EndpointChange): Promise<number> =>
    (await controlPlane.call('change', to)) as number
  const over = new AbortController()
  stack.defer(() => over.abort())
  const changing = makeChanges(
    { agent, prober, size, change, name: relay.name },
    { ...options, signal: AbortSignal.any([signal, over.signal]) },
  )
  const changes = await Promise.race([changing, agent.ended])
  const memory = memoryValues(agent)
  const values = {
    ...changes.values,
    list_s: listMs / 1000,
    list_cpu_s: (agentUs + workersUs) / 1e6,
    ...memory,
  }
  return {
    ...changes,
    values: Object.fromEntries(Object.entries(values).map(([name, value]) => [`${name}@${services}`, value])),
  }
}

interface Changing {
  readonly name: string
  readonly agent: AgentProcess
  readonly prober: Prober
  readonly size: ClusterSize
  readonly change: (to: EndpointChange) => Promise<number>
}

async function makeChanges(changing: Changing, options: RoundOptions): Promise<SizeResult> {
  const { name, agent, prober, size, change } = changing
  const { durationMs, progress, signal } = options
  const count = Math.min(mostChanges, Math.max(fewestChanges, Math.round(durationMs / 50)))
  const services = probedServices(size)
  const live = new Map<number, number>()
  const latency = recordLatency()
  const errors: Measurement['errors'][] = []
  const limits = { everyMs: probeEveryMs, limitMs: effectLimitMs, signal }
  const once = async (number: number, recorder: LatencyRecorder | null): Promise<void> => {
    const service = services[number % services.length] ?? 0
    const next = ((live.get(service) ?? 0) + 1) % liveEndpoints.length
    live.set(service, next)
    // Probing goes on while the change is on its way.
    const [beganUs, { arrival, failures }] = await Promise.all([
      change({ service, live: next }),
      prober.until(addressOf(service, size), next, limits),
    ])
    recorder?.record(arrival.atUs - beganUs)
    errors.push(failures)
    await delay(changeEveryMs, undefined, { signal })
  }
  // Code that has never run is not what a change costs.
  for (let number = 0; number < warmUpChanges(options); number++) await once(number, null)
  const idleBefore = await untilCalm(agent, signal)
  const before = cpuOf(agent)
  const startedMs = performance.now()
  for (let number = 0; number < count; number++) {
    progress.update(`sync: ${name}, ${size.services} Services, change ${number + 1} of ${count}`)
    await once(number, latency)
  }
  const after = cpuOf(agent)
  const seconds = (performance.now() - startedMs) / 1000
  const idleAfter = await idleCpu(agent, signal)
  // The lower one: what is still going on from the list, or from the changes, isn't what it always uses.
  const idle = Math.min(idleBefore.agentUs, idleAfter.agentUs)
  const encoded = latency.encode()
  const histogram = mergeLatencies([encoded])
  return {
    changes: count,
    latency: encoded,
    errors: addErrors(...errors),
    values: {
      change_p50_ms: (histogram?.getValueAtPercentile(50) ?? NaN) / 1000,
      agent_cpu_us_per_change: Math.max(0, after.agentUs - before.agentUs - idle * seconds) / count,
      agent_idle_cpu_us_per_s: idle,
      workers_cpu_us_per_change: (after.workersUs - before.workersUs) / count,
    },
  }
}

interface CpuTimes {
  readonly agentUs: number
  readonly workersUs: number
}

function cpuOf(agent: AgentProcess): CpuTimes {
  const workers = agent.pids().filter(pid => pid !== agent.pid)
  return { agentUs: cpuUsOf(agent.pid), workersUs: workers.reduce((sum, pid) => sum + cpuUsOf(pid), 0) }
}

/** What is used in a second in which nothing changes. */
async function idleCpu(agent: AgentProcess, signal: AbortSignal): Promise<CpuTimes> {
  const before = cpuOf(agent)
  const startedMs = performance.now()
  await delay(calmMs, undefined, { signal })
  const after = cpuOf(agent)
  const seconds = (performance.now() - startedMs) / 1000
  return {
    agentUs: (after.agentUs - before.agentUs) / seconds,
    workersUs: (after.workersUs - before.workersUs) / seconds,
  }
}

/** A large list leaves garbage to collect for a while; that is no part of a change. Returns what is used when calm. */
async function untilCalm(agent: AgentProcess, signal: AbortSignal): Promise<CpuTimes> {
  const latest = performance.now() + calmLimitMs
  for (;;) {
    const idle = await idleCpu(agent, signal)
    if (idle.agentUs < calmUsPerSecond || performance.now() > latest) return idle
  }
}

function warmUpChanges({ warmUpMs }: RoundOptions): number {
  return Math.min(probed, Math.ceil(warmUpMs / changeEveryMs))
}

function memoryValues(agent: AgentProcess): Measurement['values'] {
  const workers = agent.pids().filter(pid => pid !== agent.pid)
  return {
    agent_bytes: memoryOf([agent.pid]),
    agent_peak_bytes: peakOf(agent.pid),
    workers_bytes: memoryOf(workers),
  }
}

/** VmHWM, "peak resident set size" (man 5 proc). */
function peakOf(pid: number): number {
  try {
    const [, kibibytes = NaN] = /^VmHWM:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
    return Number(kibibytes) * 1024
  } catch (error) {
    throw new RelayError('BENCH', `the agent's memory can't be read: ${reasonOf(error)}`, { cause: error })
  }
}

function failUnlessEnoughDescriptors(services: number): void {
  const needed = services + otherDescriptors
  const limit = descriptorLimit()
  if (limit >= needed) return
  throw new RelayError(
    'BENCH',
    `${services} Services need ${needed} descriptors, and a process may have ${limit}: ulimit -n ${needed}`,
  )
}
