// How many connections a program that is started from here can hold: two descriptors each, and some for itself.

import { readFileSync } from 'node:fs'

const usuallyKept = 200
/** More are of no use to any scenario, and some programs reserve memory for each. */
const most = 30_000

/** `kept`: descriptors that are not for connections. */
export function connectionLimit(kept: number = usuallyKept, limits: string = ownLimits()): number {
  // "Max open files   SOFT   HARD   files": Node.js raises its own soft limit, which children inherit, to the hard one.
  const soft = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Infinity)
  return Math.max(1, Math.min(most, Math.floor((soft - kept) / 2)))
}

function ownLimits(): string {
  try {
    return readFileSync('/proc/self/limits', 'utf8')
  } catch {
    return ''
  }
}
