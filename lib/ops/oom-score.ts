// How likely the kernel is to end this process when memory runs out (proc_pid_oom_score_adj(5)).

import { writeFileSync } from 'node:fs'
import { reasonOf } from '../model/error.ts'
import type { Log } from './log.ts'

/** From -1000, never, to 1000. Below the current value it takes CAP_SYS_RESOURCE; without it, a warning says so. */
export function setOomScoreAdj(value: number, log: Log, file = '/proc/self/oom_score_adj'): void {
  try {
    writeFileSync(file, String(value))
  } catch (error) {
    log.warn(`--oom-score-adj ${value} can't be set (CAP_SYS_RESOURCE is missing?): ${reasonOf(error)}`)
  }
}
