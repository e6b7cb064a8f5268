// CPU time to the microsecond, for what takes less than the hundredth of a second that /proc/PID/stat counts in. A
// thread that has ended isn't counted any more: for processes whose threads stay.

import { readFileSync } from 'node:fs'
import { cpuTimesOf, threadsUsOf } from '../process-cost.ts'

/** User and system time of a process since its start, in microseconds; 0 for one that has ended. */
export function cpuUsOf(pid: number): number {
  return threadsUsOf(pid) ?? coarseCpuUsOf(pid)
}

/** Where the kernel was built without CONFIG_SCHED_INFO. */
function coarseCpuUsOf(pid: number): number {
  try {
    return cpuTimesOf(readFileSync(`/proc/${pid}/stat`, 'utf8')).ownUs
  } catch {
    return 0
  }
}
