// Keeps a control plane in step with a folder of manifests: applied at the start, after each edit, and every so often
// for what the file system doesn't report (network file systems, a ConfigMap's swapped symlinks). Applications never
// overlap. A broken file leaves the last good state, and each of its problems is reported when it appears, not again.

import { watch, type FSWatcher } from 'node:fs'
import { systemClock, type Clock, type Timer } from '../../ops/clock.ts'
import type { Log } from '../../ops/log.ts'
import { applyManifests, formatManifestProblem, type ManifestProblem } from './manifests.ts'
import type { Registry } from '../store/registry.ts'

export interface ManifestWatch {
  /** What was wrong at the last application. */
  readonly problems: readonly ManifestProblem[]
  /** Resolves once what has been written before now is applied. */
  apply(): Promise<readonly ManifestProblem[]>
  close(): Promise<void>
}

export interface ManifestWatchOptions {
  readonly log: Log
  readonly clock?: Clock
  /** How long a file must have been left alone before it is read: an editor writes in several steps. */
  readonly settleMs?: number
  readonly rescanMs?: number
  /** Called after each application. */
  readonly onApplied?: (problems: readonly ManifestProblem[]) => void
}

/** Applies the folder, then follows it. The promise resolves after the first application, and never rejects. */
export async function watchManifests(
  controlPlane: { readonly registry: Registry },
  path: string,
  options: ManifestWatchOptions,
): Promise<ManifestWatch> {
  const { log, clock = systemClock, settleMs = 100, rescanMs = 30_000, onApplied } = options
  let problems: readonly ManifestProblem[] = []
  let last: Promise<unknown> = Promise.resolve()
  let settling: Timer | undefined
  let rescan: Timer | undefined
  let watcher: FSWatcher | undefined
  let closed = false

  const apply = (): Promise<readonly ManifestProblem[]> => {
    const next = last.then(async () => {
      if (closed) return problems
      const known = new Set(problems.map(formatManifestProblem))
      problems = await applyManifests(controlPlane, path)
      for (const problem of problems) {
        const text = formatManifestProblem(problem)
        if (known.has(text)) continue
        if (problem.level === 'error') log.error(text)
        else log.info(text)
      }
      onApplied?.(problems)
      return problems
    })
    last = next.catch((error: unknown) => log.error({ err: error }, 'manifests could not be applied'))
    return next
  }
  const applySoon = (): void => {
    settling?.cancel()
    settling = clock.after(settleMs, () => void apply().catch(() => undefined))
  }
  const follow = (): void => {
    if (watcher !== undefined) return
    try {
      watcher = watch(path, { recursive: true, persistent: false }, applySoon)
      watcher.on('error', () => {
        // The folder has gone: the rescan finds it when it is back.
        watcher?.close()
        watcher = undefined
      })
    } catch {
      watcher = undefined // the same: it isn't there yet
    }
  }
  const scheduleRescan = (): void => {
    rescan = clock.after(rescanMs, () => {
      follow()
      void apply()
        .catch(() => undefined)
        .then(() => {
          if (!closed) scheduleRescan()
        })
    })
  }

  follow()
  await apply().catch(() => undefined)
  scheduleRescan()
  return {
    get problems() {
      return problems
    },
    apply,
    async close() {
      closed = true
      settling?.cancel()
      rescan?.cancel()
      watcher?.close()
      await last
    },
  }
}
