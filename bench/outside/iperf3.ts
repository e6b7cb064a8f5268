// tcp-stream with iperf3's load and server: its control connection goes through the proxy like its data.

import { setTimeout as delay } from 'node:timers/promises'
import { areListening } from '../contestants/sockets.ts'
import { RelayError } from '../../lib/model/error.ts'
import type { Address } from '../../lib/model/address.ts'
import { freeAddress } from '../load/free-port.ts'
import type { LoadTools } from '../load/tools.ts'
import { takeTurn } from '../load/turn.ts'
import { cpuUsedUs, sampleCpu } from '../process-cost.ts'
import type { Scenario } from '../scenario.ts'
import { streamMetrics } from '../scenarios/traffic.ts'
import { runOutside, type OutsideProgram } from './run.ts'

const connections = 4

export interface Iperf3Report {
  readonly bytes: number
  readonly seconds: number
}

/** What `iperf3 --json` prints: what arrived. @throws BENCH with its own error, or for anything else. */
export function readIperf3Report(text: string): Iperf3Report {
  interface Document {
    readonly error?: string
    readonly end?: { readonly sum_received?: { readonly bytes?: number; readonly seconds?: number } }
  }
  let document: Document | null = null
  try {
    document = JSON.parse(text) as Document | null
  } catch {
    // Told below.
  }
  if (document?.error !== undefined) throw new RelayError('BENCH', `iperf3: ${document.error}`)
  const { bytes, seconds } = document?.end?.sum_received ?? {}
  if (typeof bytes !== 'number' || typeof seconds !== 'number' || seconds <= 0) {
    throw new RelayError('BENCH', `iperf3 printed what this program can't read: ${text.trim().slice(-300)}`)
  }
  return { bytes, seconds }
}

const startLimitMs = 10_000

async function untilListening(listen: Address): Promise<void> {
  const tooLate = performance.now() + startLimitMs
  while (!areListening([{ protocol: 'TCP', listen }])) {
    if (performance.now() > tooLate) {
      throw new RelayError('BENCH', `iperf3's server has not come up in ${startLimitMs / 1000} s`)
    }
    await delay(20)
  }
}

export function tcpStreamByIperf3(tools: LoadTools, program: string): Scenario {
  return {
    name: 'tcp-stream',
    describe: `bulk over ${connections} connections, in one direction and then in the other, by iperf3`,
    metrics: streamMetrics,
    measure: async (contestant, round, options) => {
      const address = await freeAddress('TCP')
      let server: OutsideProgram | null = null
      const begin = async (): Promise<typeof address> => {
        server = runOutside(program, ['-s', '-B', address.ip, '-p', String(address.port)])
        await tools.pinning.pin([server.pid], 'load')
        await Promise.race([untilListening(address), server.output])
        return address
      }
      try {
        return await takeTurn(tools, contestant, begin, options, async ({ target, running, signal }) => {
          const load = async (
            direction: 'up' | 'down',
          ): Promise<Iperf3Report & { readonly cpuUs: number }> => {
            const seconds = Math.max(1, Math.ceil(options.durationMs / 2000))
            const omit = Math.max(1, Math.ceil(options.warmUpMs / 2000))
            const args = ['-c', target.ip, '-p', String(target.port), '-P', String(connections), '-J']
            const client = runOutside(program, [
              ...args,
              '-t',
              String(seconds),
              '-O',
              String(omit),
              ...(direction === 'down' ? ['-R'] : []),
            ])
            const onAbort = (): void => client.kill()
            signal.addEventListener('abort', onAbort)
            try {
              await tools.pinning.pin([client.pid], 'load')
              await delay(omit * 1000, undefined, { signal })
              const before = sampleCpu(running.pids())
              const startedMs = performance.now()
              await Promise.race([delay(seconds * 1000, undefined, { signal }), client.output])
              const elapsedMs = performance.now() - startedMs
              const perMs = cpuUsedUs(before, sampleCpu(running.pids())) / elapsedMs
              const report = readIperf3Report(await client.output)
              return { ...report, cpuUs: perMs * report.seconds * 1000 }
            } finally {
              signal.removeEventListener('abort', onAbort)
              client.kill()
            }
          }
          const up = await load('up')
          const down = await load('down')
          const bytes = up.bytes + down.bytes
          if (up.bytes === 0 || down.bytes === 0)
            throw new RelayError('BENCH', 'no byte came through, says iperf3')
          return {
            contestant: contestant.name,
            scenario: 'tcp-stream',
            round,
            values: {
              bytes_per_s: bytes / (up.seconds + down.seconds),
              up_bytes_per_s: up.bytes / up.seconds,
              down_bytes_per_s: down.bytes / down.seconds,
              ...(running.pids().length === 0
                ? {}
                : { cpu_s_per_gb: (up.cpuUs + down.cpuUs) / 1e6 / (bytes / 1e9) }),
            },
            latency: null,
            operations: bytes,
            errors: {},
            bottleneck: 'none',
          }
        })
      } finally {
        ;(server as OutsideProgram | null)?.kill()
      }
    },
  }
}
