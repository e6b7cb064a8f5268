// For the tests that run the benchmark as a process: its files, and who is left of its processes.

import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Test } from 'tap'
import type { BenchResult } from '../../bench/result.ts'

export function temporaryFolder(t: Test): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'bench-command-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  return folder
}

export function readJson(file: string): BenchResult {
  return JSON.parse(readFileSync(file, 'utf8')) as BenchResult
}

export interface ProcessEntry {
  readonly pid: number
  readonly parent: number
  readonly command: string
}

/** Of a process, with its own descendants; by parents, which none of them has lost while it lives. */
export function descendantsOf(root: number): readonly ProcessEntry[] {
  const all = readdirSync('/proc').flatMap((name): ProcessEntry[] => {
    if (!/^\d+$/.test(name)) return []
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
      const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ')
      return [
        { pid: Number(name), parent: Number(stat.slice(stat.lastIndexOf(')') + 4).split(' ')[0]), command },
      ]
    } catch {
      return []
    }
  })
  const found = all.filter(({ pid }) => pid === root)
  for (const each of found) found.push(...all.filter(({ parent }) => parent === each.pid))
  return found.slice(1)
}

export function isAlive(pid: number): boolean {
  try {
    // A process that has ended and that nobody has waited for yet is gone as well.
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}
