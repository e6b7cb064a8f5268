// How much memory a process of this machine has, as the kernel counts it.

import { readFileSync } from 'node:fs'

/** Resident bytes; null where it can't be told: the process is gone, or there is no /proc. */
export function residentMemoryOf(pid: number): number | null {
  try {
    const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    return kibibytes === undefined ? null : Number(kibibytes) * 1024
  } catch {
    return null
  }
}
