// UDP_RR: many flows, each a socket of its own with one request under way. A request that isn't answered in time is
// counted as lost, and the flow goes on with the next one; an answer that comes later than that counts for nothing.

import type dgram from 'node:dgram'
import { once } from 'node:events'
import type { Address } from '../../lib/model/address.ts'
import { newCounters, type Load } from './counters.ts'
import { udpSocket } from './server.ts'

export interface UdpRrOptions {
  readonly target: Address
  readonly flows: number
  readonly requestBytes: number
  /** When a request counts as lost. */
  readonly lostAfterMs: number
}

interface Flow {
  readonly socket: dgram.Socket
  /** Its own: Node may still have the last one in its queue when another flow sends. */
  readonly request: Buffer
  number: number
  sentMs: number
}

export async function runUdpRr({ target, flows, requestBytes, lostAfterMs }: UdpRrOptions): Promise<Load> {
  const counters = newCounters()
  const all: Flow[] = []
  let stopped = false
  const sent = (error: Error | null): void => {
    if (error !== null && !stopped) counters.error((error as NodeJS.ErrnoException).code ?? error.message)
  }
  const send = (flow: Flow): void => {
    flow.number = (flow.number + 1) >>> 0
    flow.request.writeUInt32LE(flow.number, 0)
    flow.sentMs = performance.now()
    flow.socket.send(flow.request, sent)
  }
  const open = async (): Promise<void> => {
    const socket = udpSocket()
    const flow: Flow = { socket, request: Buffer.alloc(Math.max(4, requestBytes)), number: 0, sentMs: 0 }
    socket.on('error', sent)
    socket.on('message', message => {
      if (stopped || message.length < 4 || message.readUInt32LE(0) !== flow.number) return
      counters.operations++
      counters.latency.record((performance.now() - flow.sentMs) * 1000)
      send(flow)
    })
    const connected = once(socket, 'connect')
    all.push(flow)
    socket.connect(target.port, target.ip)
    await connected
  }
  const watch = setInterval(
    () => {
      const lateMs = performance.now() - lostAfterMs
      for (const flow of all) {
        if (flow.sentMs === 0 || flow.sentMs > lateMs) continue
        counters.lost++
        send(flow)
      }
    },
    Math.max(10, lostAfterMs / 4),
  )
  const stop = async (): Promise<void> => {
    stopped = true
    clearInterval(watch)
    for (const { socket } of all.splice(0)) socket.close()
  }
  try {
    for (let index = 0; index < flows; index++) await open()
  } catch (error) {
    await stop()
    throw error
  }
  for (const flow of all) send(flow)
  return { counters, stop }
}
