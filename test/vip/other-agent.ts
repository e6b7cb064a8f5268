// Starts vips-process.ts: another agent of the same node, for tests that kill it, stop it or run beside it.

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { createInterface } from 'node:readline'
import type { Test } from 'tap'
import type { VipStatus } from '../../lib/ops/status.ts'

export interface OtherAgent {
  /** Its status once its VIPs are local or have failed. */
  readonly settled: Promise<VipStatus>
  /** A clean stop; resolves when it has ended. */
  stop(): Promise<void>
  kill(): Promise<void>
}

/** `under`: a program that runs it, with its arguments. */
export function startOtherAgent(t: Test, vips: readonly string[], under: readonly string[] = []): OtherAgent {
  const script = path.join(import.meta.dirname, 'vips-process.ts')
  const [command, ...args] = [...under, process.execPath, script]
  const child = spawn(command ?? process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = once(child, 'exit')
  child.stdin.write(`${JSON.stringify(vips)}\n`)
  t.teardown(() => end(child, ended, () => child.kill('SIGKILL')))
  return {
    settled: firstLine(child),
    stop: () => end(child, ended, () => child.stdin.end()),
    kill: () => end(child, ended, () => child.kill('SIGKILL')),
  }
}

async function end(child: ChildProcess, ended: Promise<unknown>, how: () => void): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  how()
  await ended
}

async function firstLine(child: ChildProcess): Promise<VipStatus> {
  if (child.stdout === null) throw new Error('the process has no standard output')
  for await (const line of createInterface(child.stdout)) {
    return JSON.parse(line) as VipStatus
  }
  return new Promise(() => {}) // killed before: nobody waits for it
}
