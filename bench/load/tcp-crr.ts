// TCP_CRR: connect, request, response, close, over and over, with a fixed number of connections under way at a time.
// An operation has ended when its connection is closed on both sides; its latency ends with the response.

import net from 'node:net'
import type { Address } from '../../lib/model/address.ts'
import { newCounters, type Load } from './counters.ts'

export interface CrrOptions {
  readonly target: Address
  /** Connections at a time. */
  readonly concurrency: number
  readonly requestBytes: number
  readonly responseBytes: number
}

/** One operation that takes longer has failed. */
const timeoutMs = 5000

export async function runCrr(options: CrrOptions): Promise<Load> {
  const { target, requestBytes, responseBytes } = options
  const counters = newCounters()
  const request = Buffer.alloc(requestBytes, 'q')
  const buffer = Buffer.alloc(Math.max(65_536, responseBytes))
  /** When each was begun. */
  const sockets = new Map<net.Socket, number>()
  let stopped = false

  const once = (): void => {
    if (stopped) return
    const startedMs = performance.now()
    let got = 0
    let failed: string | null = null
    const socket = net.connect({
      host: target.ip,
      port: target.port,
      noDelay: true,
      onread: {
        buffer,
        callback: bytes => {
          got += bytes
          if (got >= responseBytes) {
            counters.latency.record((performance.now() - startedMs) * 1000)
            socket.end()
          }
          return true
        },
      },
    })
    sockets.set(socket, startedMs)
    socket.on('error', (error: NodeJS.ErrnoException) => (failed = error.code ?? error.message))
    socket.on('close', () => {
      sockets.delete(socket)
      if (stopped) return
      if (failed === null && got >= responseBytes) {
        counters.operations++
        once()
      } else {
        counters.error(failed ?? 'closed before the response')
        setTimeout(once, 10)
      }
    })
    // Goes out with the end of the handshake.
    socket.write(request)
  }

  // One timer for all: a timer for each would be a part of what an operation costs.
  const watch = setInterval(() => {
    const tooOldMs = performance.now() - timeoutMs
    for (const [socket, startedMs] of sockets) {
      if (startedMs < tooOldMs) socket.destroy(new Error('timeout'))
    }
  }, 500)
  for (let slot = 0; slot < options.concurrency; slot++) once()
  return {
    counters,
    stop: async () => {
      stopped = true
      clearInterval(watch)
      for (const socket of sockets.keys()) socket.resetAndDestroy()
    },
  }
}
