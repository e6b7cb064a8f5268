// The server and the load generator of a benchmark: two processes that stay for all of it, so that their code is warm when
// the first contestant is measured. One that has ended is started anew for the next measurement.

import { reasonOf, RelayError } from '../../lib/model/error.ts'
import type { Pinning } from '../pinning.ts'
import { startPart, type Part } from './part.ts'

export interface LoadTools {
  readonly pinning: Pinning
  server(): Promise<Part>
  generator(): Promise<Part>
  /** Ends both. May be called twice. */
  close(): Promise<void>
}

export function loadTools(pinning: Pinning): LoadTools {
  const parts = new Map<string, Promise<Part>>()
  const get = async (name: string): Promise<Part> => {
    const known = await parts.get(name)?.catch(() => null)
    if (known?.alive) return known
    const starting = startPinned(name, pinning)
    parts.set(name, starting)
    return starting
  }
  return {
    pinning,
    server: () => get('server'),
    generator: () => get('generator'),
    close: async () => {
      const all = [...parts.values()]
      parts.clear()
      await Promise.all(all.map(part => part.then(running => running.stop()).catch(() => {})))
    },
  }
}

async function startPinned(name: string, pinning: Pinning): Promise<Part> {
  const part = await startPart(name)
  try {
    await pinning.pin([part.pid], 'load')
    return part
  } catch (error) {
    await part.stop()
    throw new RelayError(
      'BENCH',
      `the benchmark's ${name} can't be pinned to cores: ${reasonOf(error)} (--no-pin leaves that out)`,
      { cause: error },
    )
  }
}
