// What a process was started with, as /proc has it: process ids are given out again, so before one that was read somewhere
// is sent a signal, or waited for, this says whether it still is what it was.

import { readFileSync } from 'node:fs'

/** Its program and arguments; none: it has ended, if its parent knows or not. null: that can't be seen here. */
export function processArguments(pid: number): readonly string[] | null {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1)
  } catch {
    return null
  }
}
