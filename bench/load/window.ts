// A stretch of time in which a load is measured, with what everyone's CPU time in it was, and who was at its limit.

import { setTimeout as delay } from 'node:timers/promises'
import type { RunningContestant } from '../contestant.ts'
import { busyShare, cpuUsedUs, sampleCores, sampleCpu, type CpuSample } from '../process-cost.ts'
import type { CoreSets } from '../pinning.ts'
import type { Measurement } from '../scenario.ts'
import type { Marked } from './counters.ts'
import type { Part } from './part.ts'
import type { ServerMark } from './server.ts'

export interface Window {
  readonly marked: Marked
  /** Bulk that arrived at the server. */
  readonly server: ServerMark
  readonly elapsedMs: number
  readonly cpu: CpuShares
  readonly bottleneck: Measurement['bottleneck']
}

/** Microseconds of CPU time. */
export interface CpuShares {
  /** Of all of its processes; null where there is no proxy. */
  readonly proxyUs: number | null
  /** Of that, of processes that see no client's bytes. */
  readonly steeringUs: number
  readonly generatorUs: number
  readonly serverUs: number
}

export interface Measured {
  readonly running: RunningContestant
  readonly threads: number
  readonly server: Part
  readonly generator: Part
  /** Where they are pinned; the generator and the server share theirs. */
  readonly cores: CoreSets | null
  readonly signal: AbortSignal
}

/** The load is running, and goes on running afterwards. */
export async function measureWindow(measured: Measured, durationMs: number): Promise<Window> {
  const { running, server, generator, signal } = measured
  await mark(generator, server)
  const coresBefore = sampleCores()
  const before = sampleAll(measured)
  const startedMs = performance.now()
  await delay(durationMs, undefined, { signal })
  let [marked, served] = await mark(generator, server)
  // On a machine that is that busy, a little longer gives a figure where there would be none.
  while (isEmpty(marked, served) && performance.now() - startedMs < durationMs + patienceMs) {
    await delay(durationMs, undefined, { signal })
    const [more, moreServed] = await mark(generator, server)
    marked = { ...more, elapsedMs: marked.elapsedMs + more.elapsedMs, lost: marked.lost + more.lost }
    served = { ...moreServed, elapsedMs: served.elapsedMs + moreServed.elapsedMs }
  }
  const after = sampleAll(measured)
  const elapsedMs = performance.now() - startedMs
  const used = (name: keyof typeof before): number => cpuUsedUs(before[name], after[name])
  const cpu = {
    proxyUs: running.pids().length === 0 ? null : used('proxy'),
    steeringUs: used('steering'),
    generatorUs: used('generator'),
    serverUs: used('server'),
  }
  const coresAfter = sampleCores()
  const sets = measured.cores === null ? [null] : [measured.cores.proxy, measured.cores.load]
  return {
    marked,
    server: served,
    elapsedMs,
    cpu,
    bottleneck: bottleneckOf({
      cpu,
      elapsedMs,
      threads: measured.threads,
      loadCores: measured.cores?.load.length ?? null,
      machineLoad: Math.max(...sets.map(cores => busyShare(coresBefore, coresAfter, cores))),
    }),
  }
}

/** From here on, of the time that it could have had, it was at its limit. */
const limit = 0.9

/** Of a core's time, whoever used it: where nothing was left, others than those who are measured took it. */
const machineLimit = 0.95

export interface LoadFacts {
  readonly cpu: CpuShares
  readonly elapsedMs: number
  readonly threads: number
  readonly loadCores: number | null
  /** Of the busier one of the two sets of cores; without pinning, of the machine. From 0 to 1. */
  readonly machineLoad: number
}

/** The proxy at its limit is what a benchmark looks for; with anyone else there, the figure is a lower bound. */
export function bottleneckOf(facts: LoadFacts): Measurement['bottleneck'] {
  const { cpu, elapsedMs, threads, loadCores, machineLoad } = facts
  const couldUs = elapsedMs * 1000
  const proxyingUs = (cpu.proxyUs ?? 0) - cpu.steeringUs
  if (proxyingUs > limit * couldUs * threads) return 'proxy'
  const larger = cpu.generatorUs >= cpu.serverUs ? 'generator' : 'server'
  if (Math.max(cpu.generatorUs, cpu.serverUs) > limit * couldUs) return larger
  if (loadCores !== null && cpu.generatorUs + cpu.serverUs > limit * couldUs * loadCores) return larger
  return machineLoad > machineLimit ? 'machine' : 'none'
}

/** How long nothing at all may come through. */
const patienceMs = 10_000

function isEmpty({ operations, bytes }: Marked, server: ServerMark): boolean {
  return operations + bytes + server.bytes === 0
}

async function mark(generator: Part, server: Part): Promise<[Marked, ServerMark]> {
  return (await Promise.all([generator.call('mark'), server.call('mark')])) as [Marked, ServerMark]
}

function sampleAll({
  running,
  generator,
  server,
}: Measured): Readonly<Record<'proxy' | 'steering' | 'generator' | 'server', CpuSample>> {
  return {
    proxy: sampleCpu(running.pids()),
    steering: sampleCpu(running.steering?.() ?? []),
    generator: sampleCpu([generator.pid]),
    server: sampleCpu([server.pid]),
  }
}
