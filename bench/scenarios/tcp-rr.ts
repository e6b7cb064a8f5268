// tcp-rr: requests and responses on connections that stay open. Throughput and CPU time at saturation; then latency at
// half of that throughput, with requests that go out when they are due.

import { setTimeout as delay } from 'node:timers/promises'
import type { LoadTools } from '../load/tools.ts'
import { takeTurn } from '../load/turn.ts'
import { measureWindow } from '../load/window.ts'
import type { Scenario } from '../scenario.ts'
import {
  addErrors,
  cpuPerOperation,
  latencyMetric,
  operationsPerSecond,
  operationValues,
  requestBytes,
  responseBytes,
  startLoad,
} from './traffic.ts'

const connections = 64

export function tcpRr(tools: LoadTools): Scenario {
  return {
    name: 'tcp-rr',
    describe: `${requestBytes}-byte requests and responses on ${connections} open connections`,
    metrics: [
      operationsPerSecond,
      cpuPerOperation,
      latencyMetric(50, 'latency at half load'),
      latencyMetric(99, 'latency at half load'),
    ],
    measure: (contestant, round, options) =>
      takeTurn(tools, contestant, { kind: 'rr', requestBytes, responseBytes }, options, async turn => {
        const { signal, generator } = turn
        await startLoad(turn, { kind: 'tcp-rr', connections, requestBytes, responseBytes })
        await delay(options.warmUpMs, undefined, { signal })
        const saturated = await measureWindow(turn, options.durationMs)
        const values = operationValues(saturated, options)
        const ratePerSecond = (values['ops_per_s'] ?? 0) / 2
        await generator.call('openLoop', { ratePerSecond })
        // What has piled up at saturation is answered, and not part of it.
        await delay(options.warmUpMs / 2, undefined, { signal })
        const half = await measureWindow(turn, options.durationMs)
        return {
          contestant: contestant.name,
          scenario: 'tcp-rr',
          round,
          values: { ...values, half_load_ops_per_s: (half.marked.operations / half.marked.elapsedMs) * 1000 },
          latency: half.marked.latency,
          operations: saturated.marked.operations + half.marked.operations,
          errors: addErrors(saturated.marked.errors, half.marked.errors),
          bottleneck: saturated.bottleneck,
        }
      }),
  }
}
