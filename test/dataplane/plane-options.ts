// What a data plane under test is made with, where the test doesn't say otherwise.

import type { DataPlaneOptions } from '../../lib/dataplane/local-data-plane.ts'
import { systemClock } from '../../lib/ops/clock.ts'
import { silentLog } from '../../lib/ops/log.ts'

export const defaultOptions: Omit<DataPlaneOptions, 'engine'> = {
  clock: systemClock,
  log: silentLog,
  random: Math.random,
  passiveHealth: { failures: 0, firstMs: 0, longestMs: 0 },
  halfClosedTimeoutMs: 3_600_000,
  earlyRetry: true,
  maxConnectionsPerClient: null,
  udp: { idleMs: 30_000, streamIdleMs: 180_000, maxFlows: 10_000 },
}
