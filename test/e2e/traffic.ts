// Steady traffic while something else happens: every request is counted, none may fail, and a test can wait for
// more of it, so that an outage is known to have had traffic.

import { setTimeout as delay } from 'node:timers/promises'
import { ask, openTcp, targetName, type Target } from './client.ts'
import { until } from './until.ts'

export interface TrafficReport {
  readonly answered: number
  /** One line for each request that failed. */
  readonly failures: readonly string[]
}

export interface Traffic {
  /** Resolves when each client has had this many more answers, or one of them has failed. */
  answered(count: number): Promise<void>
  /** Ends the traffic; resolves when the requests under way are done. */
  stop(): Promise<TrafficReport>
}

/**
 * Starts two clients per target, one request at a time each: one that connects anew for every request and, for TCP,
 * one that keeps its first connection to the end.
 */
export function startTraffic(targets: readonly Target[], pauseMs = 10): Traffic {
  const failures: string[] = []
  const counts: number[] = []
  const stopping = new AbortController()

  const client = async (name: string, request: (message: string) => Promise<unknown>): Promise<void> => {
    const index = counts.push(0) - 1
    while (!stopping.signal.aborted) {
      const count = counts[index] ?? 0
      try {
        await request(`request-${count}`)
        counts[index] = count + 1
      } catch (error) {
        failures.push(`${name}, after ${count} answers: ${String(error)}`)
      }
      await delay(pauseMs)
    }
  }
  const lasting = async (target: Target): Promise<void> => {
    const connection = await openTcp(target)
    await client(`${targetName(target)}, one connection`, message => connection.ask(message))
    connection.close()
  }
  const clients = targets.flatMap(target => [
    client(targetName(target), message => ask(target, message)),
    ...(target.protocol === 'TCP' ? [lasting(target)] : []),
  ])
  const expected = clients.length

  return {
    answered: async count => {
      await until('all clients have connected', () => counts.length === expected || undefined)
      const goals = counts.map(now => now + count)
      const reached = (): true | undefined =>
        failures.length > 0 || goals.every((goal, index) => (counts[index] ?? 0) >= goal) || undefined
      await until(`each client has ${count} more answers`, reached, { deadlineMs: 120_000 })
    },
    stop: async () => {
      stopping.abort()
      await Promise.all(clients)
      return { answered: counts.reduce((sum, count) => sum + count, 0), failures }
    },
  }
}
