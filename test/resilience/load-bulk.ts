// Bulk transfers at a bounded rate: random bytes go to an endpoint that echoes them, and the checksum of what comes
// back, after both FINs, must be the one of what was sent. So a lost, doubled or changed byte either way is found.

import { randomBytes } from 'node:crypto'
import net from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { crc32 } from 'node:zlib'
import {
  answerTimeoutMs,
  clientAddress,
  inTurn,
  keepRunning,
  splitAddress,
  type BulkLoad,
  type LoadRun,
} from './load.ts'
import { now } from './monotonic.ts'
import { Outcomes } from './outcomes.ts'

const tickMs = 50

export function startBulk(load: BulkLoad): LoadRun {
  const outcomes = new Outcomes('bulk', false)
  return keepRunning(outcomes, load.streams, async (n, open, stop) => {
    for (let transfer = n; !stop.aborted; transfer += load.streams) {
      await transferOnce(load, transfer, outcomes, open, stop)
      // One after the other, but not in a tight loop while nothing can be reached.
      await delay(tickMs)
    }
  })
}

async function transferOnce(
  load: BulkLoad,
  n: number,
  outcomes: Outcomes,
  open: Set<string>,
  stop: AbortSignal,
): Promise<void> {
  const to = inTurn(load.to, n)
  const localAddress = clientAddress(n % load.clients)
  const { ip, port } = splitAddress(to)
  const startedAt = now()
  const block = randomBytes(1 << 16)
  const total = load.bytesPerTransfer ?? Infinity
  let client = ''
  let failure: string | null = null
  let sent = 0
  let sentChecksum = 0
  let received = 0
  let receivedChecksum = 0
  outcomes.send()
  const socket = net.connect({ host: ip, port, localAddress })
  const { promise: closed, resolve } = Promise.withResolvers<void>()
  socket.once('connect', () => {
    client = `${localAddress}:${socket.localPort}`
    open.add(client)
  })
  socket.on('data', (chunk: Buffer) => {
    received += chunk.length
    outcomes.addBytes(chunk.length)
    receivedChecksum = crc32(chunk, receivedChecksum)
  })
  socket.on('error', (error: NodeJS.ErrnoException) => (failure ??= error.code ?? error.message))
  socket.on('end', () => {
    if (!socket.writableEnded) failure ??= 'ended by the other side'
  })
  socket.on('close', () => {
    open.delete(client)
    resolve()
  })
  const sendSome = (): void => {
    // Kept to the pace by time, and held back by what hasn't come back yet.
    const due = Math.min(total, ((now() - startedAt) / 1000) * load.bytesPerSecond)
    while (sent < due && sent - received < 1 << 20 && socket.writable) {
      const piece = block.subarray(0, Math.min(block.length, Math.ceil(due - sent)))
      sentChecksum = crc32(piece, sentChecksum)
      sent += piece.length
      socket.write(piece)
    }
    const isLastByte = sent >= total || stop.aborted
    if (!isLastByte || socket.writableEnded || socket.connecting) return
    socket.end()
    setTimeout(() => {
      failure ??= 'timeout'
      socket.destroy()
    }, answerTimeoutMs).unref()
  }
  const pace = setInterval(sendSome, tickMs)
  const unanswered = setInterval(() => {
    if (socket.connecting && now() - startedAt > answerTimeoutMs) socket.destroy(new Error('timeout'))
  }, 1000)
  await closed
  clearInterval(pace)
  clearInterval(unanswered)
  if (failure === null && (received !== sent || receivedChecksum !== sentChecksum)) {
    failure = `sent ${sent} bytes, got ${received} back, ${received === sent ? 'changed' : 'not all'}`
  }
  const at = now()
  if (failure === null) {
    outcomes.answer({ startedAt, to, endpoint: 'echo' }, null, 0)
    return
  }
  outcomes.fail({ reason: failure, at, startedAt, client, to })
  if (client !== '') outcomes.break({ reason: failure, at, startedAt, client, to })
}
