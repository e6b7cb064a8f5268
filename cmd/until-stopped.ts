// The signals of a running agent. SIGINT or SIGTERM: it stops, and lets its clients end; a second one ends it at once.
// SIGHUP: it reloads, unless the terminal that it was started from is gone.

import { closeSync, openSync } from 'node:fs'
import { isatty } from 'node:tty'
import type { Log } from '../lib/ops/log.ts'
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
  reload(): Promise<LastReload>
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
  return { stop, again, onReload: action => (reload = action) }
}

/**
 * Serves until the first signal and stops; with a second one, ends the process at once. Throws where nothing can be
 * served, after everything has been closed.
 */
export async function serveUntilStopped(
  running: Running,
  signals: Signals,
  options: { readonly shutdownTimeoutMs: number; readonly log: Log },
): Promise<void> {
  const { shutdownTimeoutMs, log } = options
  signals.onReload(() => {
    log.info('SIGHUP: reloading')
    void running.reload()
  })
  try {
    await Promise.race([signals.stop, running.serving.then(() => signals.stop)])
  } catch (error) {
    await running.close()
    throw error
  }
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

function exitCode(signal: NodeJS.Signals): number {
  return { SIGHUP: 129, SIGINT: 130 }[signal as string] ?? 143
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
