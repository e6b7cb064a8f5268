// One run of another program for what it writes: no input, bounded output, bounded time. Invariant: when the promise
// settles, the program has ended or was killed, and nothing of it is held, whatever processes it may have left.

import { spawn, type ChildProcess } from 'node:child_process'

export type CommandOutcome =
  | { readonly kind: 'ended'; readonly stdout: string }
  /** There is no such program. */
  | { readonly kind: 'missing' }
  | { readonly kind: 'failed'; readonly how: string; readonly stderr: string }
  | { readonly kind: 'timed-out' }
  | { readonly kind: 'aborted' }

export interface CommandOptions {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

const maxOutputBytes = 1024 * 1024

/** Never rejects. */
export function runCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions,
): Promise<CommandOutcome> {
  const { signal } = options
  if (signal.aborted) return Promise.resolve({ kind: 'aborted' })
  return new Promise(resolve => {
    const child: ChildProcess = spawn(command, args, {
      env: { ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const stdout: Buffer[] = []
    const stderr: Buffer[] = []
    let bytes = 0

    const settle = (outcome: CommandOutcome) => {
      clearTimeout(timer)
      signal.removeEventListener('abort', abort)
      // A process that the program left behind may hold the pipes open for as long as it likes.
      child.stdout?.destroy()
      child.stderr?.destroy()
      resolve(outcome)
    }
    const kill = (outcome: CommandOutcome) => {
      child.kill('SIGKILL')
      settle(outcome)
    }
    const abort = () => kill({ kind: 'aborted' })
    const timer = setTimeout(() => kill({ kind: 'timed-out' }), options.timeoutMs)
    signal.addEventListener('abort', abort)

    // Without descriptors there are no pipes, only this, and it must not be missed.
    child.on('error', error => {
      const { code } = error as { code?: string }
      if (code === 'ENOENT') settle({ kind: 'missing' })
      else settle({ kind: 'failed', how: `it can't be started (${code ?? error.message})`, stderr: '' })
    })
    const collect = (into: Buffer[]) => (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > maxOutputBytes) kill({ kind: 'failed', how: 'it wrote more than 1 MiB', stderr: '' })
      else into.push(chunk)
    }
    child.stdout?.on('data', collect(stdout))
    child.stderr?.on('data', collect(stderr))
    child.on('close', (code, killedBy) => {
      if (code === 0) return settle({ kind: 'ended', stdout: Buffer.concat(stdout).toString('utf8') })
      const how = killedBy === null ? `it exited with status ${code}` : `it was ended by ${killedBy}`
      return settle({ kind: 'failed', how, stderr: Buffer.concat(stderr).toString('utf8') })
    })
  })
}
