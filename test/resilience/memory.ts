// Whether a process's memory grows: resident memory sampled while it works. A heap breathes with its collections, so
// the median of the last third is compared with the one of the middle third; the first third is for warming up.

import { residentMiB } from './network.ts'

export interface MemoryWatch {
  /** MiB, by PID. Stops sampling. */
  stop(): ReadonlyMap<number, MemoryTrend>
}

export interface MemoryTrend {
  readonly beforeMiB: number
  readonly afterMiB: number
}

export function watchMemory(pids: readonly number[], everyMs = 250): MemoryWatch {
  const samples = new Map(pids.map(pid => [pid, [] as number[]]))
  const timer = setInterval(() => {
    for (const [pid, list] of samples) {
      try {
        list.push(residentMiB(pid))
      } catch {
        // It has ended: whether it may have is not this file's business.
      }
    }
  }, everyMs)
  return {
    stop() {
      clearInterval(timer)
      return new Map([...samples].map(([pid, list]) => [pid, trendOf(list)]))
    },
  }
}

export function trendOf(samples: readonly number[]): MemoryTrend {
  const third = Math.floor(samples.length / 3)
  return { beforeMiB: median(samples.slice(third, 2 * third)), afterMiB: median(samples.slice(2 * third)) }
}

function median(samples: readonly number[]): number {
  return samples.toSorted((a, b) => a - b)[Math.floor(samples.length / 2)] ?? Number.NaN
}
