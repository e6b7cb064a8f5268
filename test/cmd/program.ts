// Runs the program as people do: as a process, from its entry file, on the Node.js of the tests; or, where
// KUBE_RELAY_BINARY names one, as a single executable.

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'

const binary = process.env['KUBE_RELAY_BINARY']

export const entry = binary ?? fileURLToPath(new URL('../../cmd/kube-relay.ts', import.meta.url))

/** What a program compiles is there for the next one, which starts in a third of the time. */
export const compileCache: Readonly<Record<string, string>> = {
  NODE_COMPILE_CACHE: fileURLToPath(new URL('../../.tap/compile-cache', import.meta.url)),
}

/** What runs the entry, or another file in its place. */
export function programOf(file: string = entry): readonly [string, ...string[]] {
  return binary === undefined ? [process.execPath, file] : [file]
}

export interface Finished {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Program {
  readonly child: ChildProcess
  readonly exited: Promise<Finished>
  stdout(): string
  stderr(): string
  /** Resolves once the output (either stream) matches; rejects if the program ends before that. */
  prints(pattern: RegExp): Promise<RegExpExecArray>
}

/** Starts `kube-relay ARGS`; what is still running when the test ends is ended. */
export function start(
  t: Test,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  file = entry,
): Program {
  return startCommand(t, [...programOf(file), ...args], env)
}

/** The same of any program. */
export function startCommand(
  t: Test,
  [program, ...args]: readonly [string, ...string[]],
  env: Readonly<Record<string, string>> = {},
): Program {
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    // Without the test runner's own NODE_OPTIONS, which would load it into the program.
    env: {
      ...process.env,
      ...compileCache,
      NODE_OPTIONS: '',
      KUBECONFIG: '',
      HOME: '/nonexistent',
      STATE_DIRECTORY: '',
      ...env,
    },
  })
  const output = { stdout: '', stderr: '' }
  const listeners = new Set<() => void>()
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      output[name] += text
      for (const listener of listeners) listener()
    })
  }
  const exited = once(child, 'close').then(([code]): Finished => ({ code: code as number | null, ...output }))
  const died = once(child, 'exit')
  t.teardown(async () => {
    // Killed at once, an agent would leave its workers behind. A second signal doesn't wait for their clients.
    for (const signal of ['SIGTERM', 'SIGTERM', 'SIGKILL'] as const) {
      if (child.exitCode !== null || child.signalCode !== null) break
      child.kill(signal)
      await Promise.race([died, delay(5000, undefined, { ref: false })])
    }
    // Others may have its output open for longer.
    child.stdout.destroy()
    child.stderr.destroy()
  })
  return {
    child,
    exited,
    stdout: () => output.stdout,
    stderr: () => output.stderr,
    prints: pattern =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const match = pattern.exec(output.stdout + output.stderr)
          if (match !== null) resolve(match)
        }
        listeners.add(look)
        look()
        void exited.then(({ code }) => {
          reject(
            new Error(`ended with ${code} before it printed ${pattern}: ${output.stdout}${output.stderr}`),
          )
        })
      }),
  }
}

/** Runs `kube-relay ARGS` to its end. */
export function run(
  t: Test,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Finished> {
  return start(t, args, env).exited
}
