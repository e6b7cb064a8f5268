// udp-rr: requests and responses as datagrams, over many flows. What isn't answered is counted as lost.

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

const flows = 100

/** Far above what an answer takes on loopback, even on a busy machine. */
const lostAfterMs = 500

export function udpRr(tools: LoadTools): Scenario {
  return {
    name: 'udp-rr',
    describe: `${requestBytes}-byte datagrams and answers over ${flows} flows`,
    metrics: [
      operationsPerSecond,
      cpuPerOperation,
      latencyMetric(50, 'latency at saturation'),
      latencyMetric(99, 'latency at saturation'),
      {
        name: 'lost_percent',
        unit: '%',
        better: 'lower',
        describe: `requests without an answer in ${lostAfterMs} ms`,
      },
    ],
    measure: (contestant, round, options) =>
      takeTurn(tools, contestant, { kind: 'udp', requestBytes, responseBytes }, options, async turn => {
        await startLoad(turn, { kind: 'udp-rr', flows, requestBytes, lostAfterMs })
        await delay(options.warmUpMs, undefined, { signal: turn.signal })
        const window = await measureWindow(turn, options.durationMs)
        const { operations, errors, latency, lost } = window.marked
        return {
          contestant: contestant.name,
          scenario: 'udp-rr',
          round,
          values: { ...operationValues(window, options), lost_percent: (100 * lost) / (operations + lost) },
          latency,
          operations,
          errors,
          bottleneck: window.bottleneck,
        }
      }),
  }
}
