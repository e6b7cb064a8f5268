// Tells systemd, or another service manager with its protocol (sd_notify(3)), how the process is doing: ready, reloading,
// stopping, a line for `systemctl status`, and a sign of life for the watchdog as long as it makes progress. Without
// NOTIFY_SOCKET in the environment there is nobody to tell, and nothing of this runs.

import { spawn } from 'node:child_process'
import { endianness } from 'node:os'
import { reasonOf } from '../model/error.ts'
import type { Clock } from './clock.ts'
import { libcFunction, typedLibcFunction } from './libc.ts'
import type { Log } from './log.ts'

export interface ServiceManager {
  /** What is to be asked from now on; until then, the process is taken to be starting and alive. */
  watch(progress: () => Progress): void
  /** Serving: whoever waits for the start is let go. */
  ready(): void
  /** Until the function that is returned is called: how the reload ended, null for well. */
  reloading(): (failure: string | null) => void
  /** The end may take that long from now on. */
  stopping(withinMs: number): void
  /** Tells nothing any more. May be called twice. */
  close(): void
}

export interface Progress {
  /** No sign of life is given without it, and systemd then starts the process anew (WatchdogSec=). */
  readonly alive: boolean
  /** One line for `systemctl status`. */
  readonly text: string
}

/** Sends one datagram; false: it hasn't been taken. */
export type Send = (message: string) => boolean

export interface ServiceManagerOptions {
  /** NOTIFY_SOCKET and the watchdog's variables are taken out: they mean this process, not its children. */
  readonly env: NodeJS.ProcessEnv
  readonly clock: Clock
  readonly log: Log
}

/** How often the line is brought up to date where there is no watchdog. */
const tellEveryMs = 15_000
/** What a state that systemd hadn't room for is told again after, and how often. */
const againAfterMs = 200
const mostTries = 25
/** On top of what was asked for: for what comes after the last connection. */
const endMs = 10_000

/** null: nobody wants to know. */
export function openServiceManager({ env, clock, log }: ServiceManagerOptions): ServiceManager | null {
  const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: usec, WATCHDOG_PID: pid } = env
  for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete env[name]
  if (socket === undefined || socket === '') return null
  const send = notifySocket(socket) ?? notifyProgram(socket, log)
  const guarded = pid === undefined || Number(pid) === process.pid
  const watchdogMs = guarded && /^\d+$/.test(usec ?? '') ? Number(usec) / 1000 : 0
  return serviceManager({ send, watchdogMs, clock, log })
}

/** `watchdogMs`: how long the process may give no sign of life; 0: for ever. */
export function serviceManager(options: {
  readonly send: Send
  readonly watchdogMs: number
  readonly clock: Clock
  readonly log: Log
}): ServiceManager {
  const { send, watchdogMs, clock, log } = options
  let state: 'starting' | 'ready' | 'reloading' | 'stopping' = 'starting'
  let progress = (): Progress => ({ alive: true, text: 'Starting' })
  let reloads = 0
  let failed: string | null = null
  let told = ''
  let closed = false
  /** States that systemd still has to hear of, in their order. */
  let waiting: readonly string[] = []
  let tries = 0
  let retry: ReturnType<Clock['after']> | null = null

  const deliver = (): void => {
    retry = null
    while (waiting[0] !== undefined && send(waiting[0])) {
      waiting = waiting.slice(1)
      tries = 0
    }
    if (waiting.length === 0) return
    if (++tries < mostTries) {
      retry = clock.after(againAfterMs, deliver)
      return
    }
    log.warn(`the service manager can't be told (NOTIFY_SOCKET): ${waiting.join(', ').replaceAll('\n', ' ')}`)
    waiting = []
    tries = 0
  }
  const tell = (lines: readonly string[]): void => {
    if (closed) return
    waiting = [...waiting, lines.join('\n')]
    if (retry === null) deliver()
  }
  const progressText = (): string =>
    failed === null ? progress().text : `${progress().text}; the last reload failed: ${failed}`
  /** The line, if it is a new one. */
  const statusLines = (text: string): readonly string[] => {
    // One assignment per line is what the protocol has.
    const line = `STATUS=${text.replaceAll('\n', ' ')}`
    if (line === told) return []
    told = line
    return [line]
  }
  const look = (): void => {
    if (closed) return
    const lines = [
      ...(watchdogMs > 0 && progress().alive ? ['WATCHDOG=1'] : []),
      ...(state === 'ready' || state === 'starting' ? statusLines(progressText()) : []),
    ]
    // It comes again with the next look: what isn't taken now isn't worth a retry.
    if (lines.length > 0 && !send(lines.join('\n'))) told = ''
    timer = clock.after(watchdogMs > 0 ? watchdogMs / 2 : tellEveryMs, look)
  }
  let timer = clock.after(0, look)

  return {
    watch: asked => {
      progress = asked
    },
    ready: () => {
      if (state !== 'starting') return
      state = 'ready'
      tell(['READY=1', ...statusLines(progressText())])
    },
    reloading: () => {
      reloads++
      // Before it is ready there is nobody who waits for its reload.
      if (state === 'ready') {
        state = 'reloading'
        tell([
          'RELOADING=1',
          `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`,
          ...statusLines('Reloading'),
        ])
      }
      return failure => {
        reloads--
        failed = failure
        if (reloads > 0 || state !== 'reloading') return
        state = 'ready'
        tell(['READY=1', ...statusLines(progressText())])
      }
    },
    stopping: withinMs => {
      if (state === 'stopping') return
      state = 'stopping'
      const usec = Math.ceil((withinMs + endMs) * 1000)
      tell([
        'STOPPING=1',
        `EXTEND_TIMEOUT_USEC=${usec}`,
        ...statusLines('Stopping: connections may end first'),
      ])
    },
    close: () => {
      closed = true
      timer.cancel()
      retry?.cancel()
    },
  }
}

const afUnix = 1
const sockDgram = 2
const sockCloexec = 0o2000000
const msgDontwait = 0x40
const msgNosignal = 0x4000

/** By libc, since Node has no datagrams over unix sockets; null where it can't be called, or the address is of no kind. */
export function notifySocket(address: string): Send | null {
  const name = socketAddress(address)
  if (name === null) return null
  const socket = libcFunction('socket', 3)
  const sendto = typedLibcFunction('sendto', ['int32', 'pointer', 'uint64', 'int32', 'pointer', 'uint32'])
  const descriptor = socket === null || sendto === null ? -1 : socket(afUnix, sockDgram | sockCloexec, 0)
  if (sendto === null || descriptor < 0) return null
  return message => {
    const bytes = Buffer.from(message)
    const flags = msgDontwait | msgNosignal
    return sendto(descriptor, bytes, BigInt(bytes.length), flags, name, name.length) === bytes.length
  }
}

/** sockaddr_un (unix(7)): a path, or with `@` a name in the abstract namespace, which ends with the address. */
function socketAddress(address: string): Buffer | null {
  const text = Buffer.from(address)
  if (!/^[/@]./.test(address) || text.length > 107) return null
  const abstract = address.startsWith('@')
  const name = Buffer.alloc(2 + text.length + (abstract ? 0 : 1))
  if (endianness() === 'LE') name.writeUInt16LE(afUnix)
  else name.writeUInt16BE(afUnix)
  text.copy(name, 2)
  if (abstract) name[2] = 0
  return name
}

/** Without libc (Node 24). It is another process that speaks then: the unit needs NotifyAccess=all. */
export function notifyProgram(address: string, log: Log): Send {
  let complained = false
  const complain = (reason: string): void => {
    if (!complained) log.warn(`systemd-notify doesn't work, so the service manager isn't told: ${reason}`)
    complained = true
  }
  let last: Promise<void> = Promise.resolve()
  return message => {
    // One after the other: they must not overtake each other.
    last = last
      .then(() => runNotify(address, message))
      .then(
        () => {},
        (error: unknown) => complain(reasonOf(error)),
      )
    return true
  }
}

function runNotify(address: string, message: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('systemd-notify', [`--pid=${process.pid}`, ...message.split('\n')], {
      env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin', NOTIFY_SOCKET: address },
      stdio: 'ignore',
      timeout: 10_000,
    })
    child.on('error', reject)
    child.on('close', code => {
      if (code === 0) resolve()
      else reject(new Error(`it ended with status ${code}`))
    })
  })
}
