// What an operator does on purpose, and what happens to processes: each resolves when the fault is over as far as the
// agent itself can tell.

import { until } from '../e2e/until.ts'
import type { Readiness } from '../../lib/ops/observability-routes.ts'
import type { StatusDocument } from '../../lib/ops/status.ts'
import type { AgentProcess } from './agent-process.ts'
import { now } from './monotonic.ts'
import { processesHere, socketInodes, tcpSockets, type TcpSocket } from './network.ts'
import type { Failure, LoadVerdict } from './outcomes.ts'
import { servesSteady } from './scenario.ts'

/** A connection that waits in a listener's queue belongs to no process yet. */
const notAccepted = 0

/** Whether the client may still be answered, even if it has said all that it had to say. */
function isOpen(state: TcpSocket['state']): boolean {
  return state === 'ESTABLISHED' || state === 'CLOSE_WAIT'
}

/** How long a datagram, or a failure, may be on its way. */
const flightMs = 1000

/** SIGHUP, and the new generation of workers serves. Throws if the agent refuses. */
export async function reload(agent: AgentProcess): Promise<void> {
  const before = (await agent.status()).agent?.reloadRequests ?? 0
  process.kill(agent.pid, 'SIGHUP')
  const status = await agent.until(
    'reload finished',
    status => (status.agent?.lastReload?.request ?? 0) > before && servesSteady(status),
  )
  const { ok, reason } = status.agent?.lastReload ?? {}
  if (ok !== true) throw new Error(`the reload was refused: ${reason}`)
}

/** Resolves once this very agent answers on a port that it may share, and serves. */
export function untilServing(agent: AgentProcess): Promise<StatusDocument> {
  return agent.until(
    `agent ${agent.pid} serves`,
    status => status.agent?.pid === agent.pid && servesSteady(status),
  )
}

/** Resolves with the status of this very agent, on a port that it may share, whatever it serves. */
export function untilAnswering(agent: AgentProcess): Promise<StatusDocument> {
  return agent.until(`agent ${agent.pid} answers`, status => status.agent?.pid === agent.pid)
}

/** Resolves once this very agent says that it is ready, as `kube-relay ready` waits for. */
export async function untilReady(agent: AgentProcess): Promise<void> {
  await until(`agent ${agent.pid} is ready`, async () => {
    const { ready, agent: who } = JSON.parse(await agent.get('/readyz')) as Readiness
    return (ready && who?.pid === agent.pid) || undefined
  })
}

export function workerPids(status: StatusDocument): readonly number[] {
  return status.workers.filter(({ draining }) => !draining).map(({ pid }) => pid)
}

/** Resolves once none of the processes listens any more (or is there at all). */
export async function untilNotListening(pids: readonly number[]): Promise<void> {
  await until('workers of before take nobody new', () => {
    const listening = new Set(
      tcpSockets()
        .filter(({ state }) => state === 'LISTEN')
        .map(({ inode }) => inode),
    )
    const here = new Set(processesHere().map(({ pid }) => pid))
    const busy = pids.filter(
      pid => here.has(pid) && [...socketInodes(pid)].some(inode => listening.has(inode)),
    )
    return busy.length === 0 ? true : undefined
  })
}

/** Resolves once the processes are gone. */
export async function untilGone(pids: readonly number[]): Promise<void> {
  await until(
    `processes ${pids.join(', ')} end`,
    () => (processesHere().some(({ pid }) => pids.includes(pid)) ? undefined : true),
    {
      detail: () =>
        processesHere()
          .map(({ pid, command }) => `${pid} ${command}`)
          .join('\n'),
    },
  )
}

/** Resolves once no worker of an earlier generation is left. */
export async function untilDrained(agent: AgentProcess): Promise<void> {
  await agent.until(
    'no worker draining any more',
    status => status.agent?.pid === agent.pid && status.workers.every(({ draining }) => !draining),
  )
}

export interface WorkerKill {
  readonly pid: number
  readonly signal: NodeJS.Signals
  /** Just before the signal, and when the worker that took its place had the whole table; on the shared clock. */
  readonly killedAt: number
  readonly replacedAt: number
  /** "client ip:port" of the connections that were the killed worker's, or waited to be accepted by some worker. */
  readonly clients: ReadonlySet<string>
}

/** kill -9 of the worker with this index; resolves when another has its place. */
export async function killWorker(agent: AgentProcess, index: number): Promise<WorkerKill> {
  return await endWorker(agent, index, 'SIGKILL')
}

async function endWorker(agent: AgentProcess, index: number, signal: NodeJS.Signals): Promise<WorkerKill> {
  const before = await agent.status()
  const worker = before.workers.find(each => each.index === index && !each.draining)
  if (worker === undefined) throw new Error(`there is no worker ${index}`)
  const { pid } = worker
  const killedAt = now()
  // Stopped first in any case: what it accepted while we look would be unknown.
  process.kill(pid, 'SIGSTOP')
  const inodes = socketInodes(pid)
  const clients = new Set(
    tcpSockets()
      .filter(({ inode, state }) => isOpen(state) && (inodes.has(inode) || inode === notAccepted))
      .map(({ remote }) => remote),
  )
  if (signal !== 'SIGSTOP') process.kill(pid, signal)
  await agent.until('the worker replaced', status => {
    const successor = status.workers.find(each => each.index === index && !each.draining)
    return (
      successor !== undefined &&
      successor.pid !== pid &&
      successor.responding &&
      successor.generation >= before.generation &&
      servesSteady(status)
    )
  })
  return { pid, signal, killedAt, replacedAt: now(), clients }
}

/** SIGSTOP of the worker with this index; resolves when the pool has killed it and another has its place. */
export async function hangWorker(agent: AgentProcess, index: number): Promise<WorkerKill> {
  return await endWorker(agent, index, 'SIGSTOP')
}

/**
 * Whether such a fault allows this failure: of a connection that was the worker's, or that was begun before the fault
 * and was its without being established yet, or of a datagram that came before another worker had its place.
 */
export function isExplained(failure: Failure, kind: LoadVerdict['kind'], kill: WorkerKill): boolean {
  const { startedAt, at, client } = failure
  const { killedAt, replacedAt, clients } = kill
  if (kind === 'datagrams') return startedAt > killedAt - flightMs && startedAt < replacedAt
  return at > killedAt && (clients.has(client) || (startedAt < killedAt && at < replacedAt + flightMs))
}
