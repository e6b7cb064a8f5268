// A part of the benchmark in a process of its own (the server, the load generator), as the benchmark sees it: called by
// name over an IPC channel. The part ends when the channel does, so that nothing is left whichever way this process ends.

import { spawn } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { RelayError } from '../../lib/model/error.ts'
import { ownCommand, ownEnvironment } from '../own-command.ts'
import type { PartAnswer } from './part-process.ts'

export interface Part {
  readonly pid: number
  readonly alive: boolean
  /** @throws BENCH with the part's reason, or that it has ended. */
  call(name: string, argument?: object): Promise<unknown>
  /** May be called twice. */
  stop(): Promise<void>
}

/** How long a part that was told to may take to end. */
const endWithinMs = 2000
const lastWordsWithinMs = 200

/** @throws BENCH where the process can't be started. */
export async function startPart(name: string): Promise<Part> {
  const [program = '', ...args] = ownCommand('bench-part', name)
  // In a process group of its own: Ctrl-C is for the benchmark, which then ends its parts.
  const child = spawn(program, args, {
    detached: true,
    env: ownEnvironment(),
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  const waiting = new Map<number, PromiseWithResolvers<unknown>>()
  const ready = Promise.withResolvers<void>()
  const gone = Promise.withResolvers<void>()
  let asked = 0
  let said = ''
  let ended = false

  const end = (how: string): void => {
    if (ended) return
    ended = true
    const error = new RelayError('BENCH', `the benchmark's ${name} has ended (${how})${said && `: ${said}`}`)
    ready.reject(error)
    for (const { reject } of waiting.values()) reject(error)
    waiting.clear()
    gone.resolve()
  }
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (said = `${said}${text}`.slice(-1000)))
  child.on('error', error => end(error.message))
  // Not 'close', which never comes once this side has disconnected. What it said last may be on its way still.
  child.on('exit', (code, signal) => {
    const last = (): void => end(signal ?? `exit code ${code}`)
    if (child.stderr?.closed ?? true) return last()
    child.stderr?.once('close', last)
    setTimeout(last, lastWordsWithinMs)
  })
  child.on('message', (answer: PartAnswer) => {
    if (answer.id === 0) return ready.resolve()
    const question = waiting.get(answer.id)
    waiting.delete(answer.id)
    if ('error' in answer) question?.reject(new RelayError('BENCH', answer.error))
    else question?.resolve(answer.result)
  })
  await ready.promise

  return {
    pid: child.pid ?? 0,
    get alive() {
      return !ended
    },
    call: (name, argument = {}) => {
      if (!child.connected) {
        return Promise.reject(new RelayError('BENCH', `the benchmark's process for ${name} has ended`))
      }
      const id = ++asked
      const question = Promise.withResolvers<unknown>()
      waiting.set(id, question)
      // What can't be sent is answered by the process's end.
      child.send({ id, name, argument }, () => {})
      return question.promise
    },
    stop: async () => {
      if (ended) return
      if (child.connected) child.disconnect()
      await Promise.race([gone.promise, delay(endWithinMs, undefined, { ref: false })])
      if (!ended) {
        child.kill('SIGKILL')
        await gone.promise
      }
    },
  }
}
