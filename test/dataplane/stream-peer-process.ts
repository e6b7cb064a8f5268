// Starts and commands a stream-peer, which ends with the test.

import { fork, type ChildProcess } from 'node:child_process'
import type { Test } from 'tap'
import type { PeerCommand, PeerReport } from './stream-peer.ts'

export class StreamPeer {
  readonly #child: ChildProcess
  readonly #reports: PeerReport[] = []
  #wake: () => void = () => {}

  constructor(t: Test) {
    this.#child = fork(new URL('./stream-peer.ts', import.meta.url), { execArgv: [] })
    this.#child.on('message', (report: PeerReport) => {
      this.#reports.push(report)
      this.#wake()
    })
    t.teardown(() => this.#child.kill('SIGKILL'))
  }

  command(command: PeerCommand): void {
    this.#child.send(command)
  }

  /** The next report of this type; others before it are dropped. */
  async next<T extends PeerReport['type']>(type: T): Promise<Extract<PeerReport, { type: T }>> {
    for (;;) {
      const report = this.#reports.shift()
      if (report?.type === type) return report as Extract<PeerReport, { type: T }>
      if (report === undefined) await new Promise<void>(resolve => (this.#wake = resolve))
    }
  }
}
