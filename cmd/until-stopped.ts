// The signals of a running agent. SIGINT or SIGTERM: it stops, and lets its clients end; a second one ends it at once.
// SIGHUP: it reloads, unless the terminal that it was started from is gone. SIGQUIT: it leaves at once, and its workers
// serve on until the next agent takes over. SIGUSR2: it opens its access log anew.

import { closeSync, openSync } from 'node:fs'
import { isatty } from 'node:tty'
import type { AgentSummary } from '../lib/agent.ts'
import type { Log } from '../lib/ops/log.ts'
import type { Progress, ServiceManager } from '../lib/ops/service-manager.ts'
import type { LastReload } from '../lib/ops/status.ts'

/**
 * A terminal's Ctrl-C reaches the whole process group, and npm passes its own copy on: what arrives this soon after
 * the first signal is the same wish, not impatience.
 */
const sameWishMs = 300

/** How long an end without grace may take. */
const endWithinMs = 2000

export interface Running {
  /** Rejects when nothing can ever be served. */
  readonly serving: Promise<void>
  summary(): AgentSummary
  reload(): Promise<LastReload>
  reopenAccessLog(): void
  stop(drainMs: number | null): Promise<void>
  close(): Promise<void>
}

export interface Signals {
  /** Resolves with the first wish to stop. */
  readonly stop: Promise<void>
  /** Resolves with the second one. */
  readonly again: Promise<NodeJS.Signals>
  /** What a SIGHUP does; before it is set, nothing. */
  onReload(action: () => void): void
  /** What a SIGUSR2 does; before it is set, nothing. */
  onReopen(action: () => void): void
  /** What a SIGQUIT does; before it is set, what it does to every process: it is ended. */
  onLeave(action: () => void): void
  /** As if this signal had come. */
  ask(signal: NodeJS.Signals): void
}

/** Takes the signals over, from here on; keeps the process alive until the first wish to stop. */
export function listenForSignals(): Signals {
  const { promise: stop, resolve: resolveStop } = Promise.withResolvers<void>()
  const { promise: again, resolve: resolveAgain } = Promise.withResolvers<NodeJS.Signals>()
  const alive = setInterval(() => {}, 2 ** 30)
  // Output may go to a terminal that isn't the one of this session (systemd's StandardOutput=tty).
  const hasTerminal = [0, 1, 2].some(descriptor => isatty(descriptor)) && terminalIsThere()
  // Whoever read the output may be gone (EPIPE, or EIO after a hang-up): that is no reason to end.
  for (const output of [process.stdout, process.stderr]) output.on('error', () => {})
  let reload = (): void => {}
  let reopen = (): void => {}
  let asked: number | null = null
  let impatient = false
  const onStop = (signal: NodeJS.Signals): void => {
    const now = performance.now()
    if (asked === null) {
      asked = now
      clearInterval(alive)
      resolveStop()
    } else if (now - asked > sameWishMs) {
      if (impatient) process.exit(exitCode(signal))
      impatient = true
      resolveAgain(signal)
    }
  }
  process.on('SIGINT', onStop)
  process.on('SIGTERM', onStop)
  process.on('SIGHUP', () => {
    if (hasTerminal && !terminalIsThere()) onStop('SIGHUP')
    else reload()
  })
  process.on('SIGUSR2', () => reopen())
  return {
    stop,
    again,
    onReload: action => (reload = action),
    onReopen: action => (reopen = action),
    onLeave: action => void process.on('SIGQUIT', action),
    ask: onStop,
  }
}

export interface ServeOptions {
  readonly shutdownTimeoutMs: number
  readonly log: Log
  /** Why a SIGQUIT can only stop: nobody would serve on, or be found. null: it leaves; absent: SIGQUIT isn't ours. */
  readonly cannotLeave?: string | null
  /** Whom to tell how it is going. */
  readonly manager?: ServiceManager | null
}

/**
 * Serves until the first signal and stops; with a second one, ends the process at once. Throws where nothing can be
 * served, after everything has been closed.
 */
export async function serveUntilStopped(
  running: Running,
  signals: Signals,
  options: ServeOptions,
): Promise<void> {
  const { shutdownTimeoutMs, log, cannotLeave, manager } = options
  let stopping = false
  manager?.watch(() => progressOf(running.summary()))
  running.serving.then(
    () => manager?.ready(),
    () => {},
  )
  signals.onReload(() => {
    log.info('SIGHUP: reloading')
    const reloaded = manager?.reloading()
    void running.reload().then(({ ok, reason = '' }) => reloaded?.(ok ? null : reason))
  })
  signals.onReopen(() => {
    log.info('SIGUSR2: opening the access log anew')
    running.reopenAccessLog()
  })
  if (cannotLeave !== undefined) {
    signals.onLeave(() => {
      if (stopping || cannotLeave !== null) {
        if (!stopping) log.warn(`SIGQUIT: stopping as by SIGTERM, since ${cannotLeave}`)
        signals.ask('SIGQUIT')
        return
      }
      log.info('SIGQUIT: the agent leaves at once; its workers serve on until the next one takes over')
      // Whatever is closed now would be missing until then.
      process.exit(0)
    })
  }
  try {
    await Promise.race([signals.stop, running.serving.then(() => signals.stop)])
  } catch (error) {
    await running.close()
    throw error
  }
  stopping = true
  manager?.stopping(shutdownTimeoutMs)
  log.info(
    { shutdownTimeoutMs },
    'stopping: established connections may end first; a second signal ends them',
  )
  const stopped = shutdownTimeoutMs === 0 ? running.close() : running.stop(shutdownTimeoutMs)
  const impatient = await Promise.race([stopped, signals.again])
  if (impatient === undefined) return
  // Workers that are not told would serve on.
  const { promise: late, resolve } = Promise.withResolvers<void>()
  setTimeout(resolve, endWithinMs).unref()
  await Promise.race([running.close(), late])
  process.exit(exitCode(impatient))
}

function progressOf({ services, source, workers, keepsUp }: AgentSummary): Progress {
  const from = { apiserver: 'the API server', snapshot: 'an earlier run', manifests: 'manifests' }[source]
  const by = workers === 0 ? 'the agent itself' : counted(workers, 'worker')
  const text = `Serving ${counted(services, 'Service')} from ${from} by ${by}`
  return { alive: keepsUp, text: keepsUp ? text : `${text}; changes have been waiting for too long` }
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}

function exitCode(signal: NodeJS.Signals): number {
  return { SIGHUP: 129, SIGINT: 130, SIGQUIT: 131 }[signal as string] ?? 143
}

/** Whether the process has a controlling terminal, which it has no more after a hang-up. */
function terminalIsThere(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'))
    return true
  } catch {
    return false
  }
}
