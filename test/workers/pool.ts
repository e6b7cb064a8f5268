// A pool of real worker processes under test. When the test is over, all of them are gone, however it went.

import type { Test } from 'tap'
import { systemClock } from '../../lib/ops/clock.ts'
import { silentLog } from '../../lib/ops/log.ts'
import { WorkerPool, type WorkerPoolOptions } from '../../lib/workers/worker-pool.ts'
import { until } from '../dataplane/until.ts'
import { workerCommand, workerEnv, workerOptions } from './pool-options.ts'

/** A pool that isn't closed by itself. */
export function newPool(overrides: Partial<WorkerPoolOptions> = {}): WorkerPool {
  return new WorkerPool({
    workers: 2,
    command: workerCommand,
    env: workerEnv,
    options: workerOptions(),
    log: silentLog,
    clock: systemClock,
    ...overrides,
  })
}

/** A pool whose workers are up; closed when the test is over. */
export async function startPool(t: Test, overrides: Partial<WorkerPoolOptions> = {}): Promise<WorkerPool> {
  const pool = newPool(overrides)
  t.teardown(() => pool.close())
  await pool.started
  return pool
}

/** The process id of each worker that isn't draining, by index; 0 where there is none. */
export async function pids(pool: WorkerPool, workers = 2): Promise<readonly number[]> {
  const status = await pool.status()
  return Array.from(
    { length: workers },
    (_, index) => status.workers.find(worker => worker.index === index && !worker.draining)?.pid ?? 0,
  )
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

export async function untilGone(...gone: readonly number[]): Promise<void> {
  await until(() => gone.every(pid => !isAlive(pid)), `the processes ${gone.join(', ')} to end`, 10)
}

/** Waits until another process than `pid` serves in the place. */
export async function untilReplaced(pool: WorkerPool, index: number, pid: number): Promise<number> {
  let now = 0
  await until(
    async () => {
      now = (await pids(pool))[index] ?? 0
      return now !== 0 && now !== pid && (await pool.status()).workerRestarts.lastGapMs !== null
    },
    `worker ${index} to be replaced`,
    10,
  )
  return now
}
