// One attempt to connect, bounded in time. The socket is destroyed on every way out but success.

import type net from 'node:net'
import type { Address } from '../../../model/address.ts'
import type { Conn, Dial, DialFailure } from '../../engine.ts'
import { asConn } from './conn.ts'
import { UpstreamSocket } from './upstream-socket.ts'

/** Failures of this node, not of the endpoint: another endpoint wouldn't do better. */
const localErrors = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'EAGAIN'])

export type DialDone = (failure: DialFailure | null, upstream: Conn | null, error: Error | null) => void

export function dialTcp(to: Address, timeoutMs: number, done: DialDone): Dial {
  const socket = new UpstreamSocket()
  socket.connect({
    host: to.ip,
    port: to.port,
    // The address is an IP: no resolver, and no second family to race.
    autoSelectFamily: false,
    lookup: noLookup,
  })
  // Timers run before sockets are looked at: after a stall of the loop, an answer that is there already must win.
  let lastLook: NodeJS.Immediate | null = null
  const timer = setTimeout(() => (lastLook = setImmediate(finish, 'timeout', null)), timeoutMs)

  function stop(): void {
    clearTimeout(timer)
    if (lastLook !== null) clearImmediate(lastLook)
    socket.off('connect', onConnect)
    socket.off('error', onError)
  }
  function finish(failure: DialFailure | null, error: Error | null): void {
    stop()
    const conn = asConn(socket)
    if (failure !== null) socket.destroy()
    done(failure, failure === null ? conn : null, error)
  }
  function onConnect(): void {
    // Nothing is read before the relay asks for it.
    socket.pause()
    finish(null, null)
  }
  function onError(error: Error): void {
    finish(localErrors.has((error as NodeJS.ErrnoException).code ?? '') ? 'local' : 'refused', error)
  }

  socket.on('connect', onConnect)
  socket.on('error', onError)
  return {
    cancel() {
      stop()
      asConn(socket)
      socket.destroy()
    },
  }
}

const noLookup: net.LookupFunction = hostname => {
  throw new TypeError(`engines/net dials IP addresses only, got ${hostname}`)
}
