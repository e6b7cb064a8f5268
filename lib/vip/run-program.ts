// One run of one of the system's network tools: arguments and input in, output out, no shell, bounded time.
// Invariant: when the promise settles, the program has ended or was killed, and nothing of it is held.

import { spawn, type ChildProcess } from 'node:child_process'
import { RelayError } from '../model/error.ts'

export interface ProgramRun {
  readonly input?: string
  readonly timeoutMs: number
}

export interface ProgramOutcome {
  readonly stdout: string
  readonly stderr: string
  /** null: a signal ended it. */
  readonly status: number | null
}

/** Hundreds of thousands of routes or sockets: more than a node has. */
const maxOutputBytes = 64 * 1024 * 1024

/** Where the tools are in case that PATH, of a service for example, leaves it out. */
const systemFolders = ['/usr/sbin', '/usr/bin', '/sbin', '/bin']

/**
 * Resolves when it has ended, whatever its exit status.
 * @throws VIP if it can't be started, doesn't end in time or writes without end; `remedy` is for one that
 * isn't there.
 */
export function runProgram(
  program: string,
  args: readonly string[],
  { input = '', timeoutMs }: ProgramRun,
  remedy: string,
): Promise<ProgramOutcome> {
  return new Promise((resolve, reject) => {
    const env = { PATH: [process.env['PATH'], ...systemFolders].filter(Boolean).join(':'), LC_ALL: 'C' }
    const child: ChildProcess = spawn(program, args, { env, stdio: ['pipe', 'pipe', 'pipe'] })
    const stdout: Buffer[] = []
    const stderr: Buffer[] = []
    let bytes = 0
    const fail = (why: string, cause?: unknown) => {
      clearTimeout(timer)
      child.kill('SIGKILL')
      // A process that the program left behind may hold the pipes open for as long as it likes.
      for (const pipe of [child.stdin, child.stdout, child.stderr]) pipe?.destroy()
      reject(new RelayError('VIP', `\`${[program, ...args].join(' ')}\` ${why}`, { cause }))
    }
    const timer = setTimeout(() => fail(`has not ended within ${timeoutMs / 1000} s`), timeoutMs)
    // Without descriptors there are no pipes, only this, and it must not be missed.
    child.on('error', error => {
      const { code } = error as { code?: string }
      if (code === 'ENOENT') fail(`can't be run: no such program; ${remedy}`, error)
      else fail(`can't be started (${code ?? error.message})`, error)
    })
    const collect = (into: Buffer[]) => (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > maxOutputBytes) fail('wrote more than 64 MiB')
      else into.push(chunk)
    }
    child.stdout?.on('data', collect(stdout))
    child.stderr?.on('data', collect(stderr))
    child.on('close', status => {
      clearTimeout(timer)
      const [out, err] = [stdout, stderr].map(chunks => Buffer.concat(chunks).toString('utf8'))
      resolve({ stdout: out ?? '', stderr: err ?? '', status })
    })
    // One that ends before it has read everything says on stderr why.
    child.stdin?.on('error', () => {})
    child.stdin?.end(input)
  })
}
