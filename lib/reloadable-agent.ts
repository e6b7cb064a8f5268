// An agent that can be replaced by another one in the same process without a client noticing: the next one is started
// beside it with its table, and only when that one serves does this one take nobody new. A next one that doesn't get
// that far is given up with its reason, and nothing has changed.

import { startAgent, type Agent, type AgentOptions } from './agent.ts'
import { RelayError, reasonOf } from './model/error.ts'
import type { TableUpdate } from './model/proxy-table.ts'
import { pause, systemClock } from './ops/clock.ts'
import { pidScope } from './ops/pid-scope.ts'
import type { AgentProcess, LastReload, WorkerStatus } from './ops/status.ts'
import { openVips, type VipUser } from './vip/vips.ts'
import { watchOrphans } from './workers/orphans.ts'

export interface ReloadableAgentOptions {
  readonly agent: AgentOptions
  /** What an agent would be started with now; rejects with the reason where it couldn't. */
  readonly reread: () => Promise<AgentOptions>
  readonly limits?: Partial<ReloadLimits>
}

/** All in milliseconds. */
export interface ReloadLimits {
  /** How long the next agent has to serve the table. */
  readonly servingMs: number
  /** How long it is given from then on to hear from the API server, before it takes over without. */
  readonly apiPatienceMs: number
}

const defaultLimits: ReloadLimits = { servingMs: 30_000, apiPatienceMs: 10_000 }

export interface ReloadableAgent extends Pick<Agent, 'serving' | 'synced' | 'status' | 'summary' | 'until'> {
  /**
   * Starts the next agent and, once that serves, lets this one's clients end. Resolves with what came of it, never
   * rejects. During a reload another one is put off until it has ended; one for all who ask by then.
   */
  reload(): Promise<LastReload>
  /** As an agent's, with all predecessors that still have clients. */
  reopenAccessLog(): void
  /** As an agent's `stop`, with all predecessors that still have clients. */
  stop(drainMs: number | null): Promise<void>
  /** Ends every connection of all of them. May be called twice, and during `stop`. */
  close(): Promise<void>
}

export function startReloadableAgent(options: ReloadableAgentOptions): ReloadableAgent {
  const { agent: first } = options
  const { log, clock = systemClock } = first
  const limits = { ...defaultLimits, ...options.limits }
  const ending = new AbortController()
  /** Those that still have clients, with what resolves when they have none. */
  const predecessors = new Map<Agent, Promise<void>>()
  const vips = openVips({ mode: first.vipMode, log, clock })
  const vipUsers = new Map<Agent, VipUser>()
  const self = { pid: process.pid, pidScope: pidScope(), startedAt: new Date().toISOString() }
  let reloads = 0
  let reloadRequests = 0
  let lastReload: LastReload | null = null
  let working: Promise<void> | null = null
  let round: Promise<LastReload>
  let successor: Agent | null = null
  const serving = Promise.withResolvers<void>()
  const synced = Promise.withResolvers<void>()
  serving.promise.catch(ignore)

  const describe = (): AgentProcess => ({ ...self, reloads, reloadRequests, lastReload })
  const drainingWorkers = async (): Promise<readonly WorkerStatus[]> => {
    const workers = await Promise.all([...predecessors.keys()].map(each => each.workers().catch(() => [])))
    return workers.flat().map(worker => ({ ...worker, draining: true }))
  }
  const start = (agentOptions: AgentOptions, predecessor: Agent | null): Agent => {
    const user = vips.user()
    const agent: Agent = startAgent(agentOptions, {
      seed: predecessor?.table() ?? null,
      facts: predecessor?.facts() ?? [],
      vips: { all: vips, user },
      process: describe,
      drainingWorkers,
      onUpdate: update => {
        if (agent === current) tellPredecessors(update)
      },
    })
    vipUsers.set(agent, user)
    return agent
  }
  /** What its clients have open stays local even so. */
  const leaveVips = (agent: Agent): void => {
    vipUsers.get(agent)?.leave()
    vipUsers.delete(agent)
  }
  const tellPredecessors = (update: TableUpdate): void => {
    for (const each of predecessors.keys()) each.follow(update).catch(ignore)
  }
  /** What becomes of a predecessor that never served is no matter any more. */
  const speakFor = (agent: Agent): void => {
    agent.serving.then(serving.resolve, error => {
      if (agent === current) serving.reject(error)
    })
    void agent.synced.then(synced.resolve)
  }
  let current = start(first, null)
  let currentOptions = first
  speakFor(current)

  const replace = async (): Promise<void> => {
    if (ending.signal.aborted) throw stopped()
    // A disk that hangs doesn't hold up the end.
    const agentOptions = await unlessStopped(options.reread(), ending.signal)
    if (agentOptions.nodeName !== currentOptions.nodeName) {
      const { nodeName } = currentOptions
      throw new RelayError(
        'INVALID_CONFIG',
        `the node's name would change from ${nodeName} to ${agentOptions.nodeName}: that takes a restart`,
      )
    }
    if (agentOptions.vipMode !== currentOptions.vipMode) {
      const { vipMode } = currentOptions
      throw new RelayError(
        'INVALID_CONFIG',
        `--vip-mode would change from ${vipMode} to ${agentOptions.vipMode}: that takes a restart`,
      )
    }
    await current.prepareHandOver()
    if (ending.signal.aborted) throw stopped()
    const agent = start(agentOptions, current)
    successor = agent
    try {
      await takesOver(agent, current.table() !== null)
      // From here to its taking over nothing is awaited: a stop in between would not know of it.
      if (ending.signal.aborted) throw stopped()
    } catch (error) {
      await agent.close()
      leaveVips(agent)
      throw error
    } finally {
      successor = null
    }
    const predecessor = current
    current = agent
    currentOptions = agentOptions
    speakFor(agent)
    retire(predecessor, agentOptions.defaults.drainTimeoutMs)
  }

  /** Resolves when the agent may take over; rejects with why it won't. */
  const takesOver = async (agent: Agent, hasTable: boolean): Promise<void> => {
    const giveUp = new AbortController()
    const signal = AbortSignal.any([ending.signal, giveUp.signal])
    const timeout = pause(clock, limits.servingMs, signal).then(() => {
      if (ending.signal.aborted) throw stopped()
      throw new RelayError('ABORTED', `nothing is served after ${limits.servingMs / 1000} s`)
    })
    timeout.catch(ignore)
    try {
      // Where there is no table yet, the reason may be in what is about to change: there is nothing to wait for.
      if (hasTable) await Promise.race([agent.serving, timeout])
      await Promise.race([agent.synced, failureOf(agent), pause(clock, limits.apiPatienceMs, signal)])
    } finally {
      giveUp.abort()
    }
  }

  const retire = (agent: Agent, drainMs: number | null): void => {
    const ended = agent
      .stop(drainMs)
      .catch((error: unknown) => log.error({ err: error }, `draining failed: ${reasonOf(error)}`))
      .then(() => void predecessors.delete(agent))
    predecessors.set(agent, ended)
    leaveVips(agent)
    // It has missed what its successor has listed.
    const table = current.table()
    if (table !== null) agent.follow(table).catch(ignore)
  }

  const reloadOnce = async (): Promise<LastReload> => {
    const request = reloadRequests
    try {
      await replace()
      reloads++
      lastReload = { at: now(), ok: true, request }
      log.info({ reloads }, 'reloaded: new connections are taken with what is on disk now')
    } catch (error) {
      const reason = reasonOf(error)
      lastReload = { at: now(), ok: false, reason, request }
      log.error(`reload failed, going on as before: ${reason}`)
    }
    return lastReload
  }

  const work = async (): Promise<void> => {
    let outcome: LastReload
    do {
      round = reloadOnce()
      outcome = await round
    } while (outcome.request < reloadRequests)
    working = null
  }

  const stopOrphans = watchOrphans({
    stateDir: first.stateDir,
    log,
    clock,
    // Whoever takes new clients in their place has to serve first.
    after: serving.promise,
    drainTimeoutMs: () => currentOptions.defaults.drainTimeoutMs,
  })
  /** From here on nobody takes over, and who was about to is closed. */
  const endReloads = async (): Promise<void> => {
    ending.abort()
    stopOrphans()
    await working
  }

  return {
    serving: serving.promise,
    synced: synced.promise,
    status: () => current.status(),
    summary: () => current.summary(),
    async until(condition) {
      for (;;) {
        const agent = current
        try {
          return await agent.until(condition)
        } catch (error) {
          if (agent === current) throw error
        }
      }
    },
    async reload() {
      const request = ++reloadRequests
      working ??= work()
      let outcome: LastReload
      do outcome = await round
      while (outcome.request < request)
      return outcome
    },
    reopenAccessLog() {
      for (const each of [current, successor, ...predecessors.keys()]) each?.reopenAccessLog()
    },
    async stop(drainMs) {
      const ended = [endReloads(), current.stop(drainMs)]
      const drained = Promise.all(predecessors.values())
      // They may have been given more time than there is now.
      const limit = drainMs === null ? null : clock.after(drainMs, () => void closeAll(predecessors.keys()))
      await Promise.all([...ended, drained])
      limit?.cancel()
      await vips.close()
    },
    async close() {
      const reloadsEnded = endReloads()
      await Promise.all([closeAll([current, ...predecessors.keys()]), successor?.close(), reloadsEnded])
      await vips.close()
    },
  }
}

async function closeAll(agents: Iterable<Agent>): Promise<void> {
  await Promise.all([...agents].map(each => each.close()))
}

/** Never resolves; rejects where the agent's workers can't be started. */
async function failureOf(agent: Agent): Promise<never> {
  await agent.serving
  return await new Promise(() => {})
}

/** What the promise comes to, unless the agent is stopped before that. */
async function unlessStopped<T>(promise: Promise<T>, ending: AbortSignal): Promise<T> {
  const { promise: ended, reject } = Promise.withResolvers<never>()
  const end = (): void => reject(stopped())
  ending.addEventListener('abort', end)
  try {
    return await Promise.race([promise, ended])
  } finally {
    ending.removeEventListener('abort', end)
  }
}

function stopped(): RelayError {
  return new RelayError('ABORTED', 'the agent is being stopped')
}

function now(): string {
  return new Date().toISOString()
}

/** A data plane that is ending has nothing to follow any more. */
function ignore(): void {}
