// tcp-stream: bulk from client to server, then from server to client, each for half of the duration.

import { setTimeout as delay } from 'node:timers/promises'
import { RelayError } from '../../lib/model/error.ts'
import type { LoadTools } from '../load/tools.ts'
import { takeTurn, type Turn } from '../load/turn.ts'
import { measureWindow } from '../load/window.ts'
import type { Measurement, RoundOptions, Scenario } from '../scenario.ts'
import { addErrors, errorsInWords, startLoad, streamMetrics } from './traffic.ts'

const connections = 4

interface Direction {
  readonly bytes: number
  readonly elapsedMs: number
  readonly proxyUs: number | null
  readonly errors: Measurement['errors']
  readonly bottleneck: Measurement['bottleneck']
}

export function tcpStream(tools: LoadTools): Scenario {
  return {
    name: 'tcp-stream',
    describe: `bulk over ${connections} connections, in one direction and then in the other`,
    metrics: streamMetrics,
    measure: (contestant, round, options) =>
      takeTurn(
        tools,
        contestant,
        { kind: 'stream', requestBytes: 0, responseBytes: 0 },
        options,
        async turn => {
          const up = await measureDirection(turn, 'up', options)
          const down = await measureDirection(turn, 'down', options)
          const bytes = up.bytes + down.bytes
          const proxyUs = up.proxyUs === null || down.proxyUs === null ? null : up.proxyUs + down.proxyUs
          return {
            contestant: contestant.name,
            scenario: 'tcp-stream',
            round,
            values: {
              bytes_per_s: (bytes / (up.elapsedMs + down.elapsedMs)) * 1000,
              up_bytes_per_s: (up.bytes / up.elapsedMs) * 1000,
              down_bytes_per_s: (down.bytes / down.elapsedMs) * 1000,
              ...(proxyUs === null ? {} : { cpu_s_per_gb: proxyUs / 1e6 / (bytes / 1e9) }),
            },
            latency: null,
            operations: bytes,
            errors: addErrors(up.errors, down.errors),
            // One that wasn't at its limit in one direction has more to give.
            bottleneck: up.bottleneck === 'proxy' ? down.bottleneck : up.bottleneck,
          }
        },
      ),
  }
}

async function measureDirection(
  turn: Turn,
  direction: 'up' | 'down',
  options: RoundOptions,
): Promise<Direction> {
  await startLoad(turn, { kind: 'tcp-stream', connections, direction })
  await delay(options.warmUpMs / 2, undefined, { signal: turn.signal })
  const { marked, server, cpu, bottleneck } = await measureWindow(turn, options.durationMs / 2)
  const { bytes, elapsedMs } = direction === 'up' ? server : marked
  if (bytes === 0) {
    const where = direction === 'up' ? 'from client to server' : 'from server to client'
    throw new RelayError('BENCH', `no byte came through ${where}${errorsInWords(marked.errors)}`)
  }
  return { bytes, elapsedMs, proxyUs: cpu.proxyUs, errors: marked.errors, bottleneck }
}
