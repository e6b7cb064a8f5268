// Runs a load generator of somebody else: its output to its end, and its end with the benchmark's, whichever way that
// comes.

import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { RelayError } from '../../lib/model/error.ts'
import { startGuard } from '../contestants/guard.ts'

export interface OutsideProgram {
  readonly pid: number
  /** What it printed, when it has ended well. @throws BENCH with its last words when it hasn't. */
  readonly output: Promise<string>
  /** May be called twice; its output is then not to be waited for. */
  kill(): void
}

export function runOutside(program: string, args: readonly string[]): OutsideProgram {
  const folder = mkdtempSync(path.join(tmpdir(), 'kube-relay-bench-'))
  const guard = startGuard(randomUUID(), folder)
  const name = path.basename(program)
  // The leader of a process group, which Ctrl-C in a terminal doesn't reach.
  const child = spawn(program, args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  if (child.pid !== undefined) guard.watch(child.pid)
  let printed = ''
  let complaint = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaint += text))
  const output = new Promise<string>((resolve, reject) => {
    const fail = (how: string): void => {
      const words = (complaint || printed).trim().slice(-500)
      reject(new RelayError('BENCH', `${name} ${how}${words && `: ${words}`}`))
    }
    child.on('error', error => fail(`can't be started: ${error.message}`))
    child.on('close', (code, signal) => {
      guard.dismiss()
      rmSync(folder, { recursive: true, force: true })
      if (code === 0) resolve(printed)
      else fail(`has ended (${signal ?? `exit code ${code}`})`)
    })
  })
  // Whoever kills it doesn't wait for it.
  output.catch(() => {})
  return { pid: child.pid ?? 0, output, kill: () => void child.kill('SIGKILL') }
}
