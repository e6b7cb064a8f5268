// Makes loads in a process of their own, and judges: what was sent is answered, or it is told what failed when.

import { until } from '../e2e/until.ts'
import type { Load } from './load.ts'
import type { Failure, LoadVerdict, Verdict } from './outcomes.ts'
import { startHelper } from './helper-process.ts'
import type { TrafficCommand, TrafficReport } from './traffic-process.ts'
import type { Owner } from './owner.ts'

export interface Traffic {
  report(): Promise<TrafficReport>
  /** Resolves once each load has been answered this many times more. */
  answered(times: number): Promise<void>
  /** Resolves once each load has had this many failures. */
  failed(times: number): Promise<void>
  /** Stops all loads; resolves when everything that was sent is accounted for. */
  stop(): Promise<Verdict>
}

export async function startTraffic(owner: Owner, loads: readonly Load[]): Promise<Traffic> {
  const helper = startHelper<TrafficCommand, TrafficReport>('./traffic-process.ts')
  owner.teardown(() => helper.kill())
  await helper.command({ type: 'start', loads })
  const report = (): Promise<TrafficReport> => helper.command({ type: 'report' })
  return {
    report,
    async answered(times) {
      const before = (await report()).verdict
      await until(`${times} more answers to each load`, async () => {
        const { verdict } = await report()
        const enough = ([name, { kind, answered, bytes }]: [string, LoadVerdict]): boolean => {
          const from = before[name]
          // A transfer is answered at its end, which may be that of the load: its bytes are what tells.
          if (kind === 'bulk') return bytes > (from?.bytes ?? 0)
          return answered >= (from?.answered ?? 0) + times
        }
        return Object.entries(verdict).every(enough) ? true : undefined
      })
    },
    async failed(times) {
      await until(`${times} failures of each load`, async () => {
        const { verdict } = await report()
        return Object.values(verdict).every(({ failed }) => failed >= times) ? true : undefined
      })
    },
    stop: async () => (await helper.command({ type: 'stop' })).verdict,
  }
}

/** Everything that went wrong, by load, in words; empty if every request was answered and no connection broke. */
export function harm(verdict: Verdict, faultAt: number | null = null): readonly string[] {
  return Object.entries(verdict).flatMap(([name, load]) => {
    const { sent, answered, failed, broken, moved, failedByReason } = load
    const found: string[] = []
    if (answered + failed !== sent)
      found.push(`${name}: ${sent - answered - failed} of ${sent} unaccounted for`)
    if (answered === 0) found.push(`${name}: nothing was answered at all`)
    if (failed > 0) found.push(`${name}: ${failed} of ${sent} failed, ${JSON.stringify(failedByReason)}`)
    if (broken.length > 0) found.push(`${name}: ${broken.length} established connections broke`)
    if (moved > 0) found.push(`${name}: ${moved} answers from another endpoint`)
    if (found.length > 0) {
      found.push(...[...load.failures, ...broken].slice(0, 5).map(each => `  ${describe(each, faultAt)}`))
    }
    return found
  })
}

function describe({ reason, at, startedAt, client, to }: Failure, faultAt: number | null): string {
  const zero = faultAt ?? startedAt
  const since = (time: number): string => `${(time - zero).toFixed(0)} ms`
  const frame = faultAt === null ? 'its beginning' : 'the fault'
  return `${client || 'unbound'} → ${to}: ${reason}; begun ${since(startedAt)}, failed ${since(at)} after ${frame}`
}
