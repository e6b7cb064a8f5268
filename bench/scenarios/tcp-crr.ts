// tcp-crr: connect, request, response, close.

import { setTimeout as delay } from 'node:timers/promises'
import type { LoadTools } from '../load/tools.ts'
import { takeTurn } from '../load/turn.ts'
import { measureWindow } from '../load/window.ts'
import type { Scenario } from '../scenario.ts'
import {
  cpuPerOperation,
  latencyMetric,
  operationsPerSecond,
  operationValues,
  requestBytes,
  responseBytes,
  startLoad,
} from './traffic.ts'

const concurrency = 32

export function tcpCrr(tools: LoadTools): Scenario {
  return {
    name: 'tcp-crr',
    describe: `connect, ${requestBytes}-byte request and response, close; ${concurrency} at a time`,
    metrics: [
      { ...operationsPerSecond, describe: 'connections per second, at saturation' },
      cpuPerOperation,
      latencyMetric(50, 'from connecting to the response, at saturation'),
      latencyMetric(99, 'from connecting to the response, at saturation'),
    ],
    measure: (contestant, round, options) =>
      takeTurn(tools, contestant, { kind: 'rr', requestBytes, responseBytes }, options, async turn => {
        await startLoad(turn, { kind: 'tcp-crr', concurrency, requestBytes, responseBytes })
        await delay(options.warmUpMs, undefined, { signal: turn.signal })
        const window = await measureWindow(turn, options.durationMs)
        const { operations, errors, latency } = window.marked
        return {
          contestant: contestant.name,
          scenario: 'tcp-crr',
          round,
          values: operationValues(window, options),
          latency,
          operations,
          errors,
          bottleneck: window.bottleneck,
        }
      }),
  }
}
