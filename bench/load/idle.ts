// Connections that are opened, used once, and then left alone: what they cost in memory is measured from outside.

import net from 'node:net'
import type { Address } from '../../lib/model/address.ts'

export interface IdleConnections {
  /** Opens that many more; resolves when each has had an answer, rejects with the first reason why one hadn't. */
  add(count: number): Promise<void>
  /** How many are open still. */
  readonly open: number
  close(): void
}

/** Opening at a time: below anybody's accept queue. */
const atATime = 100
const timeoutMs = 20_000

export function holdIdle(target: Address, requestBytes: number, responseBytes: number): IdleConnections {
  const sockets = new Set<net.Socket>()
  const request = Buffer.alloc(requestBytes, 'q')
  // They answer once: one buffer is enough for all of them, and theirs is not what is measured.
  const buffer = Buffer.alloc(Math.max(65_536, responseBytes))

  const openOne = (): Promise<void> =>
    new Promise((resolve, reject) => {
      let got = 0
      const socket = net.connect({
        host: target.ip,
        port: target.port,
        noDelay: true,
        onread: {
          buffer,
          callback: bytes => {
            got += bytes
            if (got >= responseBytes) {
              socket.setTimeout(0)
              resolve()
            }
            return true
          },
        },
      })
      sockets.add(socket)
      socket.setTimeout(timeoutMs, () => socket.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)))
      socket.on('error', reject)
      socket.on('close', () => {
        sockets.delete(socket)
        reject(new Error('closed before the response'))
      })
      socket.write(request)
    })

  return {
    get open() {
      return sockets.size
    },
    async add(count) {
      for (let left = count; left > 0; left -= atATime) {
        await Promise.all(Array.from({ length: Math.min(left, atATime) }, openOne))
      }
    },
    close() {
      for (const socket of sockets) socket.resetAndDestroy()
    },
  }
}
