// One sample pod's process, kept running as a kubelet keeps a container: started, watched, restarted with a growing
// pause. At any time it is in exactly one state, and from 'stopped' it never comes back.

import { spawn, type ChildProcess } from 'node:child_process'
import type { Clock, Timer } from '../../ops/clock.ts'
import type { ListeningPort } from '../kinds/api-types.ts'
import type { SamplePodReady } from './sample-pod.ts'

const firstPauseMs = 1000
const longestPauseMs = 30_000
/** A process that ran this long has earned the first pause again. */
const stableMs = 10_000
/** How long a process has to end by itself before it is killed. */
const stopGraceMs = 1000
const keptErrorChars = 2000

export type ProcessEvent =
  | { readonly type: 'listening'; readonly pid: number; readonly elsewhere: readonly ListeningPort[] }
  | {
      readonly type: 'exited'
      readonly reason: string
      readonly restartInMs: number
      readonly restarts: number
    }

type State =
  | { readonly kind: 'running'; readonly child: ChildProcess; readonly startedAt: number }
  | { readonly kind: 'pausing'; readonly timer: Timer }
  | { readonly kind: 'stopped' }

export class SampleProcess {
  readonly #command: readonly string[]
  readonly #clock: Clock
  readonly #onEvent: (event: ProcessEvent) => void
  #state: State = { kind: 'stopped' }
  #pauseMs = firstPauseMs
  #restarts = 0

  /** `command` is the program with all its arguments; it must report with a SamplePodReady message. */
  constructor(options: {
    readonly command: readonly string[]
    readonly clock: Clock
    readonly onEvent: (event: ProcessEvent) => void
  }) {
    this.#command = options.command
    this.#clock = options.clock
    this.#onEvent = options.onEvent
  }

  /** The process id while there is a process. */
  get pid(): number | undefined {
    return this.#state.kind === 'running' ? this.#state.child.pid : undefined
  }

  start(): void {
    const [program = '', ...args] = this.#command
    // A process group of its own: Ctrl-C in a terminal reaches only us, and we end the pods in order.
    const child = spawn(program, args, { detached: true, stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
    this.#state = { kind: 'running', child, startedAt: this.#clock.now() }
    let errors = ''
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      errors = (errors + text).slice(-keptErrorChars)
    })
    child.on('message', message => {
      const { type, elsewhere } = message as Partial<SamplePodReady>
      if (type === 'listening' && child.pid !== undefined && this.#isCurrent(child)) {
        this.#onEvent({ type, pid: child.pid, elsewhere: elsewhere ?? [] })
      }
    })
    // 'error' alone, without 'exit', means that there never was a process.
    child.once('error', error => this.#onExit(child, error.message))
    child.once('exit', (code, signal) => {
      const how = signal === null ? `exit code ${code}` : `signal ${signal}`
      const said = errors.trim().split('\n').at(-1) ?? ''
      this.#onExit(child, said === '' ? how : `${how}: ${said}`)
    })
  }

  /** Ends the process, by force if it doesn't end by itself; resolves when it is gone. */
  async stop(): Promise<void> {
    const state = this.#state
    this.#state = { kind: 'stopped' }
    if (state.kind === 'pausing') state.timer.cancel()
    if (state.kind !== 'running') return
    const { child } = state
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
    await new Promise<void>(resolve => {
      const force = this.#clock.after(stopGraceMs, () => child.kill('SIGKILL'))
      child.once('exit', () => {
        force.cancel()
        resolve()
      })
      child.kill('SIGTERM')
    })
  }

  #onExit(child: ChildProcess, reason: string): void {
    if (!this.#isCurrent(child)) return
    const ranMs = this.#state.kind === 'running' ? this.#clock.now() - this.#state.startedAt : 0
    if (ranMs >= stableMs) this.#pauseMs = firstPauseMs
    const restartInMs = this.#pauseMs
    this.#pauseMs = Math.min(restartInMs * 2, longestPauseMs)
    this.#state = { kind: 'pausing', timer: this.#clock.after(restartInMs, () => this.start()) }
    this.#restarts++
    this.#onEvent({ type: 'exited', reason, restartInMs, restarts: this.#restarts })
  }

  #isCurrent(child: ChildProcess): boolean {
    return this.#state.kind === 'running' && this.#state.child === child
  }
}
