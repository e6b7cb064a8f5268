// TCP_STREAM: bulk in one direction at a time, over a few connections. What is counted is what arrived: here for what the
// server gives ("down"), by the server's counters for what the client gives ("up").

import net from 'node:net'
import type { Address } from '../../lib/model/address.ts'
import { newCounters, type Load } from './counters.ts'
import { streamDown, streamUp } from './server.ts'

export interface StreamOptions {
  readonly target: Address
  readonly connections: number
  readonly direction: 'up' | 'down'
}

const chunkBytes = 256 * 1024

/** Resolves when all connections are open; rejects with the first reason why one can't be. */
export async function runStream({ target, connections, direction }: StreamOptions): Promise<Load> {
  const counters = newCounters()
  const sockets = new Set<net.Socket>()
  const buffer = Buffer.alloc(chunkBytes)
  const bulk = Buffer.alloc(chunkBytes, 'u')
  let stopped = false

  const connect = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const socket = net.connect({
        host: target.ip,
        port: target.port,
        noDelay: true,
        onread: {
          buffer,
          callback: bytes => {
            counters.bytes += bytes
            return true
          },
        },
      })
      sockets.add(socket)
      socket.once('connect', () => {
        socket.write(Buffer.from([direction === 'up' ? streamUp : streamDown]))
        if (direction === 'up') {
          const pump = (): void => {
            while (!socket.destroyed && socket.write(bulk));
          }
          socket.on('drain', pump)
          pump()
        }
        resolve()
      })
      socket.on('error', (error: NodeJS.ErrnoException) => {
        if (!stopped) counters.error(error.code ?? error.message)
        reject(error)
      })
      socket.on('close', hadError => {
        sockets.delete(socket)
        if (!stopped && !hadError) counters.error('closed by the other side')
      })
    })

  const stop = async (): Promise<void> => {
    stopped = true
    for (const socket of sockets) socket.resetAndDestroy()
  }
  try {
    await Promise.all(Array.from({ length: connections }, connect))
  } catch (error) {
    await stop()
    throw error
  }
  return { counters, stop }
}
