// CPU time to the microsecond, for what takes less than the hundredth of a second that /proc/PID/stat counts in. A
// thread that has ended isn't counted any more: for processes whose threads stay.

import { readdirSync, readFileSync } from 'node:fs'
import { cpuTimesOf } from '../process-cost.ts'

/** User and system time of a process since its start, in microseconds; 0 for one that has ended. */
export function cpuUsOf(pid: number): number {
  try {
    const threads = readdirSync(`/proc/${pid}/task`)
    // "time on the CPU in ns, time waiting in ns, timeslices" (Documentation/scheduler/sched-stats.rst).
    const onCpu = threads.map(thread => {
      const [ns = ''] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')
      return Number(ns) / 1000
    })
    return onCpu.reduce((sum, us) => sum + us, 0)
  } catch {
    return coarseCpuUsOf(pid)
  }
}

/** Where the kernel was built without CONFIG_SCHED_INFO. */
function coarseCpuUsOf(pid: number): number {
  try {
    return cpuTimesOf(readFileSync(`/proc/${pid}/stat`, 'utf8')).ownUs
  } catch {
    return 0
  }
}
