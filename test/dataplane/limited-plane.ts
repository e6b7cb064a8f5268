// Starts a data plane in a process that may open only so many descriptors.

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { Test } from 'tap'
import type { DataPlaneStatus } from '../../lib/dataplane/data-plane.ts'
import type { Engine } from '../../lib/dataplane/engine.ts'
import type { TableUpdate } from '../../lib/model/proxy-table.ts'
import type { PlaneRequest } from './plane-process.ts'

export class LimitedPlane {
  readonly #child: ChildProcess
  #exit: string | null = null

  constructor(t: Test, engine: Engine, descriptors: number, nodeFlags: readonly string[] = []) {
    // `ulimit -n` without -S lowers the hard limit, too: Node raises the soft one to it at its start.
    const script = `ulimit -n ${descriptors}; exec "$0" "$@"`
    const main = new URL('./plane-process.ts', import.meta.url).pathname
    this.#child = spawn('sh', ['-c', script, process.execPath, ...nodeFlags, main], {
      env: { PATH: process.env['PATH'], ENGINE: engine.name },
      stdio: ['ignore', 'inherit', 'ignore', 'ipc'],
    })
    this.#child.once('exit', (code, signal) => (this.#exit = `exit ${code ?? signal ?? ''}`))
    t.teardown(() => this.#child.kill('SIGKILL'))
  }

  /** How the process ended; null while it runs. */
  get exit(): string | null {
    return this.#exit
  }

  async apply(update: TableUpdate): Promise<void> {
    await this.#ask({ type: 'apply', update })
  }

  async status(): Promise<DataPlaneStatus> {
    return (await this.#ask({ type: 'status' })) as DataPlaneStatus
  }

  async drain(timeoutMs: number | null): Promise<void> {
    await this.#ask({ type: 'drain', timeoutMs })
  }

  async prepareHandOver(): Promise<void> {
    await this.#ask({ type: 'prepare-hand-over' })
  }

  async setMembers(own: number, members: readonly number[]): Promise<void> {
    await this.#ask({ type: 'members', own, members })
  }

  /** The memory of its process, in bytes. */
  async memory(): Promise<number> {
    return (await this.#ask({ type: 'memory' })) as number
  }

  /** Something else in the process takes all descriptors but so many. */
  async eatAllBut(left: number): Promise<void> {
    await this.#ask({ type: 'eat', left })
  }

  async freeEaten(): Promise<void> {
    await this.#ask({ type: 'eat', left: -1 })
  }

  async cpuSeconds(): Promise<number> {
    return (await this.#ask({ type: 'cpu' })) as number
  }

  /** One question at a time. */
  async #ask(request: PlaneRequest): Promise<unknown> {
    if (this.#exit !== null) throw new Error(`the data plane's process has ended: ${this.#exit}`)
    const answer = once(this.#child, 'message')
    this.#child.send(request)
    const [value] = (await answer) as [unknown]
    return value
  }
}
