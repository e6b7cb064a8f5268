// A process that makes loads, apart from the one that makes faults, so that neither slows the other down. Commands and
// reports are IPC messages; it ends with its parent.

import { startBulk } from './load-bulk.ts'
import { startConnections } from './load-connections.ts'
import { startDatagrams } from './load-datagrams.ts'
import type { Load, LoadRun } from './load.ts'
import { startRequests } from './load-requests.ts'
import type { Verdict } from './outcomes.ts'

export type TrafficCommand =
  | { readonly type: 'start'; readonly loads: readonly Load[] }
  | { readonly type: 'report' }
  | { readonly type: 'stop' }

export interface TrafficReport {
  readonly verdict: Verdict
  /** "client ip:port" of each connection that is meant to stay, by load. */
  readonly open: Readonly<Record<string, readonly string[]>>
}

const runs = new Map<string, LoadRun>()

process.on('message', (command: TrafficCommand) => {
  if (command.type === 'start') {
    for (const load of command.loads) runs.set(load.name, start(load))
    report()
  } else if (command.type === 'report') {
    report()
  } else {
    void Promise.all([...runs.values()].map(run => run.stop())).then(report)
  }
})
process.on('disconnect', () => process.exit())

function start(load: Load): LoadRun {
  if (load.kind === 'connections') return startConnections(load)
  if (load.kind === 'requests') return startRequests(load)
  if (load.kind === 'bulk') return startBulk(load)
  return startDatagrams(load)
}

function report(): void {
  const each = [...runs]
  const message: TrafficReport = {
    verdict: Object.fromEntries(each.map(([name, run]) => [name, run.outcomes.verdict()])),
    open: Object.fromEntries(each.map(([name, run]) => [name, run.openConnections()])),
  }
  process.send?.(message)
}
