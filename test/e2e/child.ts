// A child process of a test: its output is kept, to be shown when something fails, and it can't outlive the
// test, not even when the test process is killed.

import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** How long the last of a process's output may be on its way. */
const outputGraceMs = 1000

export interface ChildOptions {
  /** For messages. */
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** The network namespace to run in; default the test's own. */
  readonly namespace?: string
}

export interface Child {
  readonly pid: number
  /** Everything it has written so far, standard output and standard error in the order they came. */
  output(): string
  /** What it has written since it started, up to the newest `limit` characters. */
  tail(limit?: number): string
  /** Why nothing can be expected of it any more: it has ended. Undefined while it runs. */
  ended(): string | undefined
  /** Resolves when it has ended, with its exit status, or the signal that ended it. */
  readonly exited: Promise<number | NodeJS.Signals>
  /** Sends the signal and resolves when it has ended. */
  kill(signal: NodeJS.Signals): Promise<number | NodeJS.Signals>
  /** SIGTERM, and SIGKILL when that took more than ten seconds. */
  close(): Promise<void>
}

/** Starts a child process; rejects only if there is no such program. */
export async function startChild(options: ChildOptions): Promise<Child> {
  const { name, command, args, env, namespace } = options
  // setpriv and ip exec what they are given, so the pid is the program's own. The kernel kills it when we die.
  const inNamespace = namespace === undefined ? [] : ['ip', 'netns', 'exec', namespace]
  const process_ = spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...inNamespace, command, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  })
  let text = ''
  const keep = (chunk: string): void => {
    text += chunk
  }
  process_.stdout.setEncoding('utf8').on('data', keep)
  process_.stderr.setEncoding('utf8').on('data', keep)
  const exited = new Promise<number | NodeJS.Signals>(resolve => {
    process_.once('exit', (status, signal) => {
      const end = (): void => resolve(signal ?? status ?? 0)
      // Usually its output ends with it; but workers that outlive their agent hold on to it.
      process_.once('close', end)
      setTimeout(end, outputGraceMs)
    })
  })
  await once(process_, 'spawn')
  const { pid } = process_
  if (pid === undefined) throw new Error(`${name}: has no pid`)
  const ended = (): string | undefined => {
    const end = process_.signalCode ?? process_.exitCode
    return end === null ? undefined : `${name} has ended (${end})`
  }

  const kill = async (signal: NodeJS.Signals): Promise<number | NodeJS.Signals> => {
    process_.kill(signal)
    return exited
  }
  return {
    pid,
    output: () => text,
    tail: (limit = 4000) => `--- ${name} (pid ${pid}):\n${text.slice(-limit)}\n---`,
    ended,
    exited,
    kill,
    close: async () => {
      if (ended() !== undefined) return
      const timer = setTimeout(() => process_.kill('SIGKILL'), 10_000)
      await kill('SIGTERM')
      clearTimeout(timer)
    },
  }
}

export interface RunOptions {
  readonly input?: string
  readonly timeoutMs?: number
  /** In addition to the test's own environment. */
  readonly env?: Readonly<Record<string, string>>
}

export interface Outcome {
  /** The exit status, or the signal that ended it. */
  readonly status: number | NodeJS.Signals
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program to its end and resolves to its standard output; rejects with all it wrote if it fails. */
export async function run(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const { status, stdout, stderr } = await outcomeOf(command, args, options)
  if (status === 0) return stdout
  const how = typeof status === 'number' ? `status ${status}` : status
  throw new Error(`${command} ${args.join(' ')}: ${how}\n${stderr}${stdout}`)
}

/** Runs a program to its end, however that is. Rejects only if there is no such program. */
export async function outcomeOf(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Outcome> {
  const child = spawn(command, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
  })
  const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? 60_000)
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (stdout += chunk))
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk))
  // A program that ends without reading its input is judged by its exit status.
  child.stdin.on('error', () => {})
  child.stdin.end(options.input ?? '')
  const [status, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
  clearTimeout(timer)
  return { status: signal ?? status ?? 0, stdout, stderr }
}
