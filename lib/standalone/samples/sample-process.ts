// One sample pod's process, kept running as a kubelet keeps a container: started, watched, restarted with a growing
// pause. At any time it is in exactly one state, and once it is stopping it never comes back.

import { spawn, type ChildProcess } from 'node:child_process'
import { constants } from 'node:os'
import type { Clock, Timer } from '../../ops/clock.ts'
import type { ListeningPort } from '../kinds/api-types.ts'
import type { SamplePodReady } from './sample-pod.ts'

const firstPauseMs = 1000
const longestPauseMs = 30_000
/** A process that ran this long has earned the first pause again. */
const stableMs = 10_000
const keptErrorChars = 2000
/** What container runtimes report for a program that couldn't be started at all. */
const startErrorCode = 128

export interface ProcessEnd {
  /** The code it ended with, or 128 and the number of the signal that ended it. */
  readonly exitCode: number
  /** For people: the code or signal, and the last line that it wrote to stderr. */
  readonly reason: string
}

export type ProcessEvent =
  | { readonly type: 'listening'; readonly pid: number; readonly elsewhere: readonly ListeningPort[] }
  | {
      readonly type: 'exited'
      readonly end: ProcessEnd
      readonly restarts: number
      /** Null: it isn't started again. */
      readonly restartInMs: number | null
    }

type State =
  | { readonly kind: 'running'; readonly child: ChildProcess; readonly startedAt: number }
  | { readonly kind: 'pausing'; readonly timer: Timer }
  | {
      readonly kind: 'stopping'
      readonly gone: Promise<ProcessEnd | null>
      readonly killIn: (ms: number) => void
    }
  | { readonly kind: 'stopped' }

export interface SampleProcessOptions {
  /** The program with all its arguments; it must report with a SamplePodReady message. */
  readonly command: readonly string[]
  readonly clock: Clock
  readonly restarts: (exitCode: number) => boolean
  readonly onEvent: (event: ProcessEvent) => void
}

export class SampleProcess {
  readonly #options: SampleProcessOptions
  #state: State = { kind: 'stopped' }
  #pauseMs = firstPauseMs
  #restarts = 0

  constructor(options: SampleProcessOptions) {
    this.#options = options
  }

  /** The process id while there is a process that isn't stopping. */
  get pid(): number | undefined {
    return this.#state.kind === 'running' ? this.#state.child.pid : undefined
  }

  start(): void {
    const { clock, command, onEvent } = this.#options
    const [program = '', ...args] = command
    // A process group of its own: Ctrl-C in a terminal reaches only us, and we end the pods in order.
    const child = spawn(program, args, { detached: true, stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
    this.#state = { kind: 'running', child, startedAt: clock.now() }
    let errors = ''
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      errors = (errors + text).slice(-keptErrorChars)
    })
    child.on('message', message => {
      const { type, elsewhere } = message as Partial<SamplePodReady>
      if (type === 'listening' && child.pid !== undefined && this.#isCurrent(child)) {
        onEvent({ type, pid: child.pid, elsewhere: elsewhere ?? [] })
      }
    })
    // 'error' alone, without 'exit', means that there never was a process.
    child.once('error', error => {
      this.#onExit(child, { exitCode: startErrorCode, reason: error.message })
    })
    child.once('exit', (code, signal) => this.#onExit(child, endOf(code, signal, errors)))
  }

  /**
   * Asks the process to end, ends it by force after `graceMs`, and resolves once it is gone, with how it ended; null
   * if there was none. Called again, it can only shorten the time.
   */
  stop(graceMs: number): Promise<ProcessEnd | null> {
    const state = this.#state
    switch (state.kind) {
      case 'stopping':
        state.killIn(graceMs)
        return state.gone
      case 'running':
        return this.#end(state.child, graceMs)
      case 'pausing':
        state.timer.cancel()
        break
      case 'stopped':
    }
    this.#state = { kind: 'stopped' }
    return Promise.resolve(null)
  }

  #end(child: ChildProcess, graceMs: number): Promise<ProcessEnd | null> {
    const { clock } = this.#options
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) {
      this.#state = { kind: 'stopped' }
      return Promise.resolve(null)
    }
    let force: { readonly at: number; readonly timer: Timer } | undefined
    const killIn = (ms: number): void => {
      const at = clock.now() + ms
      if (force !== undefined && force.at <= at) return
      force?.timer.cancel()
      force = { at, timer: clock.after(ms, () => child.kill('SIGKILL')) }
    }
    const gone = new Promise<ProcessEnd>(resolve => {
      child.once('exit', (code, signal) => {
        force?.timer.cancel()
        this.#state = { kind: 'stopped' }
        resolve(endOf(code, signal, ''))
      })
    })
    this.#state = { kind: 'stopping', gone, killIn }
    if (graceMs <= 0) child.kill('SIGKILL')
    else {
      killIn(graceMs)
      child.kill('SIGTERM')
    }
    return gone
  }

  #onExit(child: ChildProcess, end: ProcessEnd): void {
    if (!this.#isCurrent(child)) return
    const { clock, onEvent, restarts } = this.#options
    const ranMs = this.#state.kind === 'running' ? clock.now() - this.#state.startedAt : 0
    if (!restarts(end.exitCode)) {
      this.#state = { kind: 'stopped' }
      onEvent({ type: 'exited', end, restarts: this.#restarts, restartInMs: null })
      return
    }
    if (ranMs >= stableMs) this.#pauseMs = firstPauseMs
    const restartInMs = this.#pauseMs
    this.#pauseMs = Math.min(restartInMs * 2, longestPauseMs)
    this.#state = { kind: 'pausing', timer: clock.after(restartInMs, () => this.start()) }
    this.#restarts++
    onEvent({ type: 'exited', end, restarts: this.#restarts, restartInMs })
  }

  #isCurrent(child: ChildProcess): boolean {
    return this.#state.kind === 'running' && this.#state.child === child
  }
}

function endOf(code: number | null, signal: NodeJS.Signals | null, errors: string): ProcessEnd {
  const how = signal === null ? `exit code ${code}` : `signal ${signal}`
  const said = errors.trim().split('\n').at(-1) ?? ''
  return {
    exitCode: signal === null ? (code ?? 0) : 128 + constants.signals[signal],
    reason: said === '' ? how : `${how}: ${said}`,
  }
}
