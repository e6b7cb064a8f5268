// A worker that has lost its agent: it serves on, and can be found by the next agent on this node, which takes over from
// it (orphans.ts). Found at STATE_DIR/workers/PID.sock, a unix socket that nobody but this user can open. The agent says
// {"type":"drain","timeoutMs":…} in one line, with null for however long it takes, and the worker closes the connection.
// The socket is there only while its worker is an orphan, so two agents that are alive never drain each other's workers.

import { chmodSync, mkdirSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import path from 'node:path'
import { reasonOf } from '../model/error.ts'
import type { Clock, Timer } from '../ops/clock.ts'
import type { Log } from '../ops/log.ts'
import { orphanFolder } from './orphans.ts'

export interface OrphanOptions {
  readonly stateDir: string | null
  readonly graceMs: number
  readonly clock: Clock
  readonly log: Log
  /** Called once: by an agent that has taken over, or with undefined when none came in time. */
  readonly onDrain: (timeoutMs: number | null | undefined) => void
}

/** What a line of the conversation may be long at most. */
const maxLineChars = 1000
/** What fits into sockaddr_un (unix(7)), its last NUL included. */
const maxPathBytes = 107

export class Orphan {
  readonly #options: OrphanOptions
  readonly #timer: Timer
  #server: Server | null = null
  readonly #sockets = new Set<Socket>()
  #drained = false

  constructor(options: OrphanOptions) {
    this.#options = options
    const { stateDir, graceMs, clock, log } = options
    this.#timer = clock.after(graceMs, () => {
      log.warn('no new agent has come in time (--orphan-grace): this worker ends')
      this.#drain(undefined)
    })
    if (stateDir === null) log.warn({ graceMs }, 'without a state directory no new agent finds this worker')
    else this.#listen(stateDir)
  }

  /** Nobody finds it any more. May be called twice. */
  close(): void {
    this.#timer.cancel()
    // Closing a server removes its socket from the folder, too.
    this.#server?.close()
    this.#server = null
    for (const socket of this.#sockets) socket.destroy()
  }

  #listen(stateDir: string): void {
    const { log } = this.#options
    const file = orphanSocket(stateDir, process.pid)
    try {
      const folder = path.dirname(file)
      if (Buffer.byteLength(file) > maxPathBytes) throw new Error('the path is too long for a unix socket')
      mkdirSync(folder, { recursive: true, mode: 0o700 })
      chmodSync(folder, 0o700)
      // Of a dead process that had this one's number.
      rmSync(file, { force: true })
      this.#server = createServer(socket => this.#talk(socket))
      this.#server.on('error', error =>
        log.warn({ err: error }, `no new agent can find this worker at ${file}`),
      )
      this.#server.listen(file)
    } catch (error) {
      log.warn(`no new agent can find this worker at ${file}: ${reasonOf(error)}`)
    }
  }

  #talk(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    let text = ''
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
      if (text.length > maxLineChars) socket.destroy()
      const end = text.indexOf('\n')
      if (end === -1) return
      const timeoutMs = drainTimeoutIn(text.slice(0, end))
      socket.end()
      if (timeoutMs !== undefined) this.#drain(timeoutMs)
    })
  }

  #drain(timeoutMs: number | null | undefined): void {
    if (this.#drained) return
    this.#drained = true
    this.#timer.cancel()
    this.#server?.close()
    this.#server = null
    this.#options.onDrain(timeoutMs)
  }
}

/** Where the worker with this process id listens as an orphan. */
export function orphanSocket(stateDir: string, pid: number): string {
  return path.join(stateDir, orphanFolder, `${pid}.sock`)
}

/** undefined: this isn't what an agent says. */
function drainTimeoutIn(text: string): number | null | undefined {
  try {
    const { type, timeoutMs } = JSON.parse(text) as { type?: unknown; timeoutMs?: unknown }
    if (type !== 'drain') return undefined
    return timeoutMs === null || (typeof timeoutMs === 'number' && timeoutMs >= 0) ? timeoutMs : undefined
  } catch {
    return undefined
  }
}
