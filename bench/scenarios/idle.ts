// idle: connections that are opened in steps, used once, and left alone. What the proxy's processes take for each.

import { setTimeout as delay } from 'node:timers/promises'
import { RelayError } from '../../lib/model/error.ts'
import { descriptorLimit } from '../environment.ts'
import type { LoadTools } from '../load/tools.ts'
import { takeTurn, throwIfAborted } from '../load/turn.ts'
import { memoryOf } from '../process-cost.ts'
import type { Scenario } from '../scenario.ts'
import { requestBytes, responseBytes } from './traffic.ts'

const connections = 8000
const steps = 8

/** A proxy needs two for each connection, and some for itself. */
const descriptorsNeeded = 2 * connections + 500

/** Garbage of the opening isn't what a connection costs: so long is it given to go. */
const settleMs = 700

export function idle(tools: LoadTools): Scenario {
  return {
    name: 'idle',
    describe: `${new Intl.NumberFormat('en').format(connections)} open connections without traffic`,
    metrics: [
      {
        name: 'bytes_per_connection',
        unit: 'B',
        better: 'lower',
        describe: "memory of the proxy's processes for each open connection",
      },
      {
        name: 'base_bytes',
        unit: 'B',
        better: 'lower',
        describe: "memory of the proxy's processes without connections",
      },
      {
        name: 'opened_per_s',
        unit: '/s',
        better: 'higher',
        describe: 'connections opened per second, each with one request and its response',
      },
    ],
    growth: { memory_bytes: "memory of the proxy's processes, against the number of open connections" },
    measure: async (contestant, round, options) => {
      failUnlessEnoughDescriptors()
      return takeTurn(tools, contestant, { kind: 'rr', requestBytes, responseBytes }, options, async turn => {
        const { generator, target, running, signal } = turn
        await delay(Math.min(settleMs, options.warmUpMs), undefined, { signal })
        const base = memoryOf(running.pids())
        const memory: number[] = []
        let openingMs = 0
        for (let step = 0; step < steps; step++) {
          const count = connections / steps
          const startedMs = performance.now()
          const open = await generator.call('addIdle', { target, requestBytes, responseBytes, count })
          openingMs += performance.now() - startedMs
          throwIfAborted(signal)
          if (open !== count * (step + 1)) {
            throw new RelayError(
              'BENCH',
              `of ${count * (step + 1)} idle connections, ${String(open)} are left`,
            )
          }
          options.progress.update(`idle: ${contestant.name}, ${count * (step + 1)} connections open`)
          if (step === steps - 1) await delay(settleMs, undefined, { signal })
          memory.push(memoryOf(running.pids()))
        }
        const proxies = running.pids().length > 0
        const steady = Object.fromEntries(
          memory.map((bytes, step) => [`memory_bytes@${((step + 1) * connections) / steps}`, bytes]),
        )
        return {
          contestant: contestant.name,
          scenario: 'idle',
          round,
          values: {
            ...(proxies
              ? {
                  bytes_per_connection: ((memory.at(-1) ?? base) - base) / connections,
                  base_bytes: base,
                  ...steady,
                }
              : {}),
            opened_per_s: (connections / openingMs) * 1000,
          },
          latency: null,
          operations: connections,
          errors: {},
          bottleneck: 'none',
        }
      })
    },
  }
}

function failUnlessEnoughDescriptors(): void {
  const limit = descriptorLimit()
  if (limit >= descriptorsNeeded) return
  throw new RelayError(
    'BENCH',
    `${connections} proxied connections need ${descriptorsNeeded} descriptors, and a process may have ${limit}: ` +
      `ulimit -n ${descriptorsNeeded}`,
  )
}
