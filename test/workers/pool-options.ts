// What a pool under test is made with, where the test doesn't say otherwise: real workers, on the tests' own Node.js.

import { fileURLToPath } from 'node:url'
import type { WorkerOptions } from '../../lib/workers/messages.ts'
import { defaultOptions } from '../dataplane/plane-options.ts'

const entry = fileURLToPath(new URL('../../cmd/kube-relay.ts', import.meta.url))

export const workerCommand: readonly string[] = [process.execPath, entry, 'worker']

/** Without the test runner's own NODE_OPTIONS, which would load it into the workers. */
export const workerEnv: NodeJS.ProcessEnv = { ...process.env, NODE_OPTIONS: '' }

export function workerOptions(overrides: Partial<WorkerOptions> = {}): WorkerOptions {
  const { passiveHealth, halfClosedTimeoutMs, earlyRetry, udp, maxConnectionsPerClient } = defaultOptions
  return {
    dataPlane: {
      passiveHealth,
      halfClosedTimeoutMs,
      earlyRetry,
      udp,
      maxConnectionsPerClient,
      vipNamespace: null,
    },
    log: { level: 'silent', format: 'text' },
    orphanGraceMs: 60_000,
    shutdownTimeoutMs: 1000,
    stateDir: null,
    ...overrides,
  }
}
