// An agent for tests, in a process of its own so that it can be killed: a pool with one TCP Service, nothing else. Says
// the process ids of its workers once they serve.

import { systemClock } from '../../lib/ops/clock.ts'
import { silentLog } from '../../lib/ops/log.ts'
import { WorkerPool } from '../../lib/workers/worker-pool.ts'
import { snapshot, tcpService } from '../dataplane/table.ts'
import { workerCommand, workerEnv, workerOptions } from './pool-options.ts'

export interface AgentOrder {
  readonly frontend: string
  readonly endpoint: string
  readonly orphanGraceMs: number
  readonly shutdownTimeoutMs: number
  readonly stateDir: string | null
}

process.once('message', ({ frontend, endpoint, ...life }: AgentOrder) => {
  const pool = new WorkerPool({
    workers: 2,
    command: workerCommand,
    env: workerEnv,
    options: workerOptions({ ...life, log: { level: 'debug', format: 'json' } }),
    log: silentLog,
    clock: systemClock,
  })
  void pool
    .apply(snapshot(1, tcpService(frontend, [endpoint])))
    .then(() => pool.status())
    .then(({ workers }) => process.send?.(workers.map(({ pid }) => pid)))
})
