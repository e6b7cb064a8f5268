// Steady requests to one target from where this process is, one at a time and every one counted, while something else
// happens to the cluster.

import { setTimeout as delay } from 'node:timers/promises'
import type { ProbeTarget, ProbeResult, TrafficOptions, TrafficReport } from './place-protocol.ts'
import { openProbe, probeOnce } from './prober.ts'

export interface Traffic {
  report(): TrafficReport
  /** Resolves when the request under way is done. */
  stop(): Promise<TrafficReport>
}

const usualTimeoutMs = 10_000

/** Resolves when the first request is on its way; rejects if a lasting connection can't be made. */
export async function startTraffic(target: ProbeTarget, options: TrafficOptions): Promise<Traffic> {
  const { lasting = false, pauseMs = 10, timeoutMs = usualTimeoutMs } = options
  let answered = 0
  const stopping = new AbortController()
  const failures: string[] = []
  const report = (): TrafficReport => ({ answered, failures })

  const opened = lasting ? await openProbe(target, options) : null
  if (opened !== null && 'outcome' in opened) throw new Error(`can't connect: ${opened.outcome}`)
  const request = (): Promise<ProbeResult> =>
    opened === null ? probeOnce(target, options) : opened.ask(timeoutMs)
  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      const result = await request()
      if (result.outcome === 'answered') answered++
      else
        failures.push(
          `after ${answered} answers: ${result.outcome === 'failed' ? result.code : result.outcome}`,
        )
      await delay(pauseMs)
    }
    opened?.close()
  }
  const running = run()
  return {
    report,
    stop: async () => {
      stopping.abort()
      await running
      return report()
    },
  }
}
