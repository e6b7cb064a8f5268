// `kube-relay run` in front of an API server, for the scenarios about what an agent does.

import type { KubeRelay } from '../contestants/kube-relay.ts'
import { agentEnvironment, freeMetricsAddress } from '../contestants/kube-relay.ts'
import { launch } from '../contestants/launch.ts'
import type { RunningContestant } from '../contestant.ts'
import { throwIfAborted } from '../load/turn.ts'
import { RelayError } from '../../lib/model/error.ts'

export interface AgentOptions {
  readonly threads: number
  /** The API server's URL. */
  readonly master: string
  /** Null: it keeps no table. */
  readonly stateDir: string | null
  /** How long it may take until it is ready. */
  readonly startLimitMs: number
  readonly signal: AbortSignal
  /** Absent: it is waited for until it has said that all is served. */
  readonly isReady?: () => Promise<boolean>
}

export interface AgentProcess extends RunningContestant {
  /** Of the agent itself; the workers are the rest of `pids()`. */
  readonly pid: number
}

/** What it logs once the table that the API server has listed is served by every worker. */
const served = /synced: serving the whole table/

export async function startAgent(contestant: KubeRelay, options: AgentOptions): Promise<AgentProcess> {
  const { threads, master, stateDir, startLimitMs, signal } = options
  const metrics = await freeMetricsAddress()
  const command = [
    ...contestant.runCommand({ threads, metrics }),
    `--master=${master}`,
    `--state-dir=${stateDir ?? 'off'}`,
    '--log-level=info',
  ]
  const running = await launch({
    name: contestant.name,
    setup: { routes: [], threads },
    files: [],
    commands: () => [command],
    env: agentEnvironment,
    startLimitMs,
    isReady: async said => {
      throwIfAborted(signal)
      return options.isReady === undefined ? served.test(said) : await options.isReady()
    },
  })
  const [pid] = running.mains
  if (pid === undefined) throw new RelayError('BENCH', `${contestant.name} has not been started`)
  return { ...running, pid }
}
