// A forked helper (traffic, endpoints) that answers each command with one report.

import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'

export interface HelperProcess<Command, Report> {
  readonly child: ChildProcess
  /** Commands are answered in their order. Rejects if the process ends instead. */
  command(command: Command): Promise<Report>
  kill(): Promise<void>
}

export function startHelper<Command, Report>(file: string): HelperProcess<Command, Report> {
  const child = fork(new URL(file, import.meta.url), {
    execArgv: [],
    env: { ...process.env, NODE_OPTIONS: '' },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const waiting: PromiseWithResolvers<Report>[] = []
  child.on('message', report => waiting.shift()?.resolve(report as Report))
  const exited = once(child, 'exit')
  void exited.then(([code, signal]) => {
    for (const each of waiting) each.reject(new Error(`${file} ended with ${code ?? signal}`))
  })
  return {
    child,
    command(command) {
      const answer = Promise.withResolvers<Report>()
      waiting.push(answer)
      child.send(command as object, error => {
        if (error !== null) answer.reject(error)
      })
      return answer.promise
    },
    async kill() {
      child.kill('SIGKILL')
      await exited
    },
  }
}
