// Where a benchmark ran: what a reader has to know before two reports can be compared.

import { readFileSync } from 'node:fs'
import os from 'node:os'
import { version } from '../lib/version.ts'

export interface Environment {
  readonly cpu: string
  readonly cores: number
  readonly memoryBytes: number
  readonly kernel: string
  readonly node: string
  readonly kubeRelay: string
  /** Of the last minute, when it began: anything near the number of cores is somebody else's work. */
  readonly loadAverage: number
  /** How many descriptors a process may have open. */
  readonly descriptors: number
  /** Which cores were whose, in words. */
  readonly pinning: string
}

export function environment(pinning: string): Environment {
  return {
    cpu: os.cpus()[0]?.model.trim() ?? 'unknown',
    cores: os.availableParallelism(),
    memoryBytes: os.totalmem(),
    kernel: `${os.type()} ${os.release()} ${os.arch()}`,
    node: process.versions.node,
    kubeRelay: version,
    loadAverage: os.loadavg()[0] ?? 0,
    descriptors: descriptorLimit(),
    pinning,
  }
}

/** What this process, and each that it starts, may have open; POSIX's customary limit where that can't be read. */
export function descriptorLimit(): number {
  try {
    const line = /^Max open files\s+(\d+|unlimited)/m.exec(readFileSync('/proc/self/limits', 'utf8'))
    return line?.[1] === 'unlimited' ? Number.MAX_SAFE_INTEGER : Number(line?.[1] ?? 1024)
  } catch {
    return 1024
  }
}
