// What processes cost, as the operating system counts it: CPU time (user and system) and memory. CPU time per operation
// is what holds on a noisy machine, where throughput doesn't.

import { readdirSync, readFileSync } from 'node:fs'

/** CPU time of processes at one moment, in microseconds by PID. */
export interface CpuSample {
  readonly own: ReadonlyMap<number, number>
  /** What their children, ended and waited for, have used. */
  readonly reapedUs: number
}

/** /proc counts in ticks of USER_HZ, which is 100 on every Linux (man 5 proc). */
const tickUs = 10_000

/** Of the processes that are there; one that has ended is left out. */
export function sampleCpu(pids: readonly number[]): CpuSample {
  const own = new Map<number, number>()
  let reapedUs = 0
  for (const pid of pids) {
    const stat = readProc(`/proc/${pid}/stat`)
    if (stat === null) continue
    const times = cpuTimesOf(stat)
    // The former is cut down to ticks, which is nothing at all for each of many processes; the latter forgets threads that
    // have ended.
    own.set(pid, Math.max(times.ownUs, threadsUsOf(pid) ?? 0))
    reapedUs += times.reapedUs
  }
  return { own, reapedUs }
}

/** The text of /proc/PID/stat; the program's name in it may contain blanks and parentheses. */
export function cpuTimesOf(stat: string): { readonly ownUs: number; readonly reapedUs: number } {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const ticks = (index: number): number => Number(fields[index] ?? 0) * tickUs
  // utime, stime, cutime, cstime: fields 14 to 17, counted from 1, where the state (the first here) is number 3.
  return { ownUs: ticks(11) + ticks(12), reapedUs: ticks(13) + ticks(14) }
}

/** Of the threads that a process has now, to the microsecond; null where it has ended, or the kernel doesn't tell. */
export function threadsUsOf(pid: number): number | null {
  try {
    const threads = readdirSync(`/proc/${pid}/task`)
    // "time on the CPU in ns, time waiting in ns, timeslices" (Documentation/scheduler/sched-stats.rst).
    const onCpu = threads.map(thread => {
      const [ns = ''] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')
      return Number(ns) / 1000
    })
    return onCpu.reduce((sum, us) => sum + us, 0)
  } catch {
    return null
  }
}

/**
 * Microseconds of CPU time that were used between two samples. Processes may come and go meanwhile: what a child used
 * that has ended is seen if its parent, among the PIDs, waited for it.
 */
export function cpuUsedUs(before: CpuSample, after: CpuSample): number {
  let used = 0
  for (const [pid, us] of after.own) used += Math.max(0, us - (before.own.get(pid) ?? 0))
  let goneUs = 0
  for (const [pid, us] of before.own) if (!after.own.has(pid)) goneUs += us
  // What the ended had used before the first sample is part of what was reaped since.
  return used + Math.max(0, after.reapedUs - before.reapedUs - goneUs)
}

/**
 * Bytes of memory of processes: each page counted once where they share it (PSS), else, where the kernel doesn't tell,
 * what is resident (RSS).
 */
export function memoryOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + memoryOfOne(pid), 0)
}

function memoryOfOne(pid: number): number {
  const rollup = readProc(`/proc/${pid}/smaps_rollup`)
  const pss = rollup === null ? undefined : kibibytes(rollup, 'Pss')
  return (pss ?? kibibytes(readProc(`/proc/${pid}/status`) ?? '', 'VmRSS') ?? 0) * 1024
}

function kibibytes(text: string, key: string): number | undefined {
  const match = new RegExp(`^${key}:\\s*(\\d+) kB$`, 'm').exec(text)
  return match === null ? undefined : Number(match[1])
}

/** CPU time of each core, in ticks since the machine started. */
export type CoreSample = ReadonlyMap<number, { readonly busy: number; readonly total: number }>

/** Empty where the system doesn't tell. */
export function sampleCores(): CoreSample {
  return coresOf(readProc('/proc/stat') ?? '')
}

/** The text of /proc/stat. */
export function coresOf(stat: string): CoreSample {
  const rows = [...stat.matchAll(/^cpu(\d+) (.*)$/gm)]
  return new Map(
    rows.map(([, core, fields = '']) => {
      // user nice system idle iowait irq softirq steal; guest time is part of user.
      const times = fields.trim().split(/\s+/).slice(0, 8).map(Number)
      const total = times.reduce((sum, time) => sum + time, 0)
      return [Number(core), { busy: total - (times[3] ?? 0) - (times[4] ?? 0), total }]
    }),
  )
}

/** How busy these cores were, whoever it was with; null: all of them. From 0 to 1, and 0 where nothing is known. */
export function busyShare(before: CoreSample, after: CoreSample, cores: readonly number[] | null): number {
  let busy = 0
  let total = 0
  for (const core of cores ?? after.keys()) {
    const [first, last] = [before.get(core), after.get(core)]
    if (first === undefined || last === undefined) continue
    busy += last.busy - first.busy
    total += last.total - first.total
  }
  return total <= 0 ? 0 : busy / total
}

function readProc(file: string): string | null {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    // It has ended, or belongs to somebody else.
    return null
  }
}
