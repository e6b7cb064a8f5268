// TCP_RR: requests and responses on connections that stay open. At first in a closed loop (a request on each connection
// at any time: saturation); told a rate, in an open one: requests go out when they are due, whether or not the last ones
// were answered, and latency counts from when they were due (no coordinated omission). Nothing is allocated per request.

import net from 'node:net'
import type { Address } from '../../lib/model/address.ts'
import { newCounters, type Load } from './counters.ts'

export interface RrOptions {
  readonly target: Address
  readonly connections: number
  readonly requestBytes: number
  readonly responseBytes: number
}

export interface RrLoad extends Load {
  /** From here on this many requests per second, over all connections. */
  openLoop(ratePerSecond: number): void
}

interface Connection {
  readonly socket: net.Socket
  /** When the unanswered requests were due, oldest first: a ring. */
  readonly due: Float64Array
  first: number
  waiting: number
  /** Of the response that is coming in. */
  gotBytes: number
}

/** Unanswered requests of one connection in the open loop; one more is an error. */
const mostWaiting = 1024

/** Node's timers are about this exact: a request that goes out this late was late by the timer, not by the load. */
const timerMs = 2

const connectTimeoutMs = 5000

/** Resolves when all connections are open and busy; rejects with the first reason why one can't be. */
export async function runRr(options: RrOptions): Promise<RrLoad> {
  const { target, requestBytes, responseBytes } = options
  const counters = newCounters()
  const request = Buffer.alloc(requestBytes, 'q')
  const connections: Connection[] = []
  // All sockets read into it: what they read is counted, and not kept.
  const buffer = Buffer.alloc(Math.max(65_536, responseBytes))
  let open = false
  let stopped = false
  let timer: NodeJS.Timeout | undefined

  const send = (connection: Connection, dueMs: number): void => {
    if (connection.waiting === mostWaiting) return counters.error('unanswered')
    connection.due[(connection.first + connection.waiting) % mostWaiting] = dueMs
    connection.waiting++
    connection.socket.write(request)
  }

  const received = (connection: Connection, bytes: number): void => {
    connection.gotBytes += bytes
    while (connection.gotBytes >= responseBytes && connection.waiting > 0) {
      connection.gotBytes -= responseBytes
      connection.waiting--
      counters.operations++
      if (open) counters.latency.record((performance.now() - (connection.due[connection.first] ?? 0)) * 1000)
      connection.first = (connection.first + 1) % mostWaiting
      if (!open && !stopped) send(connection, 0)
    }
  }

  const connect = (): Promise<Connection> =>
    new Promise((resolve, reject) => {
      let connection: Connection | undefined
      const socket = net.connect({
        host: target.ip,
        port: target.port,
        noDelay: true,
        onread: {
          buffer,
          callback: bytes => {
            if (connection !== undefined) received(connection, bytes)
            return true
          },
        },
      })
      socket.setTimeout(connectTimeoutMs, () => socket.destroy(new Error('connecting timed out')))
      socket.once('connect', () => {
        socket.setTimeout(0)
        connection = { socket, due: new Float64Array(mostWaiting), first: 0, waiting: 0, gotBytes: 0 }
        connections.push(connection)
        resolve(connection)
      })
      socket.on('error', (error: NodeJS.ErrnoException) => {
        if (connection === undefined) reject(error)
        else if (!stopped) counters.error(error.code ?? error.message)
      })
      socket.on('close', hadError => {
        if (connection === undefined) return
        const at = connections.indexOf(connection)
        if (at !== -1) connections.splice(at, 1)
        if (stopped) return
        if (!hadError) counters.error('closed by the other side')
        // The load stays what it is, but a proxy that takes nobody isn't stormed.
        setTimeout(reopen, 50)
      })
    })

  const reopen = (): void => {
    if (stopped) return
    connect().then(
      connection => {
        if (stopped) connection.socket.resetAndDestroy()
        else if (!open) send(connection, 0)
      },
      (error: NodeJS.ErrnoException) => {
        counters.error(error.code ?? error.message)
        setTimeout(reopen, 50)
      },
    )
  }

  const stop = async (): Promise<void> => {
    stopped = true
    clearInterval(timer)
    for (const { socket } of connections.splice(0)) socket.resetAndDestroy()
  }

  try {
    // Some at a time: no accept queue is put to the test here.
    for (let left = options.connections; left > 0; left -= 64) {
      await Promise.all(Array.from({ length: Math.min(left, 64) }, connect))
    }
  } catch (error) {
    await stop()
    throw error
  }
  for (const connection of connections) send(connection, 0)

  return {
    counters,
    stop,
    openLoop(ratePerSecond) {
      open = true
      const startedMs = performance.now()
      let sent = 0
      let next = 0
      clearInterval(timer)
      timer = setInterval(() => {
        const nowMs = performance.now()
        const due = Math.floor(((nowMs - startedMs) * ratePerSecond) / 1000)
        for (; sent < due; sent++) {
          const connection = connections[next++ % connections.length]
          const dueMs = startedMs + (sent * 1000) / ratePerSecond
          if (connection === undefined) counters.error('no connection')
          else send(connection, nowMs - dueMs > timerMs ? dueMs : nowMs)
        }
      }, 1)
    },
  }
}
