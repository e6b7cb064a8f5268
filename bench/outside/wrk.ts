// tcp-rr with wrk's load: HTTP on connections that stay open, in a closed loop. It tells percentiles and no histogram,
// so that the latency of several rounds is the median of theirs, at saturation.

import { setTimeout as delay } from 'node:timers/promises'
import { RelayError } from '../../lib/model/error.ts'
import type { LoadTools } from '../load/tools.ts'
import { takeTurn } from '../load/turn.ts'
import { cpuUsedUs, sampleCpu } from '../process-cost.ts'
import type { Scenario } from '../scenario.ts'
import { cpuPerOperation, operationsPerSecond, responseBytes } from '../scenarios/traffic.ts'
import { runOutside } from './run.ts'

const connections = 64

/** At both ends of a run, left out of what CPU time is counted in. */
const edgeMs = 100

export interface WrkReport {
  readonly operationsPerSecond: number
  readonly requests: number
  readonly p50Us: number
  readonly p99Us: number
  readonly errors: Readonly<Record<string, number>>
}

/** What `wrk --latency` prints. @throws BENCH for anything else. */
export function readWrkReport(text: string): WrkReport {
  const rate = Number(/^Requests\/sec:\s+([\d.]+)/m.exec(text)?.[1])
  const requests = Number(/^\s*(\d+) requests in /m.exec(text)?.[1])
  const p50Us = microseconds(/^\s+50(?:\.\d+)?%\s+(\S+)/m.exec(text)?.[1])
  const p99Us = microseconds(/^\s+99(?:\.\d+)?%\s+(\S+)/m.exec(text)?.[1])
  if (![rate, requests, p50Us, p99Us].every(Number.isFinite)) {
    throw new RelayError('BENCH', `wrk printed what this program can't read: ${text.trim().slice(-300)}`)
  }
  const errors: Record<string, number> = {}
  const line = /^\s*Socket errors: (.*)$/m.exec(text)?.[1] ?? ''
  for (const [, kind = '', count] of line.matchAll(/(\w+) (\d+)/g)) {
    if (Number(count) > 0) errors[`${kind} error`] = Number(count)
  }
  const refused = Number(/^\s*Non-2xx or 3xx responses: (\d+)/m.exec(text)?.[1] ?? 0)
  if (refused > 0) errors['not a success'] = refused
  return { operationsPerSecond: rate, requests, p50Us, p99Us, errors }
}

/** "635.00us", "4.47ms", "1.20s" */
function microseconds(text: string | undefined): number {
  const match = /^([\d.]+)(us|ms|s|m)$/.exec(text ?? '')
  return Number(match?.[1]) * ({ us: 1, ms: 1e3, s: 1e6, m: 6e7 }[match?.[2] ?? ''] ?? NaN)
}

export function tcpRrByWrk(tools: LoadTools, program: string): Scenario {
  return {
    name: 'tcp-rr',
    describe: `HTTP requests on ${connections} open connections, by wrk`,
    metrics: [
      operationsPerSecond,
      cpuPerOperation,
      { name: 'wrk_p50_us', unit: 'µs', better: 'lower', describe: 'latency at saturation, percentile 50' },
      { name: 'wrk_p99_us', unit: 'µs', better: 'lower', describe: 'latency at saturation, percentile 99' },
    ],
    measure: (contestant, round, options) => {
      const serve = { kind: 'http', requestBytes: 0, responseBytes } as const
      return takeTurn(tools, contestant, serve, options, async ({ target, running, signal }) => {
        const load = async (durationMs: number): Promise<{ report: WrkReport; proxyUs: number | null }> => {
          // It counts in whole seconds.
          const seconds = Math.max(1, Math.ceil(durationMs / 1000))
          const url = `http://${target.ip}:${target.port}/`
          const wrk = runOutside(program, ['-t1', `-c${connections}`, `-d${seconds}s`, '--latency', url])
          try {
            await tools.pinning.pin([wrk.pid], 'load')
            await delay(edgeMs, undefined, { signal })
            const before = sampleCpu(running.pids())
            const startedMs = performance.now()
            await Promise.race([delay(seconds * 1000 - 2 * edgeMs, undefined, { signal }), wrk.output])
            const elapsedS = (performance.now() - startedMs) / 1000
            const usedUs = cpuUsedUs(before, sampleCpu(running.pids()))
            const report = readWrkReport(await wrk.output)
            const proxies = running.pids().length > 0 && report.operationsPerSecond > 0
            return {
              report,
              proxyUs: proxies ? usedUs / (report.operationsPerSecond * elapsedS) : null,
            }
          } finally {
            wrk.kill()
          }
        }
        await load(options.warmUpMs)
        const { report, proxyUs } = await load(options.durationMs)
        if (report.requests === 0) throw new RelayError('BENCH', 'nothing came through, says wrk')
        return {
          contestant: contestant.name,
          scenario: 'tcp-rr',
          round,
          values: {
            ops_per_s: report.operationsPerSecond,
            ...(proxyUs === null ? {} : { cpu_us_per_op: proxyUs }),
            wrk_p50_us: report.p50Us,
            wrk_p99_us: report.p99Us,
          },
          latency: null,
          operations: report.requests,
          errors: report.errors,
          bottleneck: 'none',
        }
      })
    },
  }
}
